/** Jobs that a fast worker leases ahead of its slots. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, putTemplates, scriptedDispatcher, testWorker } from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { until } from '../support/wait.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await putTemplates(database.pool, { greeting: greetingFile });
});
afterAll(() => database.close());

const activeJobs = async () => {
  const { rows } = await database.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM herald_queue.job WHERE state = 'active'`,
  );
  return rows[0]?.n;
};

test('what a worker has leased ahead goes to others when it stops, and is given back when its method is paused', async () => {
  const count = 1500;
  const to = Array.from({ length: count }, (_, i) => ({ id: `u${i}`, email: `u${i}@example.com` }));
  await createHerald().enqueue(database.pool, greeting, { to, labels: { who: 'all' } });
  let mostActive = 0;
  const smtp = scriptedDispatcher(() => ({ outcome: 'sent' }), { concurrency: 4 });
  const first = testWorker(database.url, { dispatchers: { smtp } });
  await first.start();
  await until(async () => {
    mostActive = Math.max(mostActive, (await activeJobs()) ?? 0);
    return smtp.deliveries.length > 300;
  });
  await first.stop();
  const stoppedAt = smtp.deliveries.length;
  expect(stoppedAt).toBeLessThan(count);
  // More than slots and results that wait to be recorded: it did lease ahead.
  expect(mostActive).toBeGreaterThan(8);
  expect(await activeJobs()).toBe(0);

  const second = testWorker(database.url, { dispatchers: { smtp } });
  await second.start();
  await until(() => smtp.deliveries.length > stoppedAt + 300);
  await database.pool.query(`UPDATE herald.method SET paused_at = now(), pause_kind = 'operator' WHERE name = 'smtp'`);
  await database.pool.query(`SELECT pg_notify('herald', '*')`);
  await until(async () => (await activeJobs()) === 0);
  expect(smtp.deliveries.length).toBeLessThan(count);
  await database.pool.query(`UPDATE herald.method SET paused_at = NULL, pause_kind = NULL WHERE name = 'smtp'`);
  await database.pool.query(`SELECT pg_notify('herald', '*')`);
  await until(async () => {
    const { rows } = await database.pool.query('SELECT FROM herald.message WHERE settled_at IS NULL LIMIT 1');
    return rows.length === 0;
  });
  await second.stop();
  expect(new Set(smtp.deliveries.map(({ messageId }) => messageId)).size).toBe(count);
  expect(smtp.deliveries).toHaveLength(count);
});
