/** A worker that is alone, and whose connections to the database went silent: no other does its upkeep. */
import { expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { skipUnknownWaits } from '../support/unknown-waits.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';
import { startProxy } from './proxy.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

test('a lone worker whose connections all went half-open takes over what a dead one held', {
  timeout: 180_000,
}, async () => {
  const { pool } = database;
  const url = new URL(database.url);
  const proxy = await startProxy(Number(url.port));
  url.port = String(proxy.port);
  const smtp = scriptedDispatcher();
  const worker = testWorker(url.href, { dispatchers: { smtp } });
  await worker.start();
  const enqueue = (id: string) =>
    createHerald().enqueue(pool, greeting, {
      autocommit: true,
      to: { id, email: `${id}@example.com` },
      labels: { who: id },
    });
  await enqueue('first');
  await until(() => smtp.deliveries.length === 1);
  // The connections of the queue's own upkeep are open, too.
  const sessions = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pg-herald%'`;
  await until(async () => ((await pool.query(sessions)).rowCount ?? 0) >= 4);

  expect(proxy.halfOpen(1, Math.random, 1000)).toBeGreaterThanOrEqual(4);
  await pool.query('UPDATE herald.method SET paused_at = now()');
  await enqueue('second');
  await pool.query(
    `UPDATE herald_queue.job SET state = 'active', started_on = now(), heartbeat_on = now() - interval '1 minute' WHERE name = 'smtp'`,
  );
  await pool.query(
    `UPDATE herald.message SET status = 'sending', attempts = 1, leased_by = 'dead', attempt_started_at = now() WHERE recipient_id = 'second'`,
  );
  await pool.query('UPDATE herald.method SET paused_at = NULL');
  await until(
    async () => {
      await skipUnknownWaits(pool);
      return smtp.deliveries.length === 2;
    },
    { timeoutMs: 100_000, what: 'the message of the dead worker' },
  );
  await worker.stop();
  await proxy.close();
});
