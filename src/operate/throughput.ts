/**
 * How many messages were enqueued in each period of the last hour or day, and what has become of them. Feeds a chart.
 */
import type { Queryable } from '../database/pool.ts';

/** The messages that were enqueued in one period, by their status now. */
export interface Period {
  /** When it begins. */
  readonly at: Date;
  readonly method: string;
  readonly sent: number;
  readonly failed: number;
  /** Pending, sending or held. */
  readonly waiting: number;
  /** Inhibited, cancelled or expired. */
  readonly other: number;
}

/** How many periods, and how long they are. */
export interface ThroughputSpan {
  /** Number of periods up to now. */
  readonly periods: number;
  readonly periodSeconds: number;
}

/** Oldest first. A period without messages is left out. */
export async function readThroughput(client: Queryable, span: ThroughputSpan): Promise<Period[]> {
  const result = await client.query<Period>(
    `SELECT to_timestamp(floor(extract(epoch FROM created_at) / $2) * $2) AS at, method,
       count(*) FILTER (WHERE status = 'sent')::int AS sent, count(*) FILTER (WHERE status = 'failed')::int AS failed,
       count(*) FILTER (WHERE status IN ('pending', 'sending', 'held'))::int AS waiting,
       count(*) FILTER (WHERE status IN ('inhibited', 'cancelled', 'expired'))::int AS other
     FROM herald.message
     WHERE created_at >= to_timestamp((floor(extract(epoch FROM now()) / $2) - $1 + 1) * $2)
     GROUP BY 1, 2 ORDER BY 1, 2`,
    [span.periods, span.periodSeconds],
  );
  return result.rows;
}
