/** Locks that last for minutes: three workers never take more connections than their pools have, and lose nothing. */
import { Client } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const workers = 3;
const perWorker = 15;
/** Longer than the client of any statement waits, maintenance included (60 s). */
const lockedMs = 75_000;

const backends = async () =>
  (
    await database.pool.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE 'pg-herald%'`,
    )
  ).rows[0]?.n ?? 0;

test.each([
  ['the table of methods', 'LOCK TABLE herald.method IN ACCESS EXCLUSIVE MODE'],
  ['the rows of messages', 'SELECT FROM herald.message FOR UPDATE'],
  ['the rows of jobs', 'UPDATE herald_queue.job SET start_after = now()'],
])('a lock on %s', { timeout: 240_000 }, async (_, statement) => {
  const { pool } = database;
  await createHerald().enqueue(pool, greeting, {
    autocommit: true,
    to: Array.from({ length: 30 }, (_each, i) => ({ id: `u${i}`, email: `u${i}@example.com` })),
    labels: { who: 'x' },
    delaySeconds: 3600,
  });
  const smtp = scriptedDispatcher();
  for (let i = 0; i < workers; i += 1) {
    const worker = testWorker(database.url, { dispatchers: { smtp } });
    await worker.start();
    onTestFinished(() => worker.stop());
  }
  await pool.query('UPDATE herald.message SET next_attempt_at = now()');
  const locker = new Client({ connectionString: database.url });
  await locker.connect();
  onTestFinished(async () => {
    await locker.end();
    await pool.query('TRUNCATE herald.message, herald.attempt; DELETE FROM herald_queue.job');
  });
  await locker.query('BEGIN');
  await locker.query(statement);
  if (!statement.includes('herald_queue')) await pool.query('UPDATE herald_queue.job SET start_after = now()');
  const startedAt = performance.now();
  let most = 0;
  await until(
    async () => {
      most = Math.max(most, await backends());
      return performance.now() - startedAt > lockedMs;
    },
    { timeoutMs: lockedMs + 30_000, intervalMs: 500 },
  );
  expect(most).toBeLessThanOrEqual(workers * perWorker);
  await locker.query('COMMIT');
  const sent = async () => (await pool.query(`SELECT FROM herald.message WHERE status = 'sent'`)).rowCount;
  await until(async () => (await sent()) === 30, { timeoutMs: 60_000 });
  // Nothing was dispatched by a worker that gave up, so there is no second copy and no unknown attempt.
  expect(smtp.deliveries).toHaveLength(30);
  expect((await pool.query(`SELECT DISTINCT outcome FROM herald.attempt`)).rows).toEqual([{ outcome: 'sent' }]);
});
