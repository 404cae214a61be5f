/** What applications pass to the functions of this folder, checked before it reaches the database. */
import * as v from 'valibot';
import { ConfigurationError } from '../errors.ts';
import { isUuid, messageStatuses } from '../vocabulary.ts';

/** A text that may be empty. Postgres takes neither a NUL byte nor half of a surrogate pair. */
export const anyText = v.pipe(
  v.string('must be a string'),
  v.maxLength(5000, 'is longer than 5000 characters'),
  v.check((value) => !value.includes('\u0000') && value.isWellFormed(), 'holds a NUL byte or half a character'),
);

/** A text that is not empty. */
export const text = v.pipe(anyText, v.minLength(1, 'is empty'));

/** A time that Postgres can hold. */
export const time = v.pipe(
  v.date('must be a valid Date'),
  v.check((value) => value.getUTCFullYear() > -4000, 'is before the year 4000 BC'),
);

/** A whole number. */
export const integer = v.pipe(v.number('must be a number'), v.safeInteger('must be a whole number'));

/** A whole number from 0. */
export const count = v.pipe(integer, v.minValue(0, 'must not be negative'));

/** The id of a message or an endpoint. */
export const uuid = v.pipe(
  v.string('must be a string'),
  v.check((value) => isUuid(value), 'is not a UUID'),
);
const status = v.picklist(messageStatuses, `must be one of ${messageStatuses.join(', ')}`);

/** Conditions on messages. A condition that does not exist would silently match every message. */
export const messageFilter = v.strictObject(
  {
    ...v.partial(
      v.object({
        method: text,
        template: text,
        recipientId: text,
        address: text,
        who: text,
        target: text,
        reason: text,
        dedupeKey: text,
      }),
    ).entries,
    status: v.optional(status),
    anyStatus: v.optional(v.array(status, 'must be an array')),
    endpointId: v.optional(uuid),
    since: v.optional(time),
    until: v.optional(time),
  },
  'is not a condition',
);

/** Who acts, and why. */
export const operatorNote = v.object({ by: text, why: v.optional(anyText) }, 'must be an object');

/** An object with these fields. */
export const fields = <Entries extends v.ObjectEntries>(entries: Entries) => v.object(entries, 'must be an object');

const pageOf = (limit: v.GenericSchema, after: v.GenericSchema) =>
  fields({ filter: messageFilter, page: fields({ limit, after: v.optional(after) }) });
/** A filter and a page, newest first. A limit below 0 is an empty page. */
export const listInput = pageOf(integer, fields({ createdAt: time, id: uuid }));

/** A filter and a page, oldest first. */
export const findInput = pageOf(
  count,
  fields({ createdMicros: v.pipe(text, v.regex(/^\d{1,18}$/, 'is not a number')), id: uuid }),
);

/** @throws {ConfigurationError} that names the first part of the input that is wrong: `cancelMessages: note.by`. */
export function checkInput(name: string, schema: v.GenericSchema, input: unknown): void {
  const { issues } = v.safeParse(schema, input, { abortEarly: true });
  if (issues === undefined) return;
  const [issue] = issues;
  const path = v.getDotPath(issue);
  throw new ConfigurationError(path === null ? name : `${name}: ${path}`, issue.message);
}
