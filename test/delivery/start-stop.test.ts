/** The order of start and stop. */
import { expect, test } from 'vitest';
import { greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

const connections = async () => {
  const { rows } = await database.pool.query(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pg-herald%'`,
  );
  return rows.length;
};

test('a worker that was stopped refuses to start, because nothing could stop it any more', async () => {
  const worker = testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() } });
  await worker.stop();
  await expect(worker.start()).rejects.toThrow(/was stopped/);
  expect(await worker.health()).toMatchObject({ ready: false });
  expect(await connections()).toBe(0);
});

test('a worker that is stopped while it starts ends with every connection closed', async () => {
  const worker = testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() } });
  const starting = worker.start();
  await worker.stop();
  await starting;
  await until(async () => (await connections()) === 0);
  await expect(worker.start()).rejects.toThrow(/was stopped/);
});
