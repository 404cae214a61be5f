/** A filter that refuses what one person writes, again and again, between the emails of others. */
import { expect, onTestFinished, test } from 'vitest';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, testWorker } from '../support/application.ts';
import { startSmtpServer, type Verdict } from '../support/smtp-server.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const herald = createHerald();
const spam = 'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE';
/** Bursts of filtered emails, each with ordinary ones behind it. */
const bursts = 4;
const filtered = 6;
const ordinary = 25;
const boundSeconds = 10;

const enqueue = (names: readonly string[], who: string) =>
  herald.enqueue(database.pool, greeting, {
    autocommit: true,
    to: names.map((id) => ({ id, email: `${id}@example.com` })),
    labels: { who },
  });

const waiting = async () =>
  (
    await database.pool.query(
      `SELECT FROM herald.message WHERE recipient_id LIKE 'ordinary%' AND status IN ('pending', 'sending')`,
    )
  ).rowCount ?? 0;

test('99 of 100 ordinary emails leave within ten seconds, and each filtered one fails on its own', async () => {
  const relay = await startSmtpServer({
    onMessage: ({ raw }): Verdict =>
      String(raw).includes('GTUBE') ? { code: 554, text: '5.7.1 Spam message rejected' } : undefined,
  });
  onTestFinished(() => relay.close());
  const from = { address: 'noreply@acme.example' };
  const worker = testWorker(database.url, {
    dispatchers: { smtp: smtp({ host: '127.0.0.1', port: relay.port, tls: 'none', from, maxConnections: 2 }) },
  });
  await worker.start();
  onTestFinished(() => worker.stop());
  for (let burst = 0; burst < bursts; burst += 1) {
    const names = (kind: string, count: number) => Array.from({ length: count }, (_, i) => `${kind}-${burst}-${i}`);
    await enqueue(names('filtered', filtered), spam);
    await enqueue(names('ordinary', ordinary), 'ada');
    await until(async () => (await waiting()) === 0, { timeoutMs: 60_000, intervalMs: 100 });
  }
  const { rows } = await database.pool.query<{ status: string; seconds: number }>(
    `SELECT status, extract(epoch FROM settled_at - created_at)::float8 AS seconds
     FROM herald.message WHERE recipient_id LIKE 'ordinary%' ORDER BY seconds`,
  );
  expect(rows.filter(({ status }) => status === 'sent')).toHaveLength(bursts * ordinary);
  expect(rows[Math.ceil(rows.length * 0.99) - 1]?.seconds).toBeLessThan(boundSeconds);
  await until(
    async () =>
      (await database.pool.query(`SELECT FROM herald.message WHERE status = 'failed' AND reason = 'content_refused'`))
        .rowCount ===
      bursts * filtered,
    { timeoutMs: 60_000, intervalMs: 200 },
  );
  expect(relay.count()).toBe(bursts * ordinary);
});
