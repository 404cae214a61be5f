/** What became of the messages of the last hour or day, as a row of equal periods for a chart. */
import type { Pool } from 'pg';

/** The messages that were enqueued in one period, by what has become of them so far. */
export interface Period {
  readonly at: Date;
  readonly method: string;
  readonly sent: number;
  readonly failed: number;
  /** Pending, sending or held. */
  readonly waiting: number;
  /** Inhibited, cancelled or expired. */
  readonly other: number;
}

export interface ActivitySpan {
  /** Whole periods before now. */
  readonly periods: number;
  readonly periodSeconds: number;
}

/** Periods without a message are left out. Oldest first. */
export async function readActivity(pool: Pick<Pool, 'query'>, span: ActivitySpan): Promise<Period[]> {
  const result = await pool.query<Period>(
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
