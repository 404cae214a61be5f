/** Deletes old settled messages and their attempts, in batches that lock little and let vacuum keep up. */
import * as v from 'valibot';
import type { Queryable } from '../database/pool.ts';
import { checkInput, count, fields, time } from './input.ts';

/** What `purge` deletes, and how. */
export interface PurgeOptions {
  /** Deletes what was settled before this time. */
  readonly before: Date;
  /** Only counts. */
  readonly dryRun?: boolean;
  /** Messages per transaction; 1 to 50,000, default 5,000. */
  readonly batchSize?: number;
  /** Called after each batch with the number so far. */
  readonly onProgress?: (deleted: number) => void;
}

const batchSizes = v.pipe(count, v.minValue(1, 'must be 1 to 50000'), v.maxValue(50_000, 'must be 1 to 50000'));

/** Returns how many messages were deleted, or would be. Never deletes a message that is not settled. */
export async function purge(client: Queryable, options: PurgeOptions): Promise<number> {
  checkInput('purgeMessages', fields({ before: time, batchSize: v.optional(batchSizes) }), options);
  if (options.dryRun) {
    const result = await client.query<{ n: string }>('SELECT count(*) AS n FROM herald.message WHERE settled_at < $1', [
      options.before,
    ]);
    return Number(result.rows[0]?.n ?? 0);
  }
  const batchSize = options.batchSize ?? 5000;
  for (let deleted = 0; ; ) {
    const result = await client.query<{ n: string; ids: string[] | null }>(
      `WITH old AS (
         SELECT id FROM herald.message m WHERE settled_at < $1 AND created_at < $1
           -- What a step that waits may ask about.
           AND NOT EXISTS (SELECT FROM herald.message w WHERE w.recipient_id = m.recipient_id
             AND w.notification_id = m.notification_id AND w.unless IS NOT NULL AND w.settled_at IS NULL)
         ORDER BY created_at LIMIT $2
       ), attempts AS (DELETE FROM herald.attempt a USING old WHERE a.message_id = old.id),
       reports AS (DELETE FROM herald.report r USING old WHERE r.message_id = old.id),
       locked AS MATERIALIZED (
         SELECT i.message_id FROM herald.inbox i JOIN old ON old.id = i.message_id ORDER BY i.message_id FOR UPDATE OF i
       ),
       items AS (DELETE FROM herald.inbox i USING locked l WHERE i.message_id = l.message_id),
       deleted AS (
         DELETE FROM herald.message m USING old WHERE m.id = old.id RETURNING m.notification_id
       )
       SELECT count(*) AS n, array_agg(DISTINCT notification_id) AS ids FROM deleted`,
      [options.before, batchSize],
    );
    await client.query('SELECT herald.delete_unused_content($1::uuid[])', [result.rows[0]?.ids ?? []]);
    const count = Number(result.rows[0]?.n ?? 0);
    deleted += count;
    options.onProgress?.(deleted);
    if (count < batchSize) return deleted;
  }
}
