/** What metrics say about the whole database. Quick with millions of messages: nothing here counts more than is recent. */
import type { Database } from '../database/statements.ts';

export interface MethodGauges {
  readonly method: string;
  readonly pending: number;
  readonly held: number;
  readonly oldestDueSeconds: number;
  readonly pausedBy: 'operator' | 'fault' | null;
  readonly restingSenders: number;
}

/** Messages enqueued between two looks. `reason`: of those that were inhibited at once. */
export interface EnqueuedSince {
  readonly method: string;
  readonly reason: string | null;
  readonly count: number;
}

export interface Gauges {
  readonly methods: readonly MethodGauges[];
  readonly endpoints: Readonly<Record<'healthy' | 'failing' | 'open' | 'disabled', number>>;
  readonly workers: number;
  readonly enqueued: readonly EnqueuedSince[];
  /** Where the next look goes on; as the database wrote it, since a Date has no microseconds. */
  readonly seenUntil: string;
}

// pg-boss keeps the numbers of jobs up to date every few seconds, so that nobody else need count a backlog of millions. Held
// messages have no job, but an infinite time: a range of the index. Whoever is being sent right now stands in front of the oldest.
const methodsText = `
SELECT m.name AS method, coalesce(q.ready_count + q.deferred_count, 0)::int AS pending,
  (SELECT count(*)::int FROM (SELECT FROM herald.message h
    WHERE h.method = m.name AND h.settled_at IS NULL AND h.next_attempt_at = 'infinity' LIMIT 10000) held) AS held,
  greatest(coalesce(extract(epoch FROM now() - (SELECT d.next_attempt_at FROM herald.message d
    WHERE d.method = m.name AND d.settled_at IS NULL AND d.next_attempt_at <= now() AND d.status = 'pending'
    ORDER BY d.next_attempt_at LIMIT 1)), 0), 0)::float8 AS "oldestDueSeconds",
  CASE WHEN a.paused_at IS NOT NULL THEN a.pause_kind ELSE m.pause_kind END AS "pausedBy",
  (SELECT count(*)::int FROM herald.sender s WHERE s.method = m.name AND s.paused_at IS NOT NULL) AS "restingSenders"
FROM herald.method m
LEFT JOIN herald.method a ON a.name = '*'
LEFT JOIN herald_queue.queue q ON q.name = m.name
WHERE m.name <> '*' ORDER BY m.name`;

const restText = `
SELECT count(*) FILTER (WHERE e.disabled_at IS NOT NULL)::int AS disabled,
  count(*) FILTER (WHERE e.disabled_at IS NULL AND e.opened_at IS NOT NULL)::int AS open,
  count(*) FILTER (WHERE e.disabled_at IS NULL AND e.opened_at IS NULL AND e.failing_since IS NOT NULL)::int AS failing,
  count(*) FILTER (WHERE e.disabled_at IS NULL AND e.opened_at IS NULL AND e.failing_since IS NULL)::int AS healthy,
  (SELECT count(DISTINCT application_name)::int FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'pg-herald worker %') AS workers,
  (now() - $1 * interval '1 second')::text AS "seenUntil"
FROM herald.endpoint e`;

const enqueuedText = `
SELECT m.method, CASE WHEN m.status = 'inhibited' AND m.attempts = 0 AND m.settled_at = m.created_at THEN m.reason END AS reason, count(*)::int AS count
FROM herald.message m WHERE m.created_at > $1::timestamptz AND m.created_at <= $2::timestamptz GROUP BY 1, 2`;

/** A transaction that enqueued commits within this time, or its messages are not counted as enqueued. */
export const enqueueLagSeconds = 15;

/** Looks once. `seenUntil`: of the look before, null for the first. Rejects when the database is away. */
export async function readGauges(
  database: Database,
  since: { readonly seenUntil: string | null; readonly lagSeconds: number },
): Promise<Gauges> {
  const methods = await database.run<MethodGauges>({ name: 'herald.gauges', text: methodsText }, []);
  const [rest] = await database.run<Omit<Gauges, 'methods' | 'enqueued' | 'endpoints'> & Gauges['endpoints']>(
    { name: 'herald.gauges.rest', text: restText },
    [since.lagSeconds],
  );
  if (rest === undefined) throw new Error('an aggregate without a row');
  const { healthy, failing, open, disabled, workers, seenUntil } = rest;
  const enqueued =
    since.seenUntil === null
      ? []
      : await database.run<EnqueuedSince>({ name: 'herald.gauges.enqueued', text: enqueuedText }, [
          since.seenUntil,
          seenUntil,
        ]);
  return { methods, endpoints: { healthy, failing, open, disabled }, workers, enqueued, seenUntil };
}
