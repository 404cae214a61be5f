/** What a worker says about itself, for operators. */
import { Client } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { methodsWithoutWorker, readWorkers } from '../../src/operate/workers.ts';
import { greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

test('a worker registers its methods and its version while it runs', async () => {
  expect(await methodsWithoutWorker(database.pool)).toEqual(['inbox', 'smtp', 'webhook']);
  const worker = testWorker(database.url, { name: 'w1', dispatchers: { smtp: scriptedDispatcher() } });
  await worker.start();
  onTestFinished(() => worker.stop());
  expect(await readWorkers(database.pool)).toMatchObject([
    {
      name: 'w1',
      methods: ['smtp', 'inbox'],
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      alive: true,
      errors: [],
    },
  ]);
  expect(await methodsWithoutWorker(database.pool)).toEqual(['webhook']);
  await database.pool.query(`UPDATE herald.worker SET seen_at = now() - interval '2 minutes'`);
  expect(await readWorkers(database.pool)).toMatchObject([{ name: 'w1', alive: false }]);
  expect(await methodsWithoutWorker(database.pool)).toEqual(['inbox', 'smtp', 'webhook']);
  await worker.stop();
  expect(await readWorkers(database.pool)).toEqual([]);
});

test('and says what goes wrong, by kind, and whether notifications reach it', async () => {
  const worker = testWorker(database.url, { name: 'w2', dispatchers: { smtp: scriptedDispatcher() } });
  await worker.start();
  onTestFinished(() => worker.stop());
  const locking = new Client({ connectionString: database.url });
  await locking.connect();
  onTestFinished(() => locking.end());
  await locking.query('BEGIN');
  await locking.query('LOCK TABLE herald.method IN ACCESS EXCLUSIVE MODE');
  await until(
    async () => {
      const [state] = await readWorkers(database.pool);
      expect(state).toMatchObject({ notified: true });
      expect(state?.errors).toContainEqual({
        what: 'cannot poll for due messages',
        code: '55P03',
        at: expect.any(String),
        count: expect.any(Number),
      });
      return true;
    },
    { timeoutMs: 40_000 },
  );
  await locking.query('ROLLBACK');
}, 60_000);
