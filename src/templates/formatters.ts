/**
 * The helpers that templates may call: pure functions from JSON to JSON. `{{date data.at style="long"}}`.
 *
 * | helper | gives |
 * |---|---|
 * | `date value style="medium" time=true` | an ISO 8601 time in the recipient's language and time zone (UTC without one); style `short`, `medium`, `long` or `full`; a bare date is printed as it is |
 * | `number value digits=0` | a number with the recipient's separators; `digits` fixes the decimals |
 * | `plural count "build" "builds"` | the first form when the count is 1, else the second |
 * | `default value fallback` | the fallback when the value is absent, null or empty text |
 * | `eq a b` | true when both are the same text, number or boolean |
 * | `lookup object key` | the field or element, null when absent |
 * | `first list n` | the first n elements |
 * | `more list n` | how many elements there are beyond n |
 * | `url value` | a whole URL: https, http or mailto; only directly in `{{ }}` |
 * | `paragraphs value` | a text whose line breaks are kept; alone on its line, only directly in `{{ }}` |
 */
import type { JsonValue } from '../vocabulary.ts';

/** What a helper call may look like. */
export interface FormatterRule {
  /** Fewest and most arguments. */
  readonly args: readonly [number, number];
  readonly options: readonly string[];
  readonly usage: string;
  /** Set for the two that say how the value enters the output rather than changing it. */
  readonly inserts?: 'url' | 'paragraphs';
  /** Positions of arguments that may be absent; they arrive as null. */
  readonly absent?: readonly number[];
}

export const formatterRules: Readonly<Record<string, FormatterRule>> = {
  date: { args: [1, 1], options: ['style', 'time'], usage: 'for example {{date data.at style="long" time=false}}' },
  number: { args: [1, 1], options: ['digits'], usage: 'for example {{number data.amount digits=2}}' },
  plural: { args: [3, 3], options: [], usage: 'for example {{plural data.count "build" "builds"}}' },
  default: { args: [2, 2], options: [], usage: 'for example {{default recipient.name "there"}}', absent: [0] },
  eq: { args: [2, 2], options: [], usage: 'for example {{#if (eq labels.state "failed")}}' },
  lookup: { args: [2, 2], options: [], usage: 'for example {{lookup data.names 0}}', absent: [0] },
  first: { args: [2, 2], options: [], usage: 'for example {{#each (first data.builds 10)}}' },
  more: { args: [2, 2], options: [], usage: 'for example {{more data.builds 10}}' },
  url: { args: [1, 1], options: [], usage: 'for example {{url labels.link}}', inserts: 'url' },
  paragraphs: { args: [1, 1], options: [], usage: 'for example {{paragraphs labels.body}}', inserts: 'paragraphs' },
};

/** Whose language and clock `date` and `number` use. */
export interface Locality {
  readonly locale?: string;
  readonly timeZone?: string;
}

/** Runs helpers; keeps the costly Intl objects. One per renderer. */
export interface Formatters {
  /**
   * @throws {TypeError} when an argument is of the wrong kind; the message says so without quoting it.
   */
  apply(name: string, args: readonly JsonValue[], context: { options: Options; locality: Locality }): JsonValue;
}

type Options = ReadonlyMap<string, JsonValue>;

const maximumFormats = 500;

export function createFormatters(): Formatters {
  return new CachingFormatters();
}

class CachingFormatters implements Formatters {
  readonly #formats = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat>();

  apply(
    name: string,
    args: readonly JsonValue[],
    { options, locality }: { options: Options; locality: Locality },
  ): JsonValue {
    const [first = null, second = null, third = null] = args;
    if (name === 'date') return this.#date(first, options, locality);
    if (name === 'number') return this.#number(first, options, locality);
    const plain = Object.hasOwn(plainFormatters, name) ? plainFormatters[name] : undefined;
    if (!plain) throw new TypeError(`there is no helper "${name}"`);
    return plain(first, second, third);
  }

  #date(value: JsonValue, options: Options, locality: Locality): string {
    const style = options.get('style') ?? 'medium';
    const fields = typeof style === 'string' && Object.hasOwn(dateStyles, style) ? dateStyles[style] : undefined;
    if (typeof style !== 'string' || !fields) throw new TypeError('style must be "short", "medium", "long" or "full"');
    const { at, dateOnly } = parseDate(value);
    const withTime = !dateOnly && options.get('time') !== false;
    const locale = locality.locale ?? 'en';
    const timeZone = dateOnly ? 'UTC' : (locality.timeZone ?? 'UTC');
    const format = this.#cached(`date ${locale} ${timeZone} ${style} ${withTime}`, () =>
      dateFormat(locale, timeZone, withTime ? { ...fields, ...clock } : fields),
    );
    return plainSpaces(format.format(at));
  }

  #number(value: JsonValue, options: Options, locality: Locality): string {
    const amount = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof amount !== 'number' || !Number.isFinite(amount)) throw new TypeError('the value is not a number');
    const digits = options.get('digits');
    if (
      digits !== undefined &&
      !(typeof digits === 'number' && Number.isInteger(digits) && digits >= 0 && digits <= 20)
    ) {
      throw new TypeError('digits must be a whole number from 0 to 20');
    }
    const locale = locality.locale ?? 'en';
    const format = this.#cached(`number ${locale} ${digits}`, () =>
      numberFormat(
        locale,
        digits === undefined ? {} : { minimumFractionDigits: digits, maximumFractionDigits: digits },
      ),
    );
    return plainSpaces(format.format(amount));
  }

  #cached<T extends Intl.DateTimeFormat | Intl.NumberFormat>(key: string, create: () => T): T {
    const known = this.#formats.get(key) as T | undefined;
    if (known) return known;
    // Recipients choose locale and zone, so the number of keys is theirs to choose as well.
    if (this.#formats.size >= maximumFormats) this.#formats.clear();
    const format = create();
    this.#formats.set(key, format);
    return format;
  }
}

/** ICU separates "2:00" and "PM" by a narrow no-break space, which some mail clients show as a box. */
function plainSpaces(text: string): string {
  return text.replace(/[\u202f\u00a0]/g, ' ');
}

const plainFormatters: Readonly<Record<string, (a: JsonValue, b: JsonValue, c: JsonValue) => JsonValue>> = {
  plural: (count, one, many) => (Number(wanted(count, ['number', 'string'])) === 1 ? one : many),
  default: (value, fallback) => (value === null || value === '' ? fallback : value),
  eq: (a, b) => a === b,
  lookup: (from, key) => {
    if (typeof key !== 'string' && typeof key !== 'number') throw new TypeError('the key must be text or a number');
    if (typeof from !== 'object' || from === null || !Object.hasOwn(from, key)) return null;
    return (from as { [key: string]: JsonValue })[key] ?? null;
  },
  first: (list, count) => listOf(list).slice(0, wholeNumber(count)),
  more: (list, count) => Math.max(0, listOf(list).length - wholeNumber(count)),
  url: (value) => wanted(value, ['string']),
  paragraphs: (value) => (value === null ? '' : wanted(value, ['string'])),
};

function wanted(value: JsonValue, types: readonly string[]): JsonValue {
  if (!types.includes(typeof value)) throw new TypeError(`the value must be a ${types.join(' or ')}`);
  return value;
}

function listOf(value: JsonValue): JsonValue[] {
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

const clock: Intl.DateTimeFormatOptions = { hour: 'numeric', minute: '2-digit', timeZoneName: 'short' };

function parseDate(value: JsonValue): { at: Date; dateOnly: boolean } {
  const written = typeof value === 'string' ? value : '';
  const dateOnly = /^\d{4}-\d{2}-\d{2}$/.test(written);
  // Without a zone it would be read in the time zone of whichever machine renders it.
  const zoned = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}.*(Z|[+-]\d{2}:?\d{2})$/.test(written);
  const at = new Date(dateOnly || zoned ? written : Number.NaN);
  if (Number.isNaN(at.getTime())) {
    throw new TypeError('the value is not a date; give ISO 8601 with its zone, for example 2026-11-23T14:00:00Z');
  }
  return { at, dateOnly };
}

/** A recipient with an unknown locale or time zone still gets the message: in English, in UTC. */
function dateFormat(locale: string, timeZone: string, fields: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const tries = [
    [locale, timeZone],
    ['en', timeZone],
    [locale, 'UTC'],
  ] as const;
  for (const [language, zone] of tries) {
    try {
      return new Intl.DateTimeFormat(language, { ...fields, timeZone: zone });
    } catch {
      // RangeError: the next pair
    }
  }
  return new Intl.DateTimeFormat('en', { ...fields, timeZone: 'UTC' });
}

function numberFormat(locale: string, fields: Intl.NumberFormatOptions): Intl.NumberFormat {
  try {
    return new Intl.NumberFormat(locale, fields);
  } catch {
    return new Intl.NumberFormat('en', fields);
  }
}
