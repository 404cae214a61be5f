/** What applications and browsers pass, checked before it reaches the database. */
import * as v from 'valibot';
import { InvalidNotificationError } from '../errors.ts';
import { isUuid } from '../vocabulary.ts';
import type { Reader } from './item.ts';
import type { ItemQuery, MarkRequest } from './requests.ts';

const maxIds = 1000;
const maxItems = 50;
const maxToken = 3000;
const maxReaderKey = 40;

const line = (longest: number) =>
  v.pipe(
    v.string('must be a string'),
    v.check((value) => value !== '' && value.length <= longest, `must have 1 to ${longest} characters`),
    // Postgres takes neither a NUL byte nor half of a surrogate pair.
    v.check((value) => !value.includes('\u0000') && value.isWellFormed(), 'holds a NUL byte or half a character'),
  );

const readerEntries = { recipientId: line(200), tenant: v.nullish(line(200)) };
const statuses = ['inbox', 'unread', 'read', 'archived'] as const;
const marks = ['seen', 'read', 'unread', 'archived', 'unarchived'] as const;

const queryEntries = {
  status: v.optional(v.picklist(statuses, `must be one of ${statuses.join(', ')}`)),
  template: v.optional(line(200)),
  group: v.optional(line(200)),
  target: v.optional(line(200)),
  cursor: v.optional(line(200)),
};
const limit = v.pipe(
  v.number('must be a number'),
  v.check((value) => Number.isInteger(value) && value >= 1 && value <= maxItems, `must be from 1 to ${maxItems}`),
);

const ids = v.pipe(
  v.array(
    v.pipe(
      v.string('must be a string'),
      v.check((value) => isUuid(value), 'is not the id of an item (a UUID)'),
    ),
    'must be an array of ids',
  ),
  v.check((value) => value.length >= 1 && value.length <= maxIds, `must have 1 to ${maxIds} ids`),
);

const markEntries = {
  as: v.picklist(marks, `must be one of ${marks.join(', ')}`),
  ids: v.optional(ids),
  target: v.optional(line(200)),
  asOf: v.optional(line(maxToken)),
  template: v.optional(line(200)),
  group: v.optional(line(200)),
};

const preferenceEntries = {
  template: v.optional(line(100)),
  group: v.optional(line(100)),
  method: v.optional(line(50)),
  enabled: v.nullable(v.boolean('must be true, false or null')),
};

/** The body of `POST /mark`: a request without its reader, whom only `authorize` knows. */
export const markBody = v.strictObject({ ...markEntries, reader: v.optional(line(maxReaderKey)) });
/** The body of `POST /preferences`. */
export const preferenceBody = v.strictObject(preferenceEntries);
/** The query of `GET /items`. */
export const itemsParameters = v.strictObject({
  ...queryEntries,
  limit: v.optional(v.pipe(v.string(), v.regex(/^\d{1,3}$/, 'must be a number'), v.transform(Number), limit)),
});
/** The query of `GET /stream`. */
export const streamParameters = v.strictObject({ after: v.optional(line(maxToken)) });
/** The query of routes without one. */
export const noParameters = v.strictObject({});

const readerSchema = v.object(readerEntries);
const querySchema = v.object({ ...readerEntries, ...queryEntries, limit: v.optional(limit) });
const markSchema = v.object({ ...readerEntries, ...markEntries });

/** @throws {InvalidNotificationError} that names everything that is wrong. */
export function checked<Schema extends v.GenericSchema>(schema: Schema, input: unknown): v.InferOutput<Schema> {
  const result = v.safeParse(schema, input);
  if (result.success) return result.output;
  const issues = result.issues.map((issue) => ({
    path: v.getDotPath(issue) ?? '',
    message: issue.type === 'strict_object' ? unknownOrMissing(issue) : issue.message,
  }));
  throw new InvalidNotificationError(issues);
}

/** The library's words quote the value, which may be anything. */
function unknownOrMissing({ expected }: { readonly expected: string | null }): string {
  return expected === 'never' ? 'is not a known field' : 'is missing or is not an object';
}

/** @throws {InvalidNotificationError} if it is not a reader. */
export function checkedReader(reader: Reader): Reader {
  return checked(readerSchema, reader);
}

/** @throws {InvalidNotificationError} if the query is wrong. */
export function checkedQuery(query: ItemQuery): ItemQuery {
  return checked(querySchema, query);
}

/** @throws {InvalidNotificationError} if the request is wrong, or does not name exactly one of the three. */
export function checkedMark(request: MarkRequest): MarkRequest {
  return oneSelection(checked(markSchema, request));
}

/** @throws {InvalidNotificationError} unless exactly one of ids, target and asOf is given. */
export function oneSelection<Request extends Partial<MarkRequest>>(request: Request): Request {
  const { ids: given, target, asOf, template, group } = request;
  const message = 'must have exactly one of ids, target and asOf';
  if ([given, target, asOf].filter((each) => each !== undefined).length !== 1)
    throw new InvalidNotificationError([{ path: '', message }]);
  if (asOf === undefined && (template ?? group) !== undefined)
    throw new InvalidNotificationError([{ path: 'template', message: 'and group go with asOf only' }]);
  return request;
}
