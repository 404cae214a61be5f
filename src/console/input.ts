/** Reads queries and forms: bounded text and known words, nothing else. */
import { isUuid, messageStatuses } from '../vocabulary.ts';
import type { Cursor } from '../operate/messages.ts';
import type { MessageFilter } from '../operate/message-filter.ts';
import type { PageContext } from './services.ts';

const maxLength = 500;

const unprintable = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/**
 * Trims the text and cuts it to `max` characters. Control characters and marks that change the reading direction become
 * spaces: Postgres refuses NUL, and what an operator types here appears in other operators' terminals. Undefined if
 * nothing is left.
 */
export function cleaned(value: unknown, max = maxLength): string | undefined {
  if (typeof value !== 'string') return undefined;
  const text = value.replace(unprintable, ' ').trim().slice(0, max);
  return text === '' ? undefined : text;
}

/** The fields of the search form, by their names in the query. */
export const searchFields = [
  'recipient',
  'target',
  'template',
  'status',
  'method',
  'reason',
  'endpoint',
  'since',
  'until',
] as const;
/** Name of a field of the search form. */
export type SearchField = (typeof searchFields)[number];
/** The fields that are filled in. */
export type SearchInput = Partial<Readonly<Record<SearchField, string>>>;

/** Reads the search form from a query or a form. */
export function readSearch(get: (name: string) => unknown): SearchInput {
  const pairs = searchFields.map((field) => [field, cleaned(get(field))] as const);
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
}

const spans = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Turns the form into a filter. Ignores what it does not understand. */
export function searchOf(input: SearchInput, now: Date): MessageFilter {
  const { recipient, target, template, method, reason, endpoint } = input;
  const status = messageStatuses.find((known) => known === input.status);
  const since = parseTime(input.since, now);
  const until = parseTime(input.until, now);
  return {
    ...(recipient !== undefined && { who: recipient }),
    ...(target !== undefined && { target }),
    ...(template !== undefined && { template }),
    ...(method !== undefined && { method }),
    ...(reason !== undefined && { reason }),
    ...(endpoint !== undefined && isUuid(endpoint) && { endpointId: endpoint }),
    ...(status !== undefined && { status }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
  };
}

/** `2h` or `7d` ago, or a date and time in UTC, of the years that Postgres and people know. */
function parseTime(text: string | undefined, now: Date): Date | undefined {
  if (text === undefined) return undefined;
  const span = /^(\d{1,6})(m|h|d)$/.exec(text);
  if (span) return new Date(now.getTime() - Number(span[1]) * spans[span[2] as keyof typeof spans]);
  const at = new Date(/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(text) ? `${text}Z` : text);
  const year = at.getUTCFullYear();
  return year >= 1 && year <= 9999 ? at : undefined;
}

/** The search as a query string, with its question mark. */
export function queryOf(input: SearchInput, more: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams({ ...input, ...more }).toString();
  return query === '' ? '' : `?${query}`;
}

/** The last line of the previous page. The query reads its time from the row. */
export function cursorOf(text: string | undefined): Cursor | undefined {
  return text !== undefined && isUuid(text) ? { createdAt: new Date(0), id: text } : undefined;
}

/** The fields of a posted form. */
export async function formOf(c: PageContext): Promise<(name: string) => string | undefined> {
  const form = await c.req.parseBody();
  return (name) => cleaned(form[name], 20_000);
}
