/** The schema of a template file's YAML header. */
import * as v from 'valibot';
import { guardNamePattern } from '../guard/guard-name.ts';
import type { JsonValue } from '../vocabulary.ts';
import { defaultLanguage } from './choose-text.ts';
import { knownLanguage } from './locale.ts';
import { stepsSchema } from './steps.ts';

const maximumBytes = (limit: number) => v.maxBytes(limit, `is longer than ${limit} bytes`);
const text = (limit: number) =>
  v.pipe(v.string('must be text; quote it'), v.trim(), v.nonEmpty('must not be empty'), maximumBytes(limit));
const yesOrNo = v.boolean('must be true or false');
const wholeNumber = (least: number, most: number) => {
  const message = `must be a whole number from ${least} to ${most}`;
  return v.pipe(v.number(message), v.integer(message), v.minValue(least, message), v.maxValue(most, message));
};
const labelName = v.pipe(
  v.string('must be the name of a label'),
  v.regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, 'must be a name of letters, digits, "_" and "-", starting with a letter'),
);
const methodName = v.pipe(
  v.string('must be the name of a method'),
  v.regex(/^[a-z][a-z0-9_-]{0,49}$/, 'must be a method such as smtp or webhook'),
);
const list = <T extends v.GenericSchema<unknown, unknown>>(item: T, most: number) =>
  v.pipe(v.array(item, 'must be a list'), v.maxLength(most, `must have at most ${most} entries`));

const methodList = v.pipe(list(methodName, 10), v.minLength(1, 'must name at least one method'));

const json: v.GenericSchema<unknown, JsonValue> = v.lazy(() =>
  v.union(
    [v.string(), v.pipe(v.number(), v.finite()), v.boolean(), v.null(), v.array(json), v.record(v.string(), json)],
    'must be plain JSON',
  ),
);

const mapping = 'must be a mapping of names to values';

const language = v.pipe(
  text(35),
  v.check((written) => knownLanguage(written) !== null, 'is not a language such as de or pt-BR'),
  v.transform((written) => knownLanguage(written) ?? written),
);

const example = v.strictObject(
  {
    recipient: v.optional(
      v.strictObject(
        {
          id: v.optional(text(200)),
          email: v.optional(text(254)),
          name: v.optional(text(200)),
          locale: v.optional(text(100)),
          timeZone: v.optional(text(100)),
        },
        mapping,
      ),
    ),
    labels: v.optional(v.record(v.string(), v.string('must be text; quote it'), mapping)),
    data: v.optional(json),
  },
  mapping,
);

const notMapping = 'the header must be a mapping of names to values';

/** Strict: an unknown key is an error, because it is most likely a typing error. */
const headerSchema = v.strictObject(
  {
    title: text(2000),
    preview: v.optional(text(1000)),
    language: v.optional(language, defaultLanguage),
    group: v.optional(text(200), 'General'),
    kind: v.optional(v.picklist(['system', 'custom', 'test'], 'must be "system", "custom" or "test"'), 'system'),
    actions: v.optional(list(v.strictObject({ label: text(500), url: text(2000) }, 'must have label and url'), 10), []),
    methods: v.optional(methodList),
    fallback: v.optional(v.picklist(['all', 'first'], 'must be "all" or "first"'), 'all'),
    then: v.optional(stepsSchema(methodList), []),
    enabledByDefault: v.optional(yesOrNo, true),
    mandatory: v.optional(yesOrNo, false),
    ttlSeconds: v.optional(wholeNumber(1, 31_536_000)),
    unknown: v.optional(v.picklist(['retry', 'hold'], 'must be "retry" or "hold"'), 'retry'),
    quiet: v.optional(v.picklist(['send', 'drop'], 'must be "send" or "drop"'), 'send'),
    maxAttempts: v.optional(wholeNumber(1, 1000)),
    sender: v.optional(text(100)),
    guard: v.optional(
      v.pipe(
        v.string('must be the name of a function'),
        v.regex(guardNamePattern, 'must be schema.function, in lower case, for example app.may_notify'),
      ),
    ),
    recipientGuard: v.optional(yesOrNo, true),
    labels: v.optional(list(labelName, 100), []),
    secrets: v.optional(list(labelName, 20), []),
    example: v.optional(example),
  },
  notMapping,
);

/** The header of a translation. A URL that is left out is the one of the action in the same place. */
const translationSchema = v.strictObject(
  {
    title: text(2000),
    preview: v.optional(text(1000)),
    actions: v.optional(
      list(v.strictObject({ label: text(500), url: v.optional(text(2000)) }, 'must have a label'), 10),
      [],
    ),
    example: v.optional(example),
  },
  notMapping,
);

/** A valid header, with defaults filled in. */
export type Header = v.InferOutput<typeof headerSchema>;
/** A valid header of a translation. */
export type TranslationHeader = v.InferOutput<typeof translationSchema>;

/** One error in a header, with the keys that lead to it. */
export interface HeaderFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** Set if the key is not known: the keys that are. */
  readonly known?: readonly string[];
}

/** A header with defaults filled in, or all its faults. */
export type ReadHeader<T> = { readonly header: T } | { readonly faults: readonly HeaderFault[] };

/** Validates the parsed header of a template. */
export function readHeader(value: unknown): ReadHeader<Header> {
  return validated(headerSchema, value);
}

/** Validates the parsed header of a translation. */
export function readTranslationHeader(value: unknown): ReadHeader<TranslationHeader> {
  const read = validated(translationSchema, value);
  if ('header' in read) return read;
  const options = Object.keys(headerSchema.entries);
  const faults = read.faults.map((fault) => {
    const isOption = fault.known !== undefined && fault.path.length === 1 && options.includes(String(fault.path[0]));
    if (!isOption) return fault;
    return { path: fault.path, message: 'belongs in the file without a language: it is an option of all languages' };
  });
  return { faults };
}

type HeaderSchema = typeof headerSchema | typeof translationSchema;

function validated<Schema extends HeaderSchema>(schema: Schema, value: unknown): ReadHeader<v.InferOutput<Schema>> {
  if (Array.isArray(value)) return { faults: [{ path: [], message: notMapping }] };
  const result = v.safeParse(schema, value);
  if (result.success) return { header: result.output };
  const known = Object.keys(schema.entries);
  return { faults: result.issues.map((issue) => faultOf(issue, known)) };
}

function faultOf(issue: v.BaseIssue<unknown>, names: readonly string[]): HeaderFault {
  const path = (issue.path ?? []).map((item) => item.key as string | number);
  const missing = issue.received === 'undefined';
  if (issue.type !== 'strict_object' || path.length === 0) {
    return { path, message: missing ? 'is missing' : issue.message };
  }
  if (missing) return { path, message: 'is missing' };
  const known = issue.expected === 'never' ? keysAt(path.slice(0, -1), names) : [];
  return known.length > 0 ? { path, message: 'is not a known key', known } : { path, message: issue.message };
}

/** The known keys below a path of the header. */
function keysAt(path: readonly (string | number)[], names: readonly string[]): readonly string[] {
  if (path.length === 0) return names;
  if (path[0] === 'actions') return ['label', 'url'];
  if (path[0] === 'then') return ['after', 'unless', 'methods', 'fallback'];
  return path.length === 1 ? ['recipient', 'labels', 'data'] : ['id', 'email', 'name', 'locale', 'timeZone'];
}
