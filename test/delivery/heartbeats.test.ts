/** Signs of life of what is under way. */
import { expect, onTestFinished, test } from 'vitest';
import type { DispatchResult } from '../../src/dispatch/dispatcher.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

test('a lock on the job of one method does not hold up the heartbeats of another', async () => {
  const to = { id: 'ada', email: 'ada@example.com' };
  await createHerald().enqueue(database.pool, greeting, {
    autocommit: true,
    to,
    labels: { who: 'Ada' },
    methods: ['smtp', 'webhook'],
  });
  const gate = Promise.withResolvers<DispatchResult>();
  const smtp = scriptedDispatcher(() => gate.promise);
  const webhook = scriptedDispatcher(() => gate.promise);
  const worker = testWorker(database.url, { dispatchers: { smtp, webhook } });
  onTestFinished(() => worker.stop());
  await worker.start();
  await until(() => smtp.deliveries.length + webhook.deliveries.length === 2);
  const locking = await database.pool.connect();
  onTestFinished(() => locking.release(true));
  await locking.query(`BEGIN; SELECT FROM herald_queue.job WHERE name = 'smtp' FOR UPDATE`);
  const { rows } = await database.pool.query<{ at: Date }>('SELECT clock_timestamp() AS at');
  await until(async () => {
    const beaten = await database.pool.query(
      `SELECT FROM herald_queue.job WHERE name = 'webhook' AND heartbeat_on > $1::timestamptz + interval '2.5 seconds'`,
      [rows[0]?.at],
    );
    return beaten.rowCount;
  });
  await locking.query('ROLLBACK');
  gate.resolve({ outcome: 'sent' });
  await until(async () => {
    const sent = await database.pool.query(`SELECT FROM herald.message WHERE status = 'sent' AND attempts = 1`);
    expect(sent.rowCount).toBe(2);
    return true;
  });
});
