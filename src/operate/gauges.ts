/** What metrics report about the whole database. Fast with millions of messages, because it counts only recent ones. */
import type { Database } from '../database/database.ts';
import { workersConnected } from './workers.ts';

/** The state of one method. */
export interface MethodGauges {
  readonly method: string;
  readonly pending: number;
  readonly held: number;
  /** Messages whose guard gave no answer, waiting or held. */
  readonly guardFailed: number;
  readonly oldestDueSeconds: number;
  readonly pausedBy: 'operator' | 'fault' | null;
  readonly pausedSenders: number;
}

/** Messages enqueued between two readings. `reason` is set for those that were inhibited at once. */
export interface EnqueuedSince {
  readonly method: string;
  readonly reason: string | null;
  readonly count: number;
}

/** Messages that came back between two readings. */
export interface ReturnedSince {
  /** Domain of the recipient; null: the report was about no message of ours. */
  readonly domain: string | null;
  readonly kind: string;
  readonly count: number;
}

/** The state of the whole database. */
export interface Gauges {
  readonly methods: readonly MethodGauges[];
  readonly endpoints: Readonly<Record<'healthy' | 'failing' | 'open' | 'disabled', number>>;
  readonly workers: number;
  readonly enqueued: readonly EnqueuedSince[];
  readonly returned: readonly ReturnedSince[];
  /** Where the next reading continues, as text from the database: a Date has no microseconds. */
  readonly seenUntil: string;
}

// pg-boss updates its job counts every few seconds, so a backlog of millions is never counted here. Held messages
// have no job; their time is infinite, which is a range of the index. A message that is being sent is not the oldest
// due one.
const methodsText = `
SELECT m.name AS method, coalesce(q.ready_count + q.deferred_count, 0)::int AS pending,
  (SELECT count(*)::int FROM (SELECT FROM herald.message h
    WHERE h.method = m.name AND h.settled_at IS NULL AND h.next_attempt_at = 'infinity' LIMIT 10000) held) AS held,
  (SELECT count(*)::int FROM (SELECT FROM herald.message g
    WHERE g.method = m.name AND g.uncounted_since IS NOT NULL AND g.settled_at IS NULL AND g.reason = 'guard_failed'
    LIMIT 10000) unanswered) AS "guardFailed",
  greatest(coalesce(extract(epoch FROM now() - (SELECT d.next_attempt_at FROM herald.message d
    WHERE d.method = m.name AND d.settled_at IS NULL AND d.next_attempt_at <= now() AND d.status = 'pending'
    ORDER BY d.next_attempt_at LIMIT 1)), 0), 0)::float8 AS "oldestDueSeconds",
  CASE WHEN a.paused_at IS NOT NULL THEN a.pause_kind ELSE m.pause_kind END AS "pausedBy",
  (SELECT count(*)::int FROM herald.sender s WHERE s.method = m.name AND s.paused_at IS NOT NULL) AS "pausedSenders"
FROM herald.method m
LEFT JOIN herald.method a ON a.name = '*'
LEFT JOIN herald_queue.queue q ON q.name = m.name
WHERE m.name <> '*' ORDER BY m.name`;

const totalsText = `
SELECT count(*) FILTER (WHERE e.disabled_at IS NOT NULL)::int AS disabled,
  count(*) FILTER (WHERE e.disabled_at IS NULL AND e.opened_at IS NOT NULL)::int AS open,
  count(*) FILTER (WHERE e.disabled_at IS NULL AND e.opened_at IS NULL AND e.failing_since IS NOT NULL)::int AS failing,
  count(*) FILTER (WHERE e.disabled_at IS NULL AND e.opened_at IS NULL AND e.failing_since IS NULL)::int AS healthy,
  ${workersConnected} AS workers,
  (now() - $1 * interval '1 second')::text AS "seenUntil"
FROM herald.endpoint e`;

const enqueuedText = `
SELECT m.method, count(*)::int AS count,
  CASE WHEN m.status = 'inhibited' AND m.attempts = 0 AND m.settled_at = m.created_at THEN m.reason END AS reason
FROM herald.message m WHERE m.created_at > $1::timestamptz AND m.created_at <= $2::timestamptz GROUP BY m.method, 3`;

const returnedText = `
SELECT r.domain, CASE WHEN r.message_id IS NULL THEN 'unmatched' ELSE r.kind END AS kind, count(*)::int AS count
FROM herald.report r WHERE r.at > $1::timestamptz AND r.at <= $2::timestamptz GROUP BY 1, 2`;

/** Messages whose transaction takes longer than this to commit are not counted as enqueued. */
export const enqueueLagSeconds = 15;

/**
 * Reads once. `seenUntil` comes from the previous reading, and is null for the first. Rejects if the database is
 * down.
 */
export async function readGauges(
  database: Database,
  since: { readonly seenUntil: string | null; readonly lagSeconds: number },
): Promise<Gauges> {
  const methods = await database.run<MethodGauges>({ name: 'herald.gauges', text: methodsText }, []);
  const [totals] = await database.run<
    Omit<Gauges, 'methods' | 'enqueued' | 'returned' | 'endpoints'> & Gauges['endpoints']
  >({ name: 'herald.gauges.totals', text: totalsText }, [since.lagSeconds]);
  if (totals === undefined) throw new Error('aggregate returned no row');
  const { healthy, failing, open, disabled, workers, seenUntil } = totals;
  const window = since.seenUntil === null ? null : [since.seenUntil, seenUntil];
  const enqueued =
    window === null
      ? []
      : await database.run<EnqueuedSince>({ name: 'herald.gauges.enqueued', text: enqueuedText }, window);
  const returned =
    window === null
      ? []
      : await database.run<ReturnedSince>({ name: 'herald.gauges.returned', text: returnedText }, window);
  return { methods, endpoints: { healthy, failing, open, disabled }, workers, enqueued, returned, seenUntil };
}
