/** A message whose attempt is unknown waits for five minutes, which no test wants to wait for. */
import type { Pool } from 'pg';

/** Makes the messages due whose worker was lost, and checks that each of them had to wait for five minutes. */
export async function skipUnknownWaits(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ id: string; left: number }>(
    `WITH waiting AS (
       SELECT id, extract(epoch FROM next_attempt_at - now())::float8 AS "left" FROM herald.message
       WHERE status = 'pending' AND reason = 'worker_lost' AND next_attempt_at > now() + interval '5 seconds' FOR UPDATE
     ), due AS (
       UPDATE herald.message m SET next_attempt_at = now() FROM waiting w WHERE w.id = m.id
     ) SELECT * FROM waiting`,
  );
  const early = rows.filter(({ left }) => left < 200 || left > 301);
  if (early.length > 0) throw new Error(`not a wait of five minutes: ${JSON.stringify(early)}`);
  // Also for those of an earlier call, whose job a worker may have been about to requeue.
  await pool.query(
    `SELECT herald.ensure_jobs(ARRAY(
       SELECT id FROM herald.message WHERE status = 'pending' AND reason = 'worker_lost' AND next_attempt_at <= now()))`,
  );
}
