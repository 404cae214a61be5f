/**
 * The helpers that templates may call, for example `{{date data.at style="long"}}`: pure functions from JSON to JSON.
 *
 * | helper | result |
 * |---|---|
 * | `date value style="medium" time=true` | a time in the text's language and the recipient's zone; empty if null |
 * | `number value digits=0` | a number as the text's language writes it; `digits` fixes the decimals; empty if null |
 * | `plural count one="build" other="builds"` | the form for the count in the text's language (CLDR) |
 * | `plural count "build" "builds"` | the same, for languages with two forms |
 * | `default value fallback` | the fallback if the value is absent, null or empty text |
 * | `eq a b` | true if both are the same text, number or boolean |
 * | `lookup object key` | the field or element, null if absent |
 * | `first list n` | the first n elements |
 * | `more list n` | the number of elements beyond the first n |
 * | `url value` | a whole URL (https, http or mailto), or a path below the base URL; not inside another helper |
 * | `path value` | in a URL, several segments of its path: a slash in the value stays one; not inside another helper |
 * | `unlinked value` | the text, which email programs do not make a link of |
 * | `paragraphs value` | a text that keeps its line breaks; alone on its line, not inside another helper |
 */
import type { JsonValue } from '../vocabulary.ts';
import { formatLocale } from './locale.ts';
import { pluralCategories, pluralProblem, pluralRules } from './plurals.ts';

/** How a helper may be called. */
export interface FormatterRule {
  /** Minimum and maximum number of arguments. */
  readonly args: readonly [number, number];
  readonly options: readonly string[];
  readonly usage: string;
  /** Set for the helpers that do not change the value, but how it is inserted. */
  readonly inserts?: 'url' | 'path' | 'paragraphs';
  /** Indexes of arguments that may be absent; the helper receives null for them. */
  readonly absent?: readonly number[];
  /** What is wrong with the number of arguments and the options together; null: nothing. */
  readonly problem?: (args: number, options: readonly string[]) => string | null;
}

/** Every helper, with the rules for its calls. `date` has the styles `short`, `medium`, `long` and `full`. */
export const formatterRules: Readonly<Record<string, FormatterRule>> = {
  date: { args: [1, 1], options: ['style', 'time'], usage: 'for example {{date data.at style="long" time=false}}' },
  number: { args: [1, 1], options: ['digits'], usage: 'for example {{number data.amount digits=2}}' },
  plural: {
    args: [1, 3],
    options: pluralCategories,
    usage: 'for example {{plural data.count one="build" other="builds"}}',
    problem: pluralProblem,
  },
  default: { args: [2, 2], options: [], usage: 'for example {{default recipient.name "there"}}', absent: [0] },
  eq: { args: [2, 2], options: [], usage: 'for example {{#if (eq labels.state "failed")}}' },
  lookup: { args: [2, 2], options: [], usage: 'for example {{lookup data.names 0}}', absent: [0] },
  first: { args: [2, 2], options: [], usage: 'for example {{#each (first data.builds 10)}}' },
  more: { args: [2, 2], options: [], usage: 'for example {{more data.builds 10}}' },
  url: { args: [1, 1], options: [], usage: 'for example {{url labels.link}}', inserts: 'url' },
  path: { args: [1, 1], options: [], usage: 'for example {{baseUrl}}/{{path labels.repository}}', inserts: 'path' },
  unlinked: { args: [1, 1], options: [], usage: 'for example {{unlinked labels.workspace}}' },
  paragraphs: { args: [1, 1], options: [], usage: 'for example {{paragraphs labels.body}}', inserts: 'paragraphs' },
};

/** The language of the text, and the recipient's locale and time zone. */
export interface LocaleContext {
  /** Canonical BCP 47 tag. Default: the language of the locale. */
  readonly language?: string;
  /** As it was enqueued. Default: that of the language. */
  readonly locale?: string;
  readonly timeZone?: string;
}

/** Runs helpers and caches the expensive Intl objects. One per renderer. */
export interface Formatters {
  /**
   * @throws {TypeError} if an argument has the wrong type. The message does not quote the argument.
   */
  apply(
    name: string,
    args: readonly JsonValue[],
    context: { options: Options; localeContext: LocaleContext },
  ): JsonValue;
}

type Options = ReadonlyMap<string, JsonValue>;

const maximumFormats = 500;

/** Creates the helpers, with an empty cache. */
export function createFormatters(): Formatters {
  return new CachingFormatters();
}

class CachingFormatters implements Formatters {
  readonly #formats = new Map<string, Format>();
  readonly #locales = new Map<string, string>();

  apply(
    name: string,
    args: readonly JsonValue[],
    { options, localeContext }: { options: Options; localeContext: LocaleContext },
  ): JsonValue {
    const [first = null, second = null] = args;
    if (name === 'date') return this.#date(first, options, localeContext);
    if (name === 'number') return this.#number(first, options, localeContext);
    if (name === 'plural') return this.#plural(args, options, localeContext);
    const plain = Object.hasOwn(plainFormatters, name) ? plainFormatters[name] : undefined;
    if (!plain) throw new TypeError(`there is no helper "${name}"`);
    return plain(first, second);
  }

  #date(value: JsonValue, options: Options, localeContext: LocaleContext): string {
    const style = options.get('style') ?? 'medium';
    const fields = typeof style === 'string' && Object.hasOwn(dateStyles, style) ? dateStyles[style] : undefined;
    if (typeof style !== 'string' || !fields) throw new TypeError('style must be "short", "medium", "long" or "full"');
    if (value === null) return '';
    const { at, hasTime, zoned } = parseDate(value);
    const locale = this.#locale(localeContext);
    const timeZone = zoned ? (localeContext.timeZone ?? 'UTC') : 'UTC';
    const clock = hasTime && options.get('time') !== false ? (zoned ? zonedClock : localClock) : {};
    const format = this.#cached(`date ${locale} ${timeZone} ${style} ${Object.keys(clock).length}`, () =>
      dateFormat(locale, timeZone, { ...fields, ...clock }),
    );
    return plainSpaces(format.format(at));
  }

  #number(value: JsonValue, options: Options, localeContext: LocaleContext): string {
    if (value === null) return '';
    const amount = exactNumber(value);
    const digits = options.get('digits');
    if (
      digits !== undefined &&
      !(typeof digits === 'number' && Number.isInteger(digits) && digits >= 0 && digits <= 20)
    ) {
      throw new TypeError('digits must be a whole number from 0 to 20');
    }
    const locale = this.#locale(localeContext);
    const format = this.#cached(
      `number ${locale} ${digits}`,
      () =>
        new Intl.NumberFormat(
          locale,
          digits === undefined ? {} : { minimumFractionDigits: digits, maximumFractionDigits: digits },
        ),
    );
    return plainSpaces(format.format(amount));
  }

  #plural([count = null, one, many]: readonly JsonValue[], options: Options, { language = 'en' }: LocaleContext) {
    const amount = Number(requireType(count ?? 0, ['number', 'string']));
    const category = this.#cached(`plural ${language}`, () => pluralRules(language)).select(amount);
    if (one !== undefined) return (category === 'one' ? one : many) ?? null;
    return options.get(category) ?? options.get('other') ?? null;
  }

  #locale({ language, locale }: LocaleContext): string {
    return remembered(this.#locales, `${language} ${locale}`, () => formatLocale(language, locale));
  }

  #cached<T extends Format>(key: string, create: () => T): T {
    return remembered<Format>(this.#formats, key, create) as T;
  }
}

type Format = Intl.DateTimeFormat | Intl.NumberFormat | Intl.PluralRules;

/** Recipients choose locale and time zone, so the number of keys has no bound of its own. */
function remembered<T>(known: Map<string, T>, key: string, create: () => T): T {
  const found = known.get(key);
  if (found !== undefined) return found;
  if (known.size >= maximumFormats) known.clear();
  const made = create();
  known.set(key, made);
  return made;
}

/** ICU puts a narrow no-break space between "2:00" and "PM", which some email clients show as a box. */
function plainSpaces(text: string): string {
  return text.replace(/[\u202f\u00a0]/g, ' ');
}

const plainFormatters: Readonly<Record<string, (a: JsonValue, b: JsonValue) => JsonValue>> = {
  default: (value, fallback) => (value === null || value === '' ? fallback : value),
  eq: (a, b) => a === b,
  lookup: (from, key) => {
    if (typeof key !== 'string' && typeof key !== 'number') throw new TypeError('the key must be text or a number');
    if (typeof from !== 'object' || from === null || !Object.hasOwn(from, key)) return null;
    return (from as { [key: string]: JsonValue })[key] ?? null;
  },
  first: (list, count) => listOf(list).slice(0, wholeNumber(count)),
  more: (list, count) => Math.max(0, listOf(list).length - wholeNumber(count)),
  url: (value) => requireType(value ?? '', ['string']),
  path: (value) => requireType(value ?? '', ['string']),
  unlinked: (value) => withoutLinks(value ?? ''),
  paragraphs: (value) => (value === null ? '' : requireType(value, ['string'])),
};

/** U+2060 is invisible; between the parts of a URL or an address it keeps email programs from making a link of it. */
function withoutLinks(text: JsonValue): string {
  if (typeof text !== 'string') throw new TypeError('the value must be a string');
  return text.replace(/[:/.](?=\S)/g, '$&\u2060').replaceAll('@', '\u2060@\u2060');
}

function requireType(value: JsonValue, types: readonly string[]): JsonValue {
  if (!types.includes(typeof value)) throw new TypeError(`the value must be a ${types.join(' or ')}`);
  return value;
}

function listOf(value: JsonValue): JsonValue[] {
  if (value === null) return [];
  if (!Array.isArray(value)) throw new TypeError('the value must be a list');
  return value;
}

function wholeNumber(value: JsonValue): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
    throw new TypeError('the count must be a whole number');
  }
  return value;
}

const dateStyles: Readonly<Record<string, Intl.DateTimeFormatOptions>> = {
  short: { year: 'numeric', month: '2-digit', day: '2-digit' },
  medium: { year: 'numeric', month: 'short', day: 'numeric' },
  long: { year: 'numeric', month: 'long', day: 'numeric' },
  full: { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' },
};

const localClock: Intl.DateTimeFormatOptions = { hour: 'numeric', minute: '2-digit' };
const zonedClock: Intl.DateTimeFormatOptions = { ...localClock, timeZoneName: 'short' };

/** Text stays text: Intl formats all of its digits, where a JavaScript number has 15. */
function exactNumber(value: JsonValue): number {
  const text = typeof value === 'number' ? String(value) : typeof value === 'string' ? value.trim() : '';
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?$/i.test(text) || !Number.isFinite(Number(text)))
    throw new TypeError('the value is not a number; give digits with a point, for example 1234.5');
  // The types of Intl do not take any text, but the standard does.
  return text as unknown as number;
}

/** ISO 8601, and what Postgres prints: a space in place of T, an offset of hours only. */
const writtenDate = /^(\d{4}-\d{2}-(\d{2}))(?:[T ](\d{2}:\d{2})(?::(\d{2}(?:\.\d+)?))? ?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/;

/**
 * A time without an offset is printed as it is written, without a zone: what it means depends on who wrote it, never on
 * the machine that renders it.
 */
function parseDate(value: JsonValue): { at: Date; hasTime: boolean; zoned: boolean } {
  const parts = writtenDate.exec(typeof value === 'string' ? value : '') ?? [];
  const [, date, day, time = '00:00', seconds = '00', offset = 'Z'] = parts;
  const written = `${date}T${time}:${seconds}`;
  const zone = offset.replace(/^(.\d\d)(\d\d)?$/, (_, hours: string, minutes = '00') => `${hours}:${minutes}`);
  const at = new Date(written + zone);
  // JavaScript makes the 2nd of March of the 30th of February.
  if (Number.isNaN(at.getTime()) || new Date(`${written}Z`).getUTCDate() !== Number(day))
    throw new TypeError('the value is not a date; give ISO 8601, for example 2026-11-23T14:00:00Z');
  return { at, hasTime: parts[3] !== undefined, zoned: parts[5] !== undefined };
}

/** A recipient with an unknown time zone still gets the message, in UTC. */
function dateFormat(locale: string, timeZone: string, fields: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat(locale, { ...fields, timeZone });
  } catch {
    return new Intl.DateTimeFormat(locale, { ...fields, timeZone: 'UTC' });
  }
}

/** Whether `date` can follow a time zone, or prints UTC. */
export function isTimeZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
