/** What a worker looks at once a second, for all its methods in one statement: pauses, probes and what is due. */
import type { Pool } from 'pg';
import type { Database } from '../database/statements.ts';
import { readOnlyCode } from './database-errors.ts';

export interface MethodPulse {
  readonly method: string;
  readonly paused: boolean;
  readonly probeDue: boolean;
  /** A message is due: a retry whose time has come, or one whose wake-up was missed. */
  readonly due: boolean;
  readonly readOnly: boolean;
}

const pulseText = `
SELECT m.name AS method,
  m.paused_at IS NOT NULL OR EXISTS (SELECT FROM herald.method a WHERE a.name = '*' AND a.paused_at IS NOT NULL) AS paused,
  coalesce(m.pause_kind = 'fault' AND m.probe_at <= now(), false)
    AND NOT EXISTS (SELECT FROM herald.method a WHERE a.name = '*' AND a.paused_at IS NOT NULL) AS "probeDue",
  EXISTS (SELECT FROM herald.message d WHERE d.method = m.name AND d.settled_at IS NULL AND d.next_attempt_at <= now()) AS due,
  current_setting('transaction_read_only')::boolean AS "readOnly"
FROM herald.method m
WHERE m.name = ANY ($1)`;

/**
 * Rejects with `readOnlyCode` where the server takes no changes, and closes the connection then: the name in the connection string
 * may lead to another server by now.
 */
export async function takePulse(database: Database, methods: readonly string[]): Promise<MethodPulse[]> {
  const serves = (states: readonly MethodPulse[]) => !states.some((state) => state.readOnly);
  const states = await database.run<MethodPulse>({ name: 'herald.pulse', text: pulseText }, [methods], serves);
  if (serves(states)) return states;
  throw Object.assign(new Error('the database is read-only'), { code: readOnlyCode });
}

// A job in the dead letter queue died with its worker again and again before an attempt could begin.
const buryStatement = `
WITH dead AS (
  SELECT m.* FROM herald.message m WHERE m.id = ANY ($1::uuid[]) AND m.status IN ('pending', 'sending') FOR UPDATE
), broken AS (
  INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, reason, detail, counted)
  SELECT d.id, d.attempts, d.leased_by, d.attempt_started_at, now(), 'unknown', 'worker_lost', 'the worker stopped before it could record what came of this attempt', true
  FROM dead d WHERE d.status = 'sending'
  ON CONFLICT DO NOTHING
)
UPDATE herald.message m
SET status = 'failed', reason = CASE WHEN m.status = 'sending' THEN 'worker_lost' ELSE coalesce(m.reason, 'worker_lost') END, lease_token = NULL, settled_at = now(), secrets = NULL
FROM dead d WHERE m.id = d.id`;

/** Settles messages whose jobs ended in the dead letter queue, with the last reason that is known. */
export async function bury(pool: Pool, messageIds: readonly string[]): Promise<void> {
  await pool.query(buryStatement, [messageIds]);
}

// A message without a job would wait for ever: somebody emptied the queue, or restored the tables apart from each other.
const rescueStatement = `
SELECT herald.ensure_jobs(ARRAY(
  SELECT m.id FROM herald.message m
  WHERE m.method = ANY ($1) AND m.settled_at IS NULL AND m.next_attempt_at < now() - interval '2 minutes'
    AND NOT EXISTS (SELECT FROM herald_queue.job j WHERE j.name = m.method AND j.id = m.id)
  LIMIT 1000)) AS woken`;

/** Gives unsettled messages that have lost their job a new one; answers how many. */
export async function rescue(pool: Pool, methods: readonly string[]): Promise<number> {
  const result = await pool.query<{ woken: string }>(rescueStatement, [methods]);
  return Number(result.rows[0]?.woken ?? 0);
}
