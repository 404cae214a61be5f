/** Refusals that are about the sender: three alike in a row pause it, and what they hit is put back. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { smtp, type SmtpSender } from '../../../src/dispatch/smtp/smtp.ts';
import { greetingFile, keepingLogger, putTemplates, testWorker } from '../../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { conversation, startSmtpScript } from '../../support/smtp-script.ts';
import { startSmtpServer, type Verdict } from '../../support/smtp-server.ts';
import { until } from '../../support/wait.ts';

const closing: (() => Promise<unknown> | undefined)[] = [];
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
  closing.push(() => database.close());
  await putTemplates(database.pool, {
    greeting: greetingFile,
    code: greetingFile.replace('group:', 'secrets: [who]\ngroup:'),
  });
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const plain = { host: '127.0.0.1', tls: 'none', from: { address: 'noreply@acme.example' }, maxConnections: 1 } as const;

async function work(options: Parameters<typeof smtp>[0]) {
  const logger = keepingLogger();
  const worker = testWorker(database.url, { dispatchers: { smtp: smtp(options) }, logger });
  closing.push(() => worker.stop());
  await worker.start();
  return logger;
}

async function enqueue(template: string, count: number): Promise<void> {
  await database.pool.query(
    `SELECT FROM herald.enqueue($1, (SELECT jsonb_agg(jsonb_build_object('id', i, 'email', 'u' || i || '@example.com'))
       FROM generate_series(1, $2) i), '{"who": "x"}')`,
    [template, count],
  );
}

const counts = async () =>
  (
    await database.pool.query<{ status: string; counted: number; n: number }>(
      `SELECT status, sum(counted)::int AS counted, count(*)::int AS n FROM herald.message GROUP BY status ORDER BY status`,
    )
  ).rows;
const pause = async () =>
  (
    await database.pool.query(
      `SELECT pause_kind AS kind, pause_reason AS reason, pause_detail AS detail FROM herald.method WHERE name = 'smtp'`,
    )
  ).rows[0];

test('a sender that is refused to three messages stops the method; all of them go out once it is mended', async () => {
  let refused = true;
  const relay = await startSmtpServer({
    onMessage: (): Verdict =>
      refused ? { code: 550, text: '5.7.26 <x@y.example> is not authenticated, see queue 4F1' } : undefined,
  });
  closing.push(() => relay.close());
  const logger = await work({ ...plain, port: relay.port, maxConnections: 5 });
  await enqueue('greeting', 8);
  await until(async () => (await pause()).kind === 'fault');
  expect(await pause()).toMatchObject({
    reason: 'content_refused',
    detail: expect.stringMatching(
      /^3 messages in a row were refused alike, so it is about the sender: DATA: 550 5\.7\.26 <address>/,
    ),
  });
  // Also those whose refusal was recorded a moment later than the fault.
  await until(async () => expect(await counts()).toEqual([{ status: 'pending', counted: 0, n: 8 }]) ?? true);
  const { rows } = await database.pool.query(`SELECT DISTINCT counted FROM herald.attempt`);
  expect(rows).toEqual([{ counted: false }]);
  const alerts = logger.lines.filter(({ message }) => message.startsWith('refused by policy'));
  expect(alerts[0]).toMatchObject({
    level: 'warn',
    fields: { sender: 'default', replyCode: '550', enhanced: '5.7.26' },
  });
  expect(JSON.stringify(logger.lines)).not.toMatch(/y\.example|@example/);
  refused = false;
  // The first probe and those that found out are due a minute later; the operator would simply wait.
  await until(
    async () => {
      await database.pool.query(
        `UPDATE herald.method SET probe_at = now() WHERE pause_kind = 'fault' AND probe_at > now() + interval '20 seconds'`,
      );
      await database.pool.query(`UPDATE herald.message SET next_attempt_at = now() WHERE status = 'pending'`);
      await database.pool.query(`UPDATE herald_queue.job SET start_after = now() WHERE state < 'active'`);
      return relay.count() === 8;
    },
    { timeoutMs: 20_000, intervalMs: 300 },
  );
  await until(async () => expect(await counts()).toEqual([{ status: 'sent', counted: 8, n: 8 }]) ?? true);
  expect((await database.pool.query('SELECT FROM herald.refusal')).rowCount).toBe(0);
}, 40_000);

test('of several senders only the refused one is paused, and the others carry its messages', async () => {
  const strict = await startSmtpScript(() => [
    ...conversation().slice(0, 2),
    ...Array.from({ length: 40 }, () => ({ expect: /^MAIL /, reply: '550 5.7.1 sender not allowed' })),
  ]);
  const relay = await startSmtpServer();
  closing.push(
    () => strict.close(),
    () => relay.close(),
  );
  const senders: SmtpSender[] = [
    { ...plain, name: 'strict', port: strict.port },
    { ...plain, name: 'other', port: relay.port },
  ];
  await work({ senders });
  await enqueue('greeting', 6);
  await relay.waitFor(6, { timeoutMs: 15_000 });
  await until(async () => expect(await counts()).toEqual([{ status: 'sent', counted: 6, n: 6 }]) ?? true);
  expect((await pause()).kind).toBeNull();
});

test('refusals with successes in between are about the messages, and different ones do not add up', async () => {
  let n = 0;
  const relay = await startSmtpServer({
    onMessage: (): Verdict => {
      n += 1;
      if (n > 9) return { code: 550, text: `5.7.${n % 2 ? 1 : 26} no` };
      return n % 2 ? { code: 550, text: '5.7.1 attachment not allowed' } : undefined;
    },
  });
  closing.push(() => relay.close());
  await work({ ...plain, port: relay.port });
  await enqueue('greeting', 12);
  await until(
    async () =>
      expect((await counts()).map(({ status, n: of }) => [status, of])).toEqual([
        ['failed', 8],
        ['sent', 4],
      ]) ?? true,
  );
  expect((await pause()).kind).toBeNull();
});

test('a message whose secret labels were wiped is not put back', async () => {
  const relay = await startSmtpServer({ onMessage: (): Verdict => ({ code: 550, text: '5.7.1 no' }) });
  closing.push(() => relay.close());
  await work({ ...plain, port: relay.port });
  await enqueue('code', 3);
  await until(async () => (await pause()).kind === 'fault');
  await until(
    async () =>
      expect((await counts()).map(({ status, n }) => [status, n])).toEqual([
        ['failed', 2],
        ['pending', 1],
      ]) ?? true,
  );
});
