/** Tries what a worker does with the database, in a transaction that is rolled back. */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { codeOf } from '../../errors.ts';
import { type Finding, ok, problem } from './finding.ts';

// Each statement names the columns that a worker writes, so that a missing privilege shows. The attempt writes a row,
// so that a full disk shows; the others match no row, so that no message is locked.
const statements: readonly string[] = [
  `SELECT id FROM herald_queue.job WHERE id = $1 FOR UPDATE`,
  `UPDATE herald_queue.job SET state = state, start_after = start_after, heartbeat_on = heartbeat_on WHERE id = $1`,
  `SELECT id FROM herald.message WHERE id = $1 FOR UPDATE`,
  `UPDATE herald.message SET status = status, lease_token = lease_token, leased_by = leased_by, attempts = attempts,
     attempt_started_at = attempt_started_at, next_attempt_at = next_attempt_at, settled_at = settled_at,
     reason = reason, detail = detail, secrets = secrets WHERE id = $1`,
  `INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, counted)
   VALUES ($1, 1, 'pg-herald doctor', now(), now(), 'sent', true)`,
  `DELETE FROM herald_queue.job WHERE id = $1`,
];

const remedies: ReadonlyMap<string, string> = new Map([
  ['42501', 'give the role its privileges: "pg-herald migrate --roles", then GRANT herald_worker TO the role'],
  ['53100', 'free disk space on the database server'],
  ['55P03', 'end the session that holds the lock: see pg_locks and pg_stat_activity'],
  ['57014', 'the database is too slow: see its load and its log'],
  ['25006', 'point DATABASE_URL at the primary, or turn off default_transaction_read_only'],
]);

/** Whether a worker with this connection could lease, begin, settle and remove. Leaves nothing behind. */
export async function tryDelivery(pool: Pick<Pool, 'connect'>): Promise<Finding> {
  const client = await pool.connect();
  try {
    await client.query(`BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '10s'`);
    const id = randomUUID();
    for (const text of statements) await client.query(text, [id]);
    return ok('delivery', 'a worker can lease, begin and settle messages with this connection');
  } catch (error) {
    const code = codeOf(error);
    const message = error instanceof Error ? error.message : String(error);
    return problem(
      'delivery',
      `a worker could not deliver with this connection: ${message} (${code})`,
      remedies.get(code) ?? 'see the log of the database server',
    );
  } finally {
    await client.query('ROLLBACK').catch(() => undefined);
    client.release();
  }
}
