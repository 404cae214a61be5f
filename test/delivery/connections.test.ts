/** How many connections a worker takes, and what it does where there are none. */
import { expect, onTestFinished, test } from 'vitest';
import { applyRoles } from '../../src/database/roles.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, keepingLogger, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

const backends = async () => {
  const { rows } = await database.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pg-herald%'`,
  );
  return rows[0]?.n ?? 0;
};
const enqueue = (count: number) =>
  createHerald().enqueue(database.pool, greeting, {
    autocommit: true,
    to: Array.from({ length: count }, (_, i) => ({ id: `u${i}`, email: `u${i}@example.com` })),
    labels: { who: 'x' },
  });

/** A login with the rights of a worker that may not connect yet. */
async function limitedLogin() {
  await applyRoles(database.url);
  const login = `worker_${crypto.randomUUID().slice(0, 8)}`;
  await database.pool.query(
    `CREATE ROLE ${login} LOGIN PASSWORD 'x' CONNECTION LIMIT 0; GRANT herald_worker TO ${login}`,
  );
  onTestFinished(async () => {
    await database.pool.query(`DROP ROLE ${login}`);
  });
  const url = new URL(database.url);
  url.username = login;
  url.password = 'x';
  return {
    url: url.href,
    allow: (connections: number) => database.pool.query(`ALTER ROLE ${login} CONNECTION LIMIT ${connections}`),
  };
}

test('an idle worker keeps five connections at most, also after it was busy', { timeout: 60_000 }, async () => {
  const smtp = scriptedDispatcher();
  const worker = testWorker(database.url, { dispatchers: { smtp }, pollSeconds: 1, superviseSeconds: 3 });
  await worker.start();
  onTestFinished(() => worker.stop());
  await enqueue(500);
  await until(() => smtp.deliveries.length === 500, { timeoutMs: 20_000 });
  await until(async () => (await backends()) <= 5, { timeoutMs: 40_000, intervalMs: 500 });
});

test('a worker for which there is no connection waits for one, says so once, and delivers then', {
  timeout: 60_000,
}, async () => {
  const { url, allow } = await limitedLogin();
  const logger = keepingLogger();
  const smtp = scriptedDispatcher();
  const worker = testWorker(url, { dispatchers: { smtp }, logger });
  onTestFinished(() => worker.stop());
  const started = worker.start();
  const told = () => logger.lines.filter(({ message }) => message.startsWith('the database has no connection left'));
  await until(() => told().length > 0);
  expect(told()).toMatchObject([{ level: 'warn', fields: { code: '53300' } }]);
  await enqueue(1);
  await allow(20);
  await started;
  await until(() => smtp.deliveries.length === 1);
  expect(told()).toHaveLength(1);
});

test('a worker that waits for a connection can be stopped', async () => {
  const { url } = await limitedLogin();
  const logger = keepingLogger();
  const worker = testWorker(url, { dispatchers: { smtp: scriptedDispatcher() }, logger });
  const started = worker.start();
  started.catch(() => undefined);
  await until(() => logger.lines.length > 0);
  await worker.stop();
  await expect(started).rejects.toMatchObject({ code: '53300' });
});
