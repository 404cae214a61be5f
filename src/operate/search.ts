/**
 * Searches messages with a bound on what one page costs: it reads the index that fits the filter best, newest first,
 * up to a number of rows, and returns where to continue. A rare match among millions of rows is found page by page.
 */
import type { Queryable } from '../database/pool.ts';
import { createBinding, indexable, inTimeRange, matching, type MessageFilter } from './message-filter.ts';
import { type Cursor, lineColumns, type MessageLine, olderThan } from './messages.ts';

/** One page of a search. */
export interface MessagePage {
  readonly lines: readonly MessageLine[];
  /** Where the next page begins; null if this is the last. */
  readonly next: Cursor | null;
  /** When the oldest row that was read was created, if reading stopped before the page was full. */
  readonly searchedBackTo: Date | null;
}

/** Rows of an index that one page reads at most. */
const defaultRows = 20_000;
/** The columns of a line and of a filter. Named, so that a role without a right to secrets may search. */
const rowColumns = `m.id, m.template, m.template_version, m.method, m.recipient_id, m.address, m.targets, m.dedupe_key,
  m.endpoint_id, m.status, m.reason, m.attempts, m.created_at, m.next_attempt_at, m.settled_at`;
const newestFirst = 'ORDER BY m.created_at DESC, m.id DESC';

/** One page, newest first. `mostRows` is 20,000 by default. */
export async function searchMessages(
  client: Queryable,
  filter: MessageFilter,
  page: { readonly limit: number; readonly after?: Cursor | undefined; readonly mostRows?: number },
): Promise<MessagePage> {
  const { limit, after, mostRows = defaultRows } = page;
  const { values, bind } = createBinding();
  const beyond = after ? olderThan(bind(after.createdAt), bind(after.id)) : 'true';
  const range = [indexable(filter, bind), inTimeRange(filter, bind), beyond].join(' AND ');
  const rangeValues = [...values];
  const result = await client.query<MessageLine>(
    `SELECT ${lineColumns}
     FROM (SELECT ${rowColumns} FROM herald.message m WHERE ${range} ${newestFirst} LIMIT ${mostRows}) m
     WHERE ${matching(filter, bind)} ${newestFirst} LIMIT ${bind(limit)}`,
    values,
  );
  const lines = result.rows;
  const last = lines.at(-1);
  if (last !== undefined && lines.length === limit)
    return { lines, next: { createdAt: last.createdAt, id: last.id }, searchedBackTo: null };
  const end = await client.query<Cursor>(
    `SELECT m.created_at AS "createdAt", m.id FROM herald.message m WHERE ${range} ${newestFirst}
     OFFSET ${mostRows - 1} LIMIT 1`,
    rangeValues,
  );
  const next = end.rows[0] ?? null;
  return { lines, next, searchedBackTo: next?.createdAt ?? null };
}

/** A count that stops early. */
export interface BoundedCount {
  readonly count: number;
  /** Whether everything was read; if not, there may be more matches. */
  readonly complete: boolean;
}

/** Counts matches among the newest rows of the index that fits the filter best. `mostRows` is 20,000 by default. */
export async function countRecent(
  client: Queryable,
  filter: MessageFilter,
  { mostRows = defaultRows }: { readonly mostRows?: number } = {},
): Promise<BoundedCount> {
  const { values, bind } = createBinding();
  const range = [indexable(filter, bind), inTimeRange(filter, bind)].join(' AND ');
  const result = await client.query<{ rows: number; n: number }>(
    `SELECT count(*)::int AS rows, (count(*) FILTER (WHERE ${matching(filter, bind)}))::int AS n
     FROM (SELECT ${rowColumns} FROM herald.message m WHERE ${range} ${newestFirst} LIMIT ${mostRows + 1}) m`,
    values,
  );
  const { rows = 0, n = 0 } = result.rows[0] ?? {};
  return { count: n, complete: rows <= mostRows };
}
