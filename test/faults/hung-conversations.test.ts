/** Relays that fall silent within a conversation: as many as there are connections do not hold up the others. */
import { expect, onTestFinished, test } from 'vitest';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, testWorker } from '../support/application.ts';
import { startSmtpServer, type Verdict } from '../support/smtp-server.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const herald = createHerald();

test('two hung emails on two connections hold up the others for half a minute at most', async () => {
  const relay = await startSmtpServer({
    onMessage: ({ raw }): Verdict | Promise<Verdict> =>
      String(raw).includes('hangs') ? new Promise<Verdict>(() => undefined) : undefined,
  });
  onTestFinished(() => relay.close());
  const from = { address: 'noreply@acme.example' };
  const worker = testWorker(database.url, {
    dispatchers: { smtp: smtp({ host: '127.0.0.1', port: relay.port, tls: 'none', from, maxConnections: 2 }) },
    stopTimeoutSeconds: 2,
  });
  await worker.start();
  onTestFinished(() => worker.stop());
  const enqueue = (who: string, count: number) =>
    herald.enqueue(database.pool, greeting, {
      autocommit: true,
      to: Array.from({ length: count }, (_, i) => ({ id: `${who}${i}`, email: `${who}${i}@example.com` })),
      labels: { who },
    });
  await enqueue('hangs', 2);
  await until(
    async () => (await database.pool.query(`SELECT FROM herald.message WHERE status = 'sending'`)).rowCount === 2,
  );
  const startedAt = performance.now();
  await enqueue('ada', 20);
  await relay.waitFor(20, { timeoutMs: 60_000 });
  expect(performance.now() - startedAt).toBeLessThan(30_000);
  // They are still waited for, as long as the settings say: the relay may have accepted them.
  expect((await database.pool.query(`SELECT FROM herald.message WHERE status = 'sending'`)).rowCount).toBe(2);
  expect(relay.connections().most).toBeLessThanOrEqual(4);
});
