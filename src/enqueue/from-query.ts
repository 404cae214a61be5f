/** Enqueues for the rows of a query, in one statement. */
import { type Connection, run, runDrizzle } from '../database/caller-transaction.ts';
import type { DrizzleQuery } from '../database/drizzle-sql.ts';
import { InvalidNotificationError } from '../errors.ts';
import type { DataOf, LabelsOf, Template } from '../templates/define.ts';
import type { MessageStatus, Reason } from '../vocabulary.ts';
import type { NotificationOptions } from './notification.ts';
import { throwRefusal, withClearErrors } from './sql-errors.ts';

/** A notification whose recipients are the rows of a query. */
export interface FromQuery<T extends Template> extends NotificationOptions {
  /** A Drizzle `sql` or `select`, or text with `$1`... and its values, each bound as text. */
  readonly recipients: DrizzleQuery | { readonly text: string; readonly values?: readonly string[] };
  /** The labels of the template, the same for every recipient; 256 KiB with `data`. */
  readonly labels: LabelsOf<T>;
  /** The data of the template, the same for every recipient. Default null. */
  readonly data?: DataOf<T>;
}

/** How many messages a set-based enqueue wrote, by method, status and reason. */
export interface EnqueuedCount {
  /** For example `smtp`. */
  readonly method: string;
  /** `pending`, or `inhibited` with a reason. */
  readonly status: MessageStatus;
  /** Why they are `inhibited`, or `quiet_hours` for pending ones that wait for their end; null for the others. */
  readonly reason: Reason | null;
  /** True for messages that existed already under this dedupe key. */
  readonly deduplicated: boolean;
  /** Number of messages. */
  readonly count: number;
}

// The caller's query has lines of its own, so that a comment at its end hides nothing of ours.
const statementParts = [
  `SELECT method, status, reason, deduplicated, count(*)::text AS count FROM herald.enqueue(jsonb_set(`,
  `::text::jsonb, '{to}', (SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]') FROM (\n`,
  `\n) AS r))) GROUP BY method, status, reason, deduplicated ORDER BY method, status, reason, deduplicated`,
] as const;

interface CountRow extends Omit<EnqueuedCount, 'count'> {
  count: string;
}

/**
 * Runs `herald.enqueue` for the rows of a query. `json` is the notification without recipients.
 * @throws {InvalidNotificationError} if the notification is wrong, or a Drizzle query comes without a Drizzle
 * transaction.
 */
export async function enqueueRows(
  tx: Connection,
  query: FromQuery<Template>['recipients'],
  json: string,
): Promise<EnqueuedCount[]> {
  requireQuery(query);
  const rows = await withClearErrors(() =>
    'text' in query ? runText(tx, query.text, [...(query.values ?? []), json]) : runQuery(tx, query, json),
  );
  throwRefusal(rows);
  return rows.map((row) => ({ ...row, count: Number(row.count) }));
}

function requireQuery(query: unknown): void {
  const { text, values = [], getSQL } = (query ?? {}) as Readonly<Record<string, unknown>>;
  const isText = typeof text === 'string' && Array.isArray(values) && values.every((each) => typeof each === 'string');
  if (isText || (typeof getSQL === 'function' && text === undefined)) return;
  const message = 'must be a Drizzle query, or { text, values } with texts as values';
  throw new InvalidNotificationError([{ path: 'recipients', message }]);
}

function runText(tx: Connection, text: string, values: readonly string[]): Promise<CountRow[]> {
  const [head, middle, tail] = statementParts;
  return run<CountRow>(tx, { text: `${head}$${values.length}${middle}${text}${tail}`, values });
}

async function runQuery(tx: Connection, query: DrizzleQuery, json: string): Promise<CountRow[]> {
  if (!('execute' in tx))
    throw new InvalidNotificationError([
      { path: 'recipients', message: 'is a Drizzle query, but tx is not a Drizzle transaction; pass { text, values }' },
    ]);
  const [head, middle, tail] = statementParts;
  return runDrizzle<CountRow>(tx, [{ text: head }, { value: json }, { text: middle }, query, { text: tail }]);
}
