/**
 * Holds messages after a point-in-time restore. The tables are back at an earlier moment, but the world is not: a
 * message that was due between that moment and now may have been sent, and nothing here says so. It is held until an
 * operator decides.
 */
import type { Queryable } from '../database/pool.ts';
import { listPauses, pauseMethod, resumeEverything } from './pause.ts';

/** To which moment the database was restored, and who says so. */
export interface RestoreOptions {
  /** The moment the database was restored to. Messages that were enqueued later are new, and are delivered. */
  readonly since: Date;
  /** The operator, for the pause and the audit log. */
  readonly by: string;
  readonly why: string;
  /** Called after each batch with the number so far. */
  readonly onProgress?: (held: number) => void;
}

const batchSize = 2000;

// A message that is not due yet cannot have been sent. The outcome of an attempt that was open at that moment is
// unknown; if its worker still lives, the lease token rejects its writes, except that a success it reports settles
// the message.
const holdStatement = `
WITH due AS (
  SELECT m.id, m.status, m.attempts, m.leased_by, m.attempt_started_at FROM herald.message m
  WHERE m.settled_at IS NULL AND m.status IN ('pending', 'sending')
    AND m.created_at <= $1 AND m.next_attempt_at <= now()
  ORDER BY m.id LIMIT $3 FOR UPDATE
), interrupted AS (
  INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, reason, detail, counted)
  SELECT d.id, d.attempts, d.leased_by, d.attempt_started_at, now(), 'unknown', 'restored',
    'in flight when the database was restored', false
  FROM due d WHERE d.status = 'sending'
  ON CONFLICT DO NOTHING
)
UPDATE herald.message m
SET status = 'held', reason = 'restored', detail = left($2, 500), lease_token = NULL, next_attempt_at = 'infinity'
FROM due d WHERE m.id = d.id`;

/**
 * Holds every message that may have been sent already, and returns how many. Everything is paused meanwhile; if an
 * operator had paused everything before, that pause stays. Safe to repeat. Each batch is a transaction of about 50
 * ms.
 */
export async function holdAfterRestore(
  client: Queryable,
  { since, by, why, onProgress }: RestoreOptions,
): Promise<number> {
  const wasPaused = (await listPauses(client)).some((state) => state.method === '*');
  if (!wasPaused) await pauseMethod(client, { method: '*', by, why });
  let held = 0;
  for (;;) {
    const { rowCount } = await client.query(holdStatement, [since, why, batchSize]);
    held += rowCount ?? 0;
    onProgress?.(held);
    if ((rowCount ?? 0) < batchSize) break;
  }
  if (!wasPaused) await resumeEverything(client);
  return held;
}
