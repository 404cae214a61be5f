/** What comes in by address and form: bounded text, known words, and nothing else. */
import { messageStatuses } from '../vocabulary.ts';
import type { Cursor } from '../operate/messages.ts';
import type { MessageFilter } from '../operate/message-filter.ts';
import type { PageContext } from './services.ts';

const longest = 500;

export function isId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}

/** Trimmed, without NUL (which Postgres refuses), cut; undefined for nothing. */
export function cleaned(value: unknown, most = longest): string | undefined {
  if (typeof value !== 'string') return undefined;
  const text = value.replaceAll('\u0000', '').trim().slice(0, most);
  return text === '' ? undefined : text;
}

/** The fields of the search form, as they stand in its address. */
export const searchFields = [
  'recipient',
  'target',
  'template',
  'status',
  'method',
  'reason',
  'since',
  'until',
] as const;
export type SearchField = (typeof searchFields)[number];
export type SearchInput = Partial<Readonly<Record<SearchField, string>>>;

export function readSearch(get: (name: string) => unknown): SearchInput {
  const pairs = searchFields.map((field) => [field, cleaned(get(field))] as const);
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
}

const spans = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** The form as a filter; what cannot be understood is left out. */
export function searchOf(input: SearchInput, now: Date): MessageFilter {
  const { recipient, target, template, method, reason } = input;
  const status = messageStatuses.find((known) => known === input.status);
  const since = momentOf(input.since, now);
  const until = momentOf(input.until, now);
  return {
    ...(recipient !== undefined && { who: recipient }),
    ...(target !== undefined && { target }),
    ...(template !== undefined && { template }),
    ...(method !== undefined && { method }),
    ...(reason !== undefined && { reason }),
    ...(status !== undefined && { status }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
  };
}

/** `2h`, `7d`, or a date and time (UTC). */
function momentOf(text: string | undefined, now: Date): Date | undefined {
  if (text === undefined) return undefined;
  const span = /^(\d{1,6})(m|h|d)$/.exec(text);
  if (span) return new Date(now.getTime() - Number(span[1]) * spans[span[2] as keyof typeof spans]);
  const at = new Date(/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(text) ? `${text}Z` : text);
  return Number.isNaN(at.getTime()) ? undefined : at;
}

/** As part of an address. */
export function queryOf(input: SearchInput, more: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams({ ...input, ...more }).toString();
  return query === '' ? '' : `?${query}`;
}

/** The last line of the page before; its row gives the time. */
export function cursorOf(text: string | undefined): Cursor | undefined {
  return text !== undefined && isId(text) ? { createdAt: new Date(0), id: text } : undefined;
}

/** The fields of a posted form. */
export async function formOf(c: PageContext): Promise<(name: string) => string | undefined> {
  const form = await c.req.parseBody();
  return (name) => cleaned(form[name], 20_000);
}
