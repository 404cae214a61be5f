/** A real Postfix that refuses us at RCPT, in six ways: nothing is lost, and everything arrives once it is fixed. */
import { createConnection, createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { greetingFile, putTemplates, testWorker } from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type Postfix, postfixMissing, startPostfix } from '../support/postfix.ts';
import { until } from '../support/wait.ts';

const missing = postfixMissing();

/** One address for the relay before and after it is fixed. */
async function startSwitch(port: number) {
  let target = port;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = createConnection(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    to(next: number) {
      target = next;
      drop();
    },
    close: async () => {
      drop();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const ways: readonly (readonly [what: string, settings: Readonly<Record<string, string>>])[] = [
  [
    '554 Relay access denied',
    { smtpd_recipient_restrictions: 'reject_unauth_destination', virtual_mailbox_domains: 'x.example' },
  ],
  [
    '504 Helo command rejected',
    { smtpd_helo_required: 'yes', smtpd_helo_restrictions: 'reject_non_fqdn_helo_hostname' },
  ],
  ['554 Client host rejected', { smtpd_client_restrictions: 'check_client_access static:REJECT' }],
  ['554 Sender address rejected', { smtpd_sender_restrictions: 'check_sender_access static:REJECT' }],
  ['550 Bad sender domain', { smtpd_sender_restrictions: 'check_sender_access static:{550 5.1.8 bad sender domain}' }],
  [
    '454 Relay access denied, the default',
    {
      smtpd_recipient_restrictions: '',
      smtpd_relay_restrictions: 'defer_unauth_destination',
      virtual_mailbox_domains: 'x.example',
    },
  ],
];

describe.skipIf(missing !== null)(`Postfix${missing === null ? '' : ` (skipped: ${missing})`}`, () => {
  let fixed: Postfix;
  beforeAll(async () => {
    fixed = await startPostfix();
  });
  afterAll(() => fixed.stop());

  const closing: (() => unknown)[] = [];
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createTestDatabase();
    closing.push(() => database.close());
    const secret = greetingFile.replace('group:', 'secrets: [who]\ngroup:');
    await putTemplates(database.pool, { greeting: greetingFile, code: secret });
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  test.each(ways)(
    'that says %s to RCPT loses none of ten emails',
    async (_, settings) => {
      const broken = await startPostfix({ settings });
      closing.push(() => broken.stop());
      const relay = await startSwitch(broken.port);
      closing.push(() => relay.close());
      const dispatcher = smtp({
        host: '127.0.0.1',
        port: relay.port,
        tls: 'none',
        ehloName: 'vm',
        from: { address: 'noreply@acme.example' },
      });
      const worker = testWorker(database.url, { dispatchers: { smtp: dispatcher } });
      closing.push(() => worker.stop());
      await worker.start();
      const before = fixed.mails().length;
      for (const template of ['greeting', 'code'])
        await database.pool.query(
          `SELECT herald.enqueue(jsonb_build_object('template', $1::text, 'labels', '{"who": "whoever-it-is"}'::jsonb, 'allowPlainSecrets', true,
           'to', (SELECT jsonb_agg(jsonb_build_object('id', i, 'email', $1 || i || '@example.com')) FROM generate_series(1, 5) i)))`,
          [template],
        );
      await until(
        async () => (await database.pool.query(`SELECT FROM herald.attempt WHERE outcome <> 'sent'`)).rowCount !== 0,
        { timeoutMs: 20_000 },
      );
      await until(
        async () => {
          const { rows } = await database.pool.query(`SELECT DISTINCT status FROM herald.message`);
          return rows.length === 1 && rows[0].status === 'pending';
        },
        { timeoutMs: 30_000 },
      );
      relay.to(fixed.port);
      await until(
        async () => {
          // Instead of waiting for the probe and for the schedule.
          await database.pool.query(`UPDATE herald.method SET probe_at = now() WHERE pause_kind = 'fault'`);
          await database.pool.query(`UPDATE herald.message SET next_attempt_at = now() WHERE status = 'pending'`);
          await database.pool.query(`UPDATE herald_queue.job SET start_after = now() WHERE state < 'active'`);
          return (await database.pool.query(`SELECT FROM herald.message WHERE status = 'sent'`)).rowCount === 10;
        },
        { timeoutMs: 60_000, intervalMs: 1000 },
      );
      await until(() => fixed.mails().length === before + 10, { timeoutMs: 20_000 });
      for (const mail of fixed.mails().slice(before)) expect(mail).toContain('whoever-it-is');
    },
    150_000,
  );
});
