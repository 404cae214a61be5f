/** Deletes what is settled and old, with its attempts, in batches that lock little and let vacuum keep up. */
import type { Pool } from 'pg';

export interface PurgeOptions {
  /** Settled before this time. */
  readonly before: Date;
  /** Counts only. */
  readonly dryRun?: boolean;
  /** Rows per transaction; 1 to 50,000, default 5,000. */
  readonly batchSize?: number;
  /** Called after each batch with the number so far. */
  readonly onProgress?: (deleted: number) => void;
}

/** Answers how many messages were deleted, or would be. A message that is not settled is never touched. */
export async function purge(pool: Pool, options: PurgeOptions): Promise<number> {
  if (options.dryRun) {
    const result = await pool.query<{ n: string }>('SELECT count(*) AS n FROM herald.message WHERE settled_at < $1', [
      options.before,
    ]);
    return Number(result.rows[0]?.n ?? 0);
  }
  const batchSize = options.batchSize ?? 5000;
  for (let deleted = 0; ; ) {
    const result = await pool.query<{ n: string; files: string[] | null }>(
      `WITH old AS (SELECT id FROM herald.message WHERE settled_at < $1 AND created_at < $1 ORDER BY created_at LIMIT $2),
         gone AS (DELETE FROM herald.attempt a USING old WHERE a.message_id = old.id),
         deleted AS (DELETE FROM herald.message m USING old WHERE m.id = old.id RETURNING m.notification_id, m.attachments)
       SELECT count(*) AS n, array_agg(DISTINCT notification_id) FILTER (WHERE attachments > 0) AS files FROM deleted`,
      [options.before, batchSize],
    );
    await dropFiles(pool, result.rows[0]?.files ?? []);
    const count = Number(result.rows[0]?.n ?? 0);
    deleted += count;
    options.onProgress?.(deleted);
    if (count < batchSize) return deleted;
  }
}

/** Files whose last message is gone. */
async function dropFiles(pool: Pool, notificationIds: readonly string[]): Promise<void> {
  if (notificationIds.length === 0) return;
  await pool.query(
    `DELETE FROM herald.attachment a WHERE a.notification_id = ANY ($1::uuid[])
       AND NOT EXISTS (SELECT FROM herald.message m WHERE m.notification_id = a.notification_id)`,
    [notificationIds],
  );
}
