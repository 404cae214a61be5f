/**
 * The fence after a point-in-time restore. The tables are back at an earlier moment, the world is not: what was due between that moment
 * and now may have gone out without a trace here. It is held until somebody decides.
 */
import type { Pool } from 'pg';
import { pause, pauses } from './pause.ts';

export interface FenceOptions {
  /** The moment that the database was restored to. What was enqueued later is new and goes on. */
  readonly since: Date;
  readonly by: string;
  readonly why: string;
  /** Called after each batch with the number so far. */
  readonly onProgress?: (held: number) => void;
}

const batchSize = 2000;

// Whatever is not due before now cannot have gone out. An attempt that was open at that moment ended nobody knows how; its worker, if it
// lives after all, is fenced off, and a success that it still reports settles the message.
const holdStatement = `
WITH due AS (
  SELECT m.id, m.status, m.attempts, m.leased_by, m.attempt_started_at FROM herald.message m
  WHERE m.settled_at IS NULL AND m.status IN ('pending', 'sending') AND m.created_at <= $1 AND m.next_attempt_at <= now()
  ORDER BY m.id LIMIT $3 FOR UPDATE
), broken AS (
  INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, reason, detail, charged)
  SELECT d.id, d.attempts, d.leased_by, d.attempt_started_at, now(), 'unknown', 'restored', 'under way when the database was restored', false
  FROM due d WHERE d.status = 'sending'
  ON CONFLICT DO NOTHING
)
UPDATE herald.message m
SET status = 'held', reason = 'restored', detail = left($2, 500), lease_token = NULL, next_attempt_at = 'infinity'
FROM due d WHERE m.id = d.id`;

/**
 * Holds what may already have gone out; answers how many. Everything is paused meanwhile; a pause that an operator had put on everything
 * before stays. Safe to repeat. Each batch is a transaction of some 50 ms.
 */
export async function holdRestored(pool: Pool, { since, by, why, onProgress }: FenceOptions): Promise<number> {
  const wasPaused = (await pauses(pool)).some((state) => state.method === '*');
  if (!wasPaused) await pause(pool, { method: '*', by, why });
  let held = 0;
  for (;;) {
    const { rowCount } = await pool.query(holdStatement, [since, why, batchSize]);
    held += rowCount ?? 0;
    onProgress?.(held);
    if ((rowCount ?? 0) < batchSize) break;
  }
  // Of everything, not of each method: a method that was paused before stays so.
  if (!wasPaused) await resumeAll(pool);
  return held;
}

async function resumeAll(pool: Pool): Promise<void> {
  await pool.query(
    `UPDATE herald.method SET paused_at = NULL, paused_by = NULL, pause_kind = NULL, pause_detail = NULL WHERE name = '*'`,
  );
  await pool.query(`SELECT pg_notify('herald', '*')`);
}

/** Settles held messages as cancelled, without sending them; their reason stays. Answers how many of them were held. */
export async function discardMessages(pool: Pool, ids: readonly string[]): Promise<number> {
  const { rowCount } = await pool.query(
    `WITH discarded AS (
       UPDATE herald.message SET status = 'cancelled', reason = coalesce(reason, 'cancelled'), settled_at = now(), secrets = NULL
       WHERE id = ANY ($1::uuid[]) AND status = 'held' RETURNING id, method
     ), job AS (
       DELETE FROM herald_queue.job j USING discarded d WHERE j.name = d.method AND j.id = d.id AND j.state < 'active'
     ) SELECT FROM discarded`,
    [ids],
  );
  return rowCount ?? 0;
}
