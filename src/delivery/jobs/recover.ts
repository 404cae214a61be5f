/** Messages whose jobs are beyond delivery: those in the dead letter queue, and those that have no job. */
import type { Pool } from 'pg';

// A job in the dead letter queue died with its worker again and again before an attempt could begin.
const failDeadLettersText = `
WITH dead AS (
  SELECT m.* FROM herald.message m WHERE m.id = ANY ($1::uuid[]) AND m.status IN ('pending', 'sending') FOR UPDATE
), lost_attempts AS (
  INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, reason, detail, counted)
  SELECT d.id, d.attempts, d.leased_by, d.attempt_started_at, now(), 'unknown', 'worker_lost',
    'the worker stopped before it could record what came of this attempt', true
  FROM dead d WHERE d.status = 'sending'
  ON CONFLICT DO NOTHING
)
UPDATE herald.message m
SET status = 'failed',
  reason = CASE WHEN m.status = 'sending' THEN 'worker_lost'
    ELSE coalesce(nullif(m.reason, 'quiet_hours'), 'worker_lost') END,
  lease_token = NULL, settled_at = now(), secrets = NULL
FROM dead d WHERE m.id = d.id`;

/** Settles messages whose jobs ended in the dead letter queue as failed, with the last known reason. */
export async function failDeadLetters(pool: Pool, messageIds: readonly string[]): Promise<void> {
  await pool.query(failDeadLettersText, [messageIds]);
}

// A message without a job would wait forever: an operator emptied the queue, or restored the tables at different times.
// One whose job starts much later was brought forward while a worker was requeueing the job.
const requeueOrphansText = `
SELECT herald.ensure_jobs(ARRAY(
  SELECT m.id FROM herald.message m
  WHERE m.method = ANY ($1) AND m.settled_at IS NULL AND m.next_attempt_at < now() - interval '2 minutes'
    AND NOT EXISTS (SELECT FROM herald_queue.job j
      WHERE j.name = m.method AND j.id = m.id AND (j.state = 'active' OR j.start_after < now() + interval '1 minute'))
  LIMIT 1000)) AS woken`;

/** Gives unsettled messages that have lost their job a new one. Returns how many. */
export async function requeueOrphans(pool: Pool, methods: readonly string[]): Promise<number> {
  const result = await pool.query<{ woken: string }>(requeueOrphansText, [methods]);
  return Number(result.rows[0]?.woken ?? 0);
}
