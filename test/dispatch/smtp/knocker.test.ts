/** A relay that could not be reached and is back: the first email leaves within seconds, however long it was away. */
import { expect, onTestFinished, test } from 'vitest';
import { smtp } from '../../../src/dispatch/smtp/smtp.ts';
import { createHerald } from '../../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, testWorker } from '../../support/application.ts';
import { startSmtpScript } from '../../support/smtp-script.ts';
import { startSmtpServer } from '../../support/smtp-server.ts';
import { useDatabase } from '../../support/use-database.ts';
import { until } from '../../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

async function work(port: number): Promise<void> {
  const from = { address: 'noreply@acme.example' };
  const worker = testWorker(database.url, {
    dispatchers: { smtp: smtp({ host: '127.0.0.1', port, tls: 'none', from }) },
  });
  await worker.start();
  onTestFinished(async () => {
    await worker.stop();
    await database.pool.query(
      `TRUNCATE herald.message; DELETE FROM herald_queue.job;
       UPDATE herald.method SET paused_at = NULL, pause_kind = NULL, probe_at = NULL, probe_failures = 0`,
    );
  });
  await createHerald().enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id: 'u', email: 'u@example.com' },
    labels: { who: 'x' },
  });
  await until(async () => (await pause()).kind === 'fault');
}

const pause = async () =>
  (await database.pool.query(`SELECT pause_kind AS kind FROM herald.method WHERE name = 'smtp'`)).rows[0];
/** As after an outage of hours. */
const wait = () =>
  database.pool.query(
    `UPDATE herald.message SET next_attempt_at = now() + interval '10 minutes' WHERE status = 'pending';
     UPDATE herald_queue.job SET start_after = now() + interval '10 minutes' WHERE state < 'active';
     UPDATE herald.method SET probe_at = now() + interval '10 minutes', probe_failures = 9 WHERE pause_kind = 'fault'`,
  );

test('the first email leaves within ten seconds after the relay is back', { timeout: 40_000 }, async () => {
  const before = await startSmtpServer();
  await before.close();
  await work(before.port);
  await until(
    async () =>
      (await database.pool.query(`SELECT FROM herald.message WHERE status = 'pending' AND attempts = 1`)).rowCount ===
      1,
  );
  await wait();
  const back = await startSmtpServer({ port: before.port });
  onTestFinished(() => back.close());
  const startedAt = performance.now();
  await back.waitFor(1, { timeoutMs: 20_000 });
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  await until(async () => (await pause()).kind === null);
});

test('a relay that can be reached and refuses us is not tried more often than its probes', {
  timeout: 40_000,
}, async () => {
  const relay = await startSmtpScript(() => [{ reply: '554 no service', then: 'end' }]);
  onTestFinished(() => relay.close());
  await work(relay.port);
  await wait();
  const startedAt = performance.now();
  const connections = relay.connections().total;
  await until(() => performance.now() - startedAt > 9000, { timeoutMs: 12_000, intervalMs: 500 });
  // One more knock may still have been on its way.
  expect(relay.connections().total - connections).toBeLessThanOrEqual(1);
});
