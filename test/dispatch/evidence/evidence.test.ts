/** Who is at fault for refusals, through a real worker: evidence decides, what strangers wrote does not. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { pauseForFault } from '../../../src/dispatch/fault-pause.ts';
import { smtp, type SmtpSender } from '../../../src/dispatch/smtp/smtp.ts';
import { resumeMethod } from '../../../src/operate/pause.ts';
import { greetingFile, keepingLogger, putTemplates, testWorker } from '../../support/application.ts';
import { conversation, startSmtpScript } from '../../support/smtp-script.ts';
import { startSmtpServer, type Verdict } from '../../support/smtp-server.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/wait.ts';

let database: TestDatabase;
const closing: (() => Promise<unknown> | undefined)[] = [];
beforeEach(async () => {
  database = await createTestDatabase();
  closing.push(() => database.close());
  await putTemplates(database.pool, {
    greeting: greetingFile,
    other: greetingFile,
    third: greetingFile,
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
  return { logger, worker };
}

async function relayWith(options: Parameters<typeof startSmtpServer>[0]) {
  const relay = await startSmtpServer(options);
  closing.push(() => relay.close());
  return relay;
}

async function enqueue(template: string, emails: readonly string[], who = 'x'): Promise<void> {
  await database.pool.query(
    `SELECT herald.enqueue(jsonb_build_object('template', $1::text, 'labels', jsonb_build_object('who', $3::text), 'allowPlainSecrets', true,
       'to', (SELECT jsonb_agg(jsonb_build_object('id', e, 'email', e)) FROM unnest($2::text[]) e)))`,
    [template, emails, who],
  );
}

const people = (count: number, name = 'u') => Array.from({ length: count }, (_, i) => `${name}${i}@example.com`);

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
const statuses = async () => (await counts()).map(({ status, n }) => [status, n]);
const becomes = (expected: unknown, what: () => Promise<unknown>, timeoutMs = 20_000) =>
  until(async () => expect(await what()).toEqual(expected) ?? true, { timeoutMs, intervalMs: 200 });

/** What an operator does after the relay is fixed. */
const probeNow = () => database.pool.query(`UPDATE herald.method SET probe_at = now() WHERE pause_kind = 'fault'`);
const dueNow = async () => {
  await database.pool.query(`UPDATE herald.message SET next_attempt_at = now() WHERE status = 'pending'`);
  await database.pool.query(`UPDATE herald_queue.job SET start_after = now() WHERE state < 'active'`);
};

test('three messages to different recipients refused alike pause the sender, and all arrive once it is fixed', async () => {
  let refused = true;
  const relay = await relayWith({
    onMessage: (): Verdict =>
      refused ? { code: 550, text: '5.7.26 <x@y.example> is not authenticated, see queue 4F1' } : undefined,
  });
  const { logger } = await work({ ...plain, port: relay.port, maxConnections: 5 });
  await enqueue('greeting', people(8));
  await until(async () => (await pause()).kind === 'fault');
  expect(await pause()).toMatchObject({
    reason: 'content_refused',
    detail: expect.stringMatching(
      // The third message or a later one, whichever is recorded first.
      /^(3 messages in a row were refused alike|refused like .* since), so the sender is at fault: DATA: 550 5\.7\.26 <a/,
    ),
  });
  // Also those whose refusal was recorded a moment later than the fault.
  await becomes([{ status: 'pending', counted: 0, n: 8 }], counts);
  const { rows } = await database.pool.query(`SELECT DISTINCT counted FROM herald.attempt`);
  expect(rows).toEqual([{ counted: false }]);
  const alerts = logger.lines.filter(({ message }) => message.startsWith('refused by policy'));
  expect(alerts[0]).toMatchObject({
    level: 'warn',
    fields: { sender: 'default', replyCode: '550', enhanced: '5.7.26' },
  });
  expect(JSON.stringify(logger.lines)).not.toMatch(/y\.example|@example/);
  refused = false;
  await dueNow();
  await probeNow();
  // The first accepted message releases the others.
  await becomes([{ status: 'sent', counted: 8, n: 8 }], counts);
  expect(relay.count()).toBe(8);
}, 40_000);

test('an operator who resumes the method makes the messages due at once that were put back', async () => {
  let refused = true;
  const relay = await relayWith({
    onRecipient: (): Verdict => (refused ? { code: 554, text: '5.7.1 Relay access denied' } : undefined),
  });
  await work({ ...plain, port: relay.port });
  await enqueue('greeting', people(3));
  await until(async () => (await pause()).kind === 'fault');
  await becomes([{ status: 'pending', counted: 0, n: 3 }], counts);
  refused = false;
  expect(await resumeMethod(database.pool, { method: 'smtp' })).toEqual(['smtp']);
  // None of them waits for the first success: that would release them, too, but seconds later.
  const { rows } = await database.pool.query(
    `SELECT FROM herald.message WHERE status = 'pending' AND next_attempt_at > now()`,
  );
  expect(rows).toEqual([]);
  await becomes([{ status: 'sent', counted: 3, n: 3 }], counts);
}, 40_000);

test('refusals after the end that have no enhanced code are evidence as well', async () => {
  const relay = await relayWith({
    onMessage: (): Verdict => ({ code: 554, text: 'Message rejected due to spam content' }),
  });
  await work({ ...plain, port: relay.port });
  await enqueue('greeting', people(6));
  await until(async () => (await pause()).kind === 'fault');
  expect((await pause()).detail).toContain('so the sender is at fault: DATA: 554 Message rejected due to spam content');
  await becomes([{ status: 'pending', counted: 0, n: 6 }], counts);
}, 30_000);

test('messages with secret labels that were refused for the sender arrive with their secrets', async () => {
  let refused = true;
  const relay = await relayWith({
    onRecipient: (): Verdict => (refused ? { code: 554, text: '5.7.1 Relay access denied' } : undefined),
  });
  await work({ ...plain, port: relay.port });
  await enqueue('code', people(3), 'hunter2-secret');
  await until(async () => (await pause()).kind === 'fault');
  await becomes([{ status: 'pending', counted: 0, n: 3 }], counts);
  const kept = await database.pool.query('SELECT FROM herald.refusal WHERE secrets IS NOT NULL');
  refused = false;
  await dueNow();
  await probeNow();
  await becomes([['sent', 3]], statuses);
  for (const { raw } of relay.received()) expect(String(raw)).toContain('hunter2-secret');
  expect(kept.rowCount).toBeLessThanOrEqual(1);
  await becomes(
    0,
    async () => (await database.pool.query('SELECT FROM herald.refusal WHERE secrets IS NOT NULL')).rowCount,
  );
}, 40_000);

test('of several senders only the refused one is paused, and the others carry its messages', async () => {
  const strict = await startSmtpScript(() => [
    ...conversation().slice(0, 2),
    ...Array.from({ length: 40 }, () => ({ expect: /^MAIL /, reply: '550 5.7.1 sender not allowed' })),
  ]);
  closing.push(() => strict.close());
  const relay = await relayWith({});
  const senders: SmtpSender[] = [
    { ...plain, name: 'strict', port: strict.port },
    { ...plain, name: 'other', port: relay.port },
  ];
  await work({ senders });
  await enqueue('greeting', people(6));
  await relay.waitFor(6, { timeoutMs: 15_000 });
  await becomes([{ status: 'sent', counted: 6, n: 6 }], counts);
  expect((await pause()).kind).toBeNull();
});

test('refusals with successes in between are about the messages, and different ones do not add up', async () => {
  let n = 0;
  const relay = await relayWith({
    onMessage: (): Verdict => {
      n += 1;
      if (n > 9) return { code: 550, text: `5.7.${n % 2 ? 1 : 26} no` };
      return n % 2 ? { code: 550, text: '5.7.1 attachment not allowed' } : undefined;
    },
  });
  await work({ ...plain, port: relay.port });
  await enqueue('greeting', people(12));
  await becomes(
    [
      ['failed', 8],
      ['sent', 4],
    ],
    statuses,
  );
  expect((await pause()).kind).toBeNull();
});

test('three messages to one recipient are not evidence', async () => {
  const relay = await relayWith({ onRecipient: (): Verdict => ({ code: 550, text: '5.2.1 mailbox disabled' }) });
  await work({ ...plain, port: relay.port });
  for (const template of ['greeting', 'other', 'third', 'greeting', 'other'])
    await enqueue(template, ['gone@example.com']);
  await becomes([['failed', 5]], statuses);
  expect((await pause()).kind).toBeNull();
});

test('three messages with a filtered label hold up healthy ones for seconds, and then fail on their own', async () => {
  const spam = 'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE';
  const relay = await relayWith({
    onMessage: ({ raw }): Verdict =>
      String(raw).includes('GTUBE') ? { code: 554, text: '5.7.1 Spam message rejected' } : undefined,
  });
  await work({ ...plain, port: relay.port });
  for (const [i, template] of ['greeting', 'other', 'third'].entries())
    await enqueue(template, [`spammer${i}@evil${i}.example`], spam);
  await until(async () => (await pause()).kind === 'fault');
  const began = performance.now();
  await enqueue('greeting', people(15));
  await relay.waitFor(15, { timeoutMs: 15_000 });
  expect(performance.now() - began).toBeLessThan(10_000);
  // Released by the first success, and refused again: their own fault, and no pause.
  await becomes(
    [
      ['failed', 3],
      ['sent', 15],
    ],
    statuses,
  );
  expect((await pause()).kind).toBeNull();
}, 60_000);

test('however long such messages were alone in a quiet night, the next one waits half a minute at most', async () => {
  const relay = await relayWith({ onMessage: (): Verdict => ({ code: 554, text: '5.7.1 Spam message rejected' }) });
  await work({ ...plain, port: relay.port });
  await enqueue('greeting', people(3));
  await until(async () => (await pause()).kind === 'fault');
  const probes = `SELECT probe_failures AS failures, probe_at - now() <= interval '30 seconds' AS soon FROM herald.method WHERE name = 'smtp'`;
  await database.pool.query(`UPDATE herald.method SET probe_failures = 9, probe_at = now() WHERE name = 'smtp'`);
  await dueNow();
  await until(async () => (await database.pool.query(probes)).rows[0].failures === 10);
  await until(async () => (await counts()).every(({ status }) => status === 'pending'));
  expect((await database.pool.query(probes)).rows).toEqual([{ failures: 10, soon: true }]);
}, 40_000);

test.each([
  ['content_refused', 30],
  ['authentication', 600],
] as const)('a method paused for %s is probed every %s s at last', async (reason, seconds) => {
  const { pool } = database;
  await pool.query(`UPDATE herald.method SET probe_failures = 20 WHERE name = 'smtp'`);
  const stored = await pauseForFault(pool, { method: 'smtp' }, { reason, detail: '', atLeastSeconds: 0 });
  expect(Math.round(stored?.probeSeconds ?? 0)).toBe(seconds);
});

test('a message that always gets a 421 is counted from its second refusal on, and others pass', async () => {
  const relay = await relayWith({
    onMessage: ({ raw }): Verdict =>
      String(raw).includes('poison') ? { code: 421, text: '4.3.0 Temporary System Problem' } : undefined,
  });
  await work({ ...plain, port: relay.port });
  await enqueue('greeting', ['p@example.com'], 'poison');
  await until(
    async () => (await database.pool.query(`SELECT FROM herald.attempt WHERE outcome = 'retry'`)).rowCount === 1,
  );
  await enqueue('greeting', people(5));
  await relay.waitFor(5);
  expect((await pause()).kind).toBeNull();
  await becomes(
    true,
    async () => (await database.pool.query(`SELECT FROM herald.sender WHERE succeeded_at IS NOT NULL`)).rowCount === 1,
  );
  await dueNow();
  await until(
    async () => (await database.pool.query(`SELECT FROM herald.attempt WHERE outcome = 'retry'`)).rowCount === 2,
  );
  const { rows } = await database.pool.query(
    `SELECT counted FROM herald.attempt WHERE outcome = 'retry' ORDER BY number`,
  );
  expect(rows).toEqual([{ counted: false }, { counted: true }]);
});

test.each(['SendAsDenied', 'too.many.connections', '550.5.7.57', 'concurrent', '5.7.139'])(
  'an address that begins with %s steers nothing',
  async (local) => {
    const email = `${local}@concurrent.invalid`;
    const relay = await relayWith({
      onRecipient: (address): Verdict =>
        address === email
          ? { code: 550, text: `5.1.1 <${email}>: ${email} too many connections SendAsDenied User unknown` }
          : undefined,
    });
    await work({ ...plain, port: relay.port });
    await enqueue('greeting', [email]);
    await becomes([['failed', 1]], statuses);
    await enqueue('greeting', people(3));
    await relay.waitFor(3);
    expect((await pause()).kind).toBeNull();
    const { rows } = await database.pool.query(
      'SELECT max_connections FROM herald.sender WHERE max_connections IS NOT NULL',
    );
    expect(rows).toEqual([]);
  },
);

test('refusals survive a restart: the third one is judged by the two before it', async () => {
  const relay = await relayWith({ onRecipient: (): Verdict => ({ code: 550, text: 'relay not permitted' }) });
  const first = await work({ ...plain, port: relay.port });
  await enqueue('greeting', people(2));
  await becomes([['failed', 2]], statuses);
  await first.worker.stop();
  await work({ ...plain, port: relay.port });
  await enqueue('greeting', people(1, 'later'));
  await becomes([['pending', 3]], statuses);
  await until(async () => (await pause()).kind === 'fault');
  expect((await pause()).detail).toContain('relay not permitted');
}, 30_000);

test('while the evidence cannot be read nothing fails and nothing pauses: a refused message is put back', async () => {
  const relay = await relayWith({ onRecipient: (): Verdict => ({ code: 550, text: '5.1.1 no such user' }) });
  const { logger } = await work({ ...plain, port: relay.port });
  await database.pool.query('ALTER TABLE herald.refusal RENAME TO refusal_away');
  await enqueue('greeting', people(3));
  await becomes([{ status: 'pending', counted: 0, n: 3 }], counts);
  await until(async () => (await database.pool.query('SELECT FROM herald.attempt')).rowCount === 3);
  const { rows } = await database.pool.query('SELECT DISTINCT reason, counted, detail FROM herald.attempt');
  expect(rows).toEqual([
    {
      reason: 'refused',
      counted: false,
      detail: expect.stringContaining('the evidence against the sender could not be read'),
    },
  ]);
  expect((await pause()).kind).toBeNull();
  expect((await database.pool.query('SELECT FROM herald.suppression')).rowCount).toBe(0);
  expect(logger.lines.map(({ message }) => message)).toContain('cannot record or read the refusals of a sender');
  await database.pool.query('ALTER TABLE herald.refusal_away RENAME TO refusal');
  // Again in each look, because the worker may just be requeueing a job.
  await until(
    async () => {
      await dueNow();
      return (await pause()).kind === 'fault';
    },
    { intervalMs: 500 },
  );
}, 30_000);
