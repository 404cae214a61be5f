/** A file on its way from the caller's transaction to the email, and its deletion. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { purge } from '../../src/operate/purge.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { startSmtpServer, type TestSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
let relay: TestSmtpServer;
beforeAll(async () => {
  relay = await startSmtpServer();
});
afterAll(async () => {
  await relay.close();
});

const content = Buffer.from([0, 255, 13, 10, 46, 13, 10, 128, ...Buffer.from('%PDF')]);

test('a file reaches every recipient by email, by no other method, and is deleted with its last message', async () => {
  const herald = createHerald();
  const { pool } = database;
  const webhook = scriptedDispatcher();
  await herald.enqueue(pool, greeting, {
    autocommit: true,
    to: [
      { id: 'a', email: 'a@example.com' },
      { id: 'b', email: 'b@example.com' },
    ],
    labels: { who: 'you' },
    methods: ['smtp', 'webhook'],
    attachments: [{ name: 'plan.pdf', contentType: 'application/pdf', content }],
  });
  const from = { address: 'noreply@acme.example' };
  const worker = testWorker(database.url, {
    dispatchers: { smtp: smtp({ host: '127.0.0.1', port: relay.port, tls: 'none', from }), webhook },
  });
  await worker.start();
  try {
    await relay.waitFor(2);
    await until(async () => (await pool.query(`SELECT FROM herald.message WHERE status = 'sent'`)).rowCount === 4);
  } finally {
    await worker.stop();
  }
  for (const mail of relay.received())
    expect((await mail.parsed()).attachments).toMatchObject([{ filename: 'plan.pdf', content }]);
  expect(webhook.deliveries.map(({ attachments }) => attachments)).toEqual([[], []]);
  const files = async () => (await pool.query('SELECT FROM herald.attachment')).rowCount;
  await pool.query(
    `UPDATE herald.message SET created_at = created_at - interval '2 days', settled_at = settled_at - interval '2 days' WHERE recipient_id = 'a'`,
  );
  const before = new Date(Date.now() - 86_400_000);
  expect(await purge(pool, { before })).toBe(2);
  expect(await files()).toBe(1);
  await pool.query(
    `UPDATE herald.message SET created_at = created_at - interval '2 days', settled_at = settled_at - interval '2 days'`,
  );
  expect(await purge(pool, { before })).toBe(2);
  expect(await files()).toBe(0);
});
