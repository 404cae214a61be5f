/** Several senders through a worker: who takes a message, what happens when one is at fault. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type SmtpSender, smtp } from '../../../src/dispatch/smtp/smtp.ts';
import { greetingFile, keepingLogger, putTemplates, testWorker } from '../../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { type SmtpServerOptions, startSmtpServer } from '../../support/smtp-server.ts';
import { startSmtpScript } from '../../support/smtp-script.ts';
import { until } from '../../support/wait.ts';

const closing: (() => Promise<unknown> | undefined)[] = [];
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
  closing.push(() => database.close());
  await putTemplates(database.pool, {
    greeting: greetingFile,
    bill: greetingFile,
  });
  await database.pool.query(`UPDATE herald.template SET sender = 'second' WHERE name = 'bill'`);
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function relayWith(options: SmtpServerOptions = {}) {
  const relay = await startSmtpServer(options);
  closing.push(() => relay.close());
  return relay;
}

const sender = (name: string, port: number, more: Partial<SmtpSender> = {}): SmtpSender => ({
  name,
  host: '127.0.0.1',
  port,
  tls: 'none',
  from: { address: `noreply@${name}.example` },
  ...more,
});

async function work(senders: readonly SmtpSender[]) {
  const logger = keepingLogger();
  const worker = testWorker(database.url, { dispatchers: { smtp: smtp({ senders }) }, logger });
  closing.push(() => worker.stop());
  await worker.start();
  return { logger, worker };
}

async function enqueue(template: string, count = 1, more = ''): Promise<string[]> {
  const { rows } = await database.pool.query<{ id: string }>(
    `SELECT message_id AS id FROM herald.enqueue($1, (SELECT jsonb_agg(jsonb_build_object('id', i, 'email', 'u' || i || '@example.com'))
       FROM generate_series(1, $2) i), '{"who": "x"}'${more})`,
    [template, count],
  );
  return rows.map(({ id }) => id);
}

const one = async <T>(text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows[0] as T;
const attemptsOf = async (id: string) =>
  (
    await database.pool.query(
      'SELECT outcome, reason, detail, counted FROM herald.attempt WHERE message_id = $1 ORDER BY number',
      [id],
    )
  ).rows;
const statusOf = async (id: string) =>
  (await one<{ status: string }>('SELECT status FROM herald.message WHERE id = $1', [id])).status;

const putToRest = (name: string) =>
  database.pool.query(
    `INSERT INTO herald.sender (method, name, paused_at, pause_reason, pause_detail, probe_at)
     VALUES ('smtp', $1, now(), 'tls', 'x', now() + interval '1 hour')`,
    [name],
  );

test('the template names a sender, a tenant has its own, and From is aligned with who sends', async () => {
  const [first, second, third] = [await relayWith(), await relayWith(), await relayWith()];
  await work([
    sender('first', first.port),
    sender('second', second.port),
    sender('third', third.port, { tenants: ['t3'] }),
  ]);
  await enqueue('greeting');
  await enqueue('bill');
  await enqueue('greeting', 1, `, tenant => 't3'`);
  const relays = [first, second, third];
  for (const [i, relay] of relays.entries()) {
    const [mail] = await relay.waitFor(1);
    const name = ['first', 'second', 'third'][i];
    expect(mail?.from).toBe(`noreply@${name}.example`);
    expect(String(mail?.raw)).toContain(`<noreply@${name}.example>`);
  }
});

test('when one is at fault the next takes over, nothing is counted, each worker logs it once, and it comes back automatically', async () => {
  const first = await relayWith({ auth: { user: 'u', password: 'right' } });
  const second = await relayWith();
  let { logger } = await work([
    sender('first', first.port, { auth: { user: 'u', password: 'wrong' } }),
    sender('second', second.port),
  ]);
  const [id = ''] = await enqueue('greeting', 12);
  const mails = await second.waitFor(12);
  await until(async () => (await statusOf(id)) === 'sent');
  const attempts = await attemptsOf(id);
  expect(attempts.at(-1)).toMatchObject({ outcome: 'sent', detail: 'by second', counted: true });
  for (const attempt of attempts.slice(0, -1))
    expect(attempt).toMatchObject({ outcome: 'retry', reason: 'authentication', counted: false });
  // The id is always the first sender's; From is the sender that sends.
  expect(String(mails[0]?.raw)).toMatch(/Message-ID: <[^>]+@first\.example>/);
  expect(mails[0]?.from).toBe('noreply@second.example');
  expect(await one('SELECT paused_at FROM herald.method WHERE name = $1', ['smtp'])).toEqual({ paused_at: null });
  const told = logger.lines.filter(({ message }) => message.startsWith('sender paused'));
  expect(told).toMatchObject([{ level: 'error', fields: { sender: 'first', reason: 'authentication' } }]);
  // Demanded by name: it waits for its sender rather than going by another.
  await database.pool.query(`UPDATE herald.template SET sender = 'first' WHERE name = 'bill'`);
  const [billed = ''] = await enqueue('bill');
  await until(
    async () =>
      expect(await one('SELECT status, attempts, detail FROM herald.message WHERE id = $1', [billed])).toEqual({
        status: 'pending',
        attempts: 0,
        detail: 'waiting: its sender is paused',
      }) ?? true,
  );
  expect(second.count()).toBe(12);
}, 30_000);

test('a sender that rests is probed with one message, and resumes when that is answered', async () => {
  const first = await relayWith();
  const second = await relayWith();
  await putToRest('first');
  const { logger } = await work([sender('first', first.port), sender('second', second.port)]);
  await enqueue('greeting');
  await second.waitFor(1);
  await database.pool.query(`UPDATE herald.sender SET probe_at = now()`);
  await until(
    async () => {
      await enqueue('greeting');
      return first.count() > 0;
    },
    { intervalMs: 300 },
  );
  await until(async () => (await one<{ at: unknown }>('SELECT paused_at AS at FROM herald.sender')).at === null);
  expect(logger.lines.map(({ message }) => message)).toContain('sender resumed: the probe was answered');
});

test('when all are at fault the method pauses, and it resumes with the first of them that works again', async () => {
  const gone = await relayWith();
  const lost = await relayWith();
  await Promise.all([gone.close(), lost.close()]);
  await work([sender('first', gone.port), sender('second', lost.port)]);
  const [id = ''] = await enqueue('greeting');
  await until(
    async () =>
      (await one<{ kind: string }>(`SELECT pause_kind AS kind FROM herald.method WHERE name = 'smtp'`)).kind ===
      'fault',
  );
  expect(await one('SELECT status, counted FROM herald.message WHERE id = $1', [id])).toEqual({
    status: 'pending',
    counted: 0,
  });
  const { rows } = await database.pool.query(
    `SELECT name FROM herald.sender WHERE paused_at IS NOT NULL ORDER BY name`,
  );
  expect(rows).toEqual([{ name: 'first' }, { name: 'second' }]);
  const back = await relayWith({ port: lost.port });
  await until(
    async () => {
      await database.pool.query(
        `UPDATE herald.method SET probe_at = now() WHERE pause_kind = 'fault' AND probe_at > now() + interval '2 seconds'`,
      );
      await database.pool.query(
        `UPDATE herald.sender SET probe_at = now() WHERE paused_at IS NOT NULL AND probe_at > now() + interval '2 seconds'`,
      );
      await database.pool.query(`UPDATE herald.message SET next_attempt_at = now() WHERE status = 'pending'`);
      await database.pool.query(`UPDATE herald_queue.job SET start_after = now() WHERE state < 'active'`);
      return back.count() === 1;
    },
    { timeoutMs: 20_000, intervalMs: 500 },
  );
  await until(async () => (await statusOf(id)) === 'sent');
  expect((await attemptsOf(id)).at(-1)).toMatchObject({ detail: 'by second', counted: true });
  await until(
    async () =>
      (await one<{ kind: unknown }>(`SELECT pause_kind AS kind FROM herald.method WHERE name = 'smtp'`)).kind === null,
  );
  expect((await database.pool.query(`SELECT name FROM herald.sender WHERE paused_at IS NOT NULL`)).rows).toEqual([
    { name: 'first' },
  ]);
}, 40_000);

/** What is due now, and the probes of paused senders. Again in each look: the worker may just be requeueing a job. */
const hurry = async () => {
  await database.pool.query(`UPDATE herald.sender SET probe_at = now() WHERE paused_at IS NOT NULL`);
  await database.pool.query(`UPDATE herald.message SET next_attempt_at = now() WHERE status = 'pending'`);
  await database.pool.query('SELECT herald.ensure_jobs(ARRAY(SELECT id FROM herald.message))');
};

test('a message of a tenant whose only sender is down counts no attempt, although other senders work', async () => {
  const gone = await relayWith();
  await gone.close();
  const second = await relayWith();
  await work([sender('theirs', gone.port, { tenants: ['t1'] }), sender('second', second.port)]);
  const [id = ''] = await enqueue('greeting', 1, `, tenant => 't1'`);
  await until(async () => (await attemptsOf(id)).length === 1);
  await until(
    async () => {
      await enqueue('greeting');
      await hurry();
      return (await attemptsOf(id)).length >= 4;
    },
    { timeoutMs: 30_000, intervalMs: 1000 },
  );
  expect(second.count()).toBeGreaterThan(0);
  for (const attempt of await attemptsOf(id)) expect(attempt).toMatchObject({ reason: 'unreachable', counted: false });
}, 40_000);

test('a fault of the message itself is counted once its sender has worked since, and pauses no sender', async () => {
  // What always gets this before the recipient is named would pause the sender each time.
  const first = await relayWith();
  const broken = await startSmtpScript(() => [{ reply: '554 no service' }]);
  closing.push(() => broken.close());
  await work([sender('first', first.port), sender('theirs', broken.port, { tenants: ['t1'] })]);
  const [id = ''] = await enqueue('greeting', 1, `, tenant => 't1'`);
  await until(async () => (await attemptsOf(id)).length === 1);
  await enqueue('greeting');
  await first.waitFor(1);
  await until(
    async () =>
      (await one<{ at: unknown }>('SELECT last_sent_at AS at FROM herald.method WHERE name = $1', ['smtp'])).at !==
      null,
  );
  await database.pool.query(
    `INSERT INTO herald.sender (method, name, succeeded_at) VALUES ('smtp', 'theirs', now())
     ON CONFLICT (method, name) DO UPDATE SET succeeded_at = clock_timestamp(), paused_at = NULL, probe_at = NULL`,
  );
  await until(
    async () => {
      await hurry();
      return (await attemptsOf(id)).length >= 2;
    },
    { timeoutMs: 20_000, intervalMs: 500 },
  );
  expect((await attemptsOf(id)).map(({ counted }) => counted).slice(0, 2)).toEqual([false, true]);
  expect((await database.pool.query('SELECT name FROM herald.sender WHERE paused_at IS NOT NULL')).rows).toEqual([]);
}, 40_000);

test('a paused sender is not probed with a message that met its fault while another one waits', async () => {
  const gone = await relayWith();
  await gone.close();
  const second = await relayWith();
  await work([sender('first', gone.port, { tenants: ['t1'] }), sender('second', second.port)]);
  const met = await enqueue('greeting', 5, `, tenant => 't1'`);
  await until(
    async () =>
      (await one<{ n: number }>('SELECT count(*)::int AS n FROM herald.sender WHERE paused_at IS NOT NULL')).n === 1,
  );
  await until(
    async () =>
      (await one<{ n: number }>('SELECT count(*)::int AS n FROM herald.message WHERE fault_at IS NOT NULL')).n > 0,
  );
  await database.pool.query('UPDATE herald.message SET fault_at = now() WHERE id = ANY ($1)', [met]);
  const [fresh = ''] = await enqueue('greeting', 1, `, tenant => 't1'`);
  const first = await relayWith({ port: gone.port });
  await until(
    async () => {
      await hurry();
      return first.count() > 0;
    },
    { timeoutMs: 20_000, intervalMs: 500 },
  );
  expect(String(first.received()[0]?.raw)).toContain(`Message-ID: <${fresh}@`);
}, 40_000);

test('after an attempt that may have been accepted its sender comes first; another one says so', async () => {
  let silent = true;
  const first = await relayWith();
  const second = await relayWith({ onMessage: () => (silent ? new Promise(() => undefined) : undefined) });
  await putToRest('first');
  await work([sender('first', first.port), sender('second', second.port, { replyTimeoutSeconds: 1 })]);
  const again = async (id: string) => {
    await database.pool.query(`UPDATE herald.message SET next_attempt_at = now() WHERE id = $1`, [id]);
    await database.pool.query('DELETE FROM herald_queue.job WHERE id = $1', [id]);
    await database.pool.query('SELECT herald.ensure_jobs(ARRAY[$1::uuid])', [id]);
    await until(async () => (await statusOf(id)) === 'sent');
    return (await attemptsOf(id)).at(-1)?.detail;
  };
  const [sticks = '', moves = ''] = await enqueue('greeting', 2);
  for (const id of [sticks, moves])
    await until(async () => (await attemptsOf(id)).some(({ outcome }) => outcome === 'unknown'));
  silent = false;
  await database.pool.query(`UPDATE herald.sender SET paused_at = NULL`);
  // The pause is cached for a second. Once the first has sent an email, it is known to work again.
  await until(async () => {
    const [id = ''] = await enqueue('greeting');
    await until(async () => (await statusOf(id)) === 'sent');
    return first.count() > 0;
  });
  expect(await again(sticks)).toBe('by second');
  await second.close();
  expect(await again(moves)).toBe('by first; an earlier attempt by second may have been accepted');
}, 40_000);
