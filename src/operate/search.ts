/**
 * Searching messages with a bound on what one look may cost: it walks the index that fits the filter best, newest first, over
 * a bounded number of rows, and says where to go on. A rare match among millions of rows is thereby found page by page.
 */
import type { Pool } from 'pg';
import type { MessageStatus } from '../vocabulary.ts';
import { type Cursor, lineColumns, type MessageFilter, type MessageLine, olderThan } from './messages.ts';

export interface Search extends MessageFilter {
  /** Any of these, beside `status`. */
  readonly anyStatus?: readonly MessageStatus[];
  /** A recipient's id or address. */
  readonly who?: string;
}

export interface MessagePage {
  readonly lines: readonly MessageLine[];
  /** Where the next page begins; null: there is none. */
  readonly next: Cursor | null;
  /** When the oldest row that was looked at was created, if the look ended before the page was full. */
  readonly searchedBackTo: Date | null;
}

/** Rows of an index that one look walks at most. */
const defaultWalk = 20_000;

type Put = (value: unknown) => string;

/** Statuses whose messages all have a reason, and those that are not settled: both have an index of their own. */
const withReason: readonly MessageStatus[] = ['failed', 'inhibited', 'expired', 'cancelled'];
const open: readonly MessageStatus[] = ['pending', 'sending', 'held'];

/** What an index answers by itself. The first that applies; everything else is only compared. */
function indexed(search: Search, put: Put): string {
  if (search.dedupeKey !== undefined) return `m.dedupe_key = ${put(search.dedupeKey)}`;
  if (search.recipientId !== undefined) return `m.recipient_id = ${put(search.recipientId)}`;
  if (search.address !== undefined) return `m.address = lower(${put(search.address)})`;
  if (search.who !== undefined) return `(m.recipient_id = ${put(search.who)} OR m.address = lower(${put(search.who)}))`;
  if (search.target !== undefined) return `m.targets @> ARRAY[${put(search.target)}] AND m.targets <> '{}'`;
  const statuses = search.status === undefined ? (search.anyStatus ?? []) : [search.status];
  const all = (set: readonly MessageStatus[]) =>
    statuses.length > 0 && statuses.every((status) => set.includes(status));
  if (search.reason !== undefined || all(withReason)) return 'm.reason IS NOT NULL';
  if (all(open)) return 'm.settled_at IS NULL';
  if (all([...withReason, ...open])) return '(m.reason IS NOT NULL OR m.settled_at IS NULL)';
  if (search.template !== undefined) return `m.template = ${put(search.template)}`;
  return 'true';
}

function compared(search: Search, put: Put): string[] {
  const { status, anyStatus, method, template, recipientId, address, who, target, reason, dedupeKey } = search;
  return [
    ...(status === undefined ? [] : [`m.status = ${put(status)}`]),
    ...(anyStatus === undefined ? [] : [`m.status = ANY (${put(anyStatus)})`]),
    ...(method === undefined ? [] : [`m.method = ${put(method)}`]),
    ...(template === undefined ? [] : [`m.template = ${put(template)}`]),
    ...(recipientId === undefined ? [] : [`m.recipient_id = ${put(recipientId)}`]),
    ...(address === undefined ? [] : [`m.address = lower(${put(address)})`]),
    ...(who === undefined ? [] : [`(m.recipient_id = ${put(who)} OR m.address = lower(${put(who)}))`]),
    ...(target === undefined ? [] : [`m.targets @> ARRAY[${put(target)}]`]),
    ...(reason === undefined ? [] : [`m.reason = ${put(reason)}`]),
    ...(dedupeKey === undefined ? [] : [`m.dedupe_key = ${put(dedupeKey)}`]),
  ];
}

function between({ since, until }: Search, put: Put): string[] {
  return [
    ...(since === undefined ? [] : [`m.created_at >= ${put(since)}`]),
    ...(until === undefined ? [] : [`m.created_at < ${put(until)}`]),
  ];
}

/** One page, newest first. */
export async function searchMessages(
  pool: Pick<Pool, 'query'>,
  search: Search,
  page: { readonly limit: number; readonly after?: Cursor | undefined; readonly mostRows?: number },
): Promise<MessagePage> {
  const { limit, after, mostRows = defaultWalk } = page;
  const values: unknown[] = [];
  const put: Put = (value) => `$${values.push(value)}`;
  const beyond = after ? [olderThan(put(after.createdAt), put(after.id))] : [];
  const walk = [indexed(search, put), ...between(search, put), ...beyond].join(' AND ');
  const walkValues = [...values];
  const kept = compared(search, put);
  const result = await pool.query<MessageLine>(
    `SELECT ${lineColumns} FROM (SELECT * FROM herald.message m WHERE ${walk} ORDER BY m.created_at DESC, m.id DESC LIMIT ${mostRows}) m
     ${kept.length > 0 ? `WHERE ${kept.join(' AND ')}` : ''} ORDER BY m.created_at DESC, m.id DESC LIMIT ${put(limit)}`,
    values,
  );
  const lines = result.rows;
  const last = lines.at(-1);
  if (last !== undefined && lines.length === limit)
    return { lines, next: { createdAt: last.createdAt, id: last.id }, searchedBackTo: null };
  const end = await pool.query<Cursor>(
    `SELECT m.created_at AS "createdAt", m.id FROM herald.message m WHERE ${walk} ORDER BY m.created_at DESC, m.id DESC OFFSET ${mostRows - 1} LIMIT 1`,
    walkValues,
  );
  const next = end.rows[0] ?? null;
  return { lines, next, searchedBackTo: next?.createdAt ?? null };
}

/** How many match, counted no further than `most`. */
export async function countMatches(pool: Pick<Pool, 'query'>, search: Search, most: number): Promise<number> {
  const ids = await matchingIds(pool, search, most, 'count(*)::int AS n');
  return Number(ids[0]?.n ?? 0);
}

/** Ids of what matches, oldest first, at most `most`. */
export async function findMatches(pool: Pick<Pool, 'query'>, search: Search, most: number): Promise<string[]> {
  const rows = await matchingIds(pool, search, most, 'id');
  return rows.map((row) => row.id);
}

async function matchingIds(
  pool: Pick<Pool, 'query'>,
  search: Search,
  most: number,
  columns: 'id' | 'count(*)::int AS n',
): Promise<{ id: string; n: number }[]> {
  const values: unknown[] = [];
  const put: Put = (value) => `$${values.push(value)}`;
  const conditions = [indexed(search, put), ...between(search, put), ...compared(search, put)].join(' AND ');
  const order = columns === 'id' ? 'ORDER BY m.created_at, m.id' : '';
  const result = await pool.query<{ id: string; n: number }>(
    `SELECT ${columns} FROM (SELECT m.id FROM herald.message m WHERE ${conditions} ${order} LIMIT ${put(most)}) m`,
    values,
  );
  return result.rows;
}
