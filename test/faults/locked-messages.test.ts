/** A lock that is held for long: the workers wait with the connections that they have. */
import { Client } from 'pg';
import { onTestFinished, test, expect } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

const backends = async () => {
  const { rows } = await database.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pg-herald%'`,
  );
  return rows[0]?.n ?? 0;
};

async function locking(statement: string) {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  onTestFinished(() => client.end());
  await client.query('BEGIN');
  await client.query(statement);
  return { release: () => client.query('ROLLBACK') };
}

test('a locked table takes no more connections than the pools have, and delivery resumes after it', {
  timeout: 120_000,
}, async () => {
  const smtp = scriptedDispatcher();
  const worker = testWorker(database.url, { dispatchers: { smtp } });
  await worker.start();
  onTestFinished(() => worker.stop());
  const lock = await locking('LOCK TABLE herald.method IN ACCESS EXCLUSIVE MODE');
  const startedAt = performance.now();
  let most = 0;
  // Longer than the client of a statement waits, twice.
  await until(
    async () => {
      most = Math.max(most, await backends());
      return performance.now() - startedAt > 35_000;
    },
    { timeoutMs: 60_000, intervalMs: 500 },
  );
  expect(most).toBeLessThanOrEqual(15);
  await lock.release();
  await createHerald().enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id: 'u', email: 'u@example.com' },
    labels: { who: 'x' },
  });
  await until(() => smtp.deliveries.length === 1, { timeoutMs: 20_000 });
});

test('locked messages are neither unknown nor held when the lock is gone: nothing was dispatched', {
  timeout: 120_000,
}, async () => {
  const before = await createHerald().enqueue(database.pool, greeting, {
    autocommit: true,
    to: Array.from({ length: 5 }, (_, i) => ({ id: `v${i}`, email: `v${i}@example.com` })),
    labels: { who: 'x' },
    delaySeconds: 3600,
  });
  const ids = before.map(({ id }) => id);
  await database.pool.query(`UPDATE herald.message SET unknown = 'hold', next_attempt_at = now() WHERE id = ANY ($1)`, [
    ids,
  ]);
  const lock = await locking(
    `SELECT FROM herald.message WHERE id IN (${ids.map((id) => `'${id}'`).join(',')}) FOR UPDATE`,
  );
  await database.pool.query(`UPDATE herald_queue.job SET start_after = now() WHERE id = ANY ($1)`, [ids]);
  const smtp = scriptedDispatcher();
  const worker = testWorker(database.url, { dispatchers: { smtp } });
  await worker.start();
  onTestFinished(() => worker.stop());
  const startedAt = performance.now();
  await until(() => performance.now() - startedAt > 20_000, { timeoutMs: 30_000, intervalMs: 500 });
  await lock.release();
  await until(() => smtp.deliveries.length === 5, { timeoutMs: 60_000 });
  const { rows } = await database.pool.query(
    `SELECT m.status, m.unknowns, count(a.*)::int AS attempts, bool_and(a.finished_at >= a.started_at) AS forwards
     FROM herald.message m JOIN herald.attempt a ON a.message_id = m.id WHERE m.id = ANY ($1) GROUP BY 1, 2`,
    [ids],
  );
  expect(rows).toEqual([{ status: 'sent', unknowns: 0, attempts: 5, forwards: true }]);
});
