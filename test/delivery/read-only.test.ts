/** A database that takes no changes for a while, as a standby or a primary before its failover. */
import { expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { runCli } from '../cli/support.ts';
import { greeting, greetingFile, keepingLogger, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

async function turn(readOnly: boolean): Promise<void> {
  await database.pool.query(`SET default_transaction_read_only = off`);
  await database.pool.query(
    `ALTER DATABASE ${database.name} SET default_transaction_read_only = ${readOnly ? 'on' : 'off'}`,
  );
  await database.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'pg-herald%'`,
  );
}

test('a worker on a read-only database says so in one line, and goes on without a restart when it can write', async () => {
  const logger = keepingLogger();
  const smtp = scriptedDispatcher();
  const worker = testWorker(database.url, { dispatchers: { smtp }, logger });
  await worker.start();
  await turn(true);
  await until(() => logger.lines.some((line) => /the database is (read-only|away)/.test(line.message)));
  await database.pool.query('SET default_transaction_read_only = off');
  await createHerald().enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id: 'u', email: 'u@example.com' },
    labels: { who: 'x' },
  });
  // Several looks, all of them without a lease.
  await until(async () => (await worker.health()).ready === false, { timeoutMs: 15_000 });
  expect(smtp.deliveries).toEqual([]);
  const status = (...options: string[]) => runCli(['status', ...options], { DATABASE_URL: database.url });
  expect((await status('--table')).out).toMatch(/the database is read-only \(default_transaction_read_only\)/);
  expect(JSON.parse((await status('--json')).out)).toMatchObject({ readOnly: 'setting' });
  await database.pool.query(`ALTER DATABASE ${database.name} SET default_transaction_read_only = off`);
  await until(() => smtp.deliveries.length === 1, { timeoutMs: 15_000 });
  await until(() => logger.lines.some((line) => line.message === 'the database is back'));
  expect(JSON.parse((await status('--json')).out)).toMatchObject({ readOnly: null });
  await worker.stop();
  const errors = logger.lines.filter((line) => line.level === 'error');
  expect(errors.slice(2)).toEqual([]);
});
