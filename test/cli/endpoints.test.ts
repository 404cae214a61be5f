/** Endpoints from the command line to the receiver, through a worker process. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { shippedTemplatesFolder } from '../../src/templates/files.ts';
import { greetingFile, putTemplates } from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type Answer, type ReceivedRequest, startHttpServer, type TestHttpServer } from '../support/http-server.ts';
import { type Program, startProgram } from '../support/processes.ts';
import { startSmtpServer, type TestSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/wait.ts';
import { main, runCli } from './support.ts';

const key = Buffer.alloc(32, 5).toString('base64');
let database: TestDatabase;
let mails: TestSmtpServer;
let worker: Program;
let receiver: TestHttpServer;
let answer: (request: ReceivedRequest) => Answer = () => ({});
let env: Record<string, string>;

beforeAll(async () => {
  [database, mails, receiver] = await Promise.all([
    createTestDatabase(),
    startSmtpServer(),
    startHttpServer({ answer: (request) => answer(request) }),
  ]);
  env = {
    DATABASE_URL: database.url,
    HERALD_SECRET_KEY: key,
    HERALD_WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
    HERALD_SMTP_HOST: '127.0.0.1',
    HERALD_SMTP_PORT: String(mails.port),
    HERALD_SMTP_TLS: 'none',
    HERALD_SMTP_FROM: 'noreply@acme.example',
    HERALD_LOG_LEVEL: 'error',
  };
  await putTemplates(database.pool, { greeting: greetingFile });
  expect((await herald('templates', 'sync', shippedTemplatesFolder)).code).toBe(0);
  worker = startProgram(main, { args: ['worker'], env: { NO_COLOR: '1', ...env } });
  await until(async () => /delivers/.test(worker.stderr()), { timeoutMs: 20_000 });
});
afterAll(async () => {
  await worker.kill('SIGTERM');
  await Promise.all([mails.close(), receiver.close()]);
  await database.close();
});
beforeEach(() => {
  answer = () => ({});
  receiver.clear();
});
afterEach(() =>
  database.pool.query('TRUNCATE herald.message, herald.attempt, herald.endpoint; DELETE FROM herald_queue.job'),
);

const herald = (...args: string[]) => runCli(args, env);

async function json<T>(...args: string[]): Promise<T> {
  const { code, out, err } = await herald(...args, '--json');
  expect({ code, err }).toMatchObject({ code: 0 });
  return JSON.parse(out) as T;
}

const add = (...more: string[]) =>
  json<{ id: string; secret: string }>('endpoints', 'add', `${receiver.url}/in`, ...more);

async function enqueue(options: Record<string, unknown> = {}): Promise<string[]> {
  const { rows } = await database.pool.query<{ message_id: string }>(
    'SELECT message_id FROM herald.enqueue($1::jsonb)',
    [
      JSON.stringify({
        template: 'greeting',
        to: { id: 'ada' },
        labels: { who: 'Ada' },
        methods: ['webhook'],
        ...options,
      }),
    ],
  );
  return rows.map((row) => row.message_id);
}

const statusOf = async (id = '') =>
  (await database.pool.query('SELECT status, reason FROM herald.message WHERE id = $1', [id])).rows[0];
const settledAs = (id: string | undefined, status: string) =>
  until(async () => (await statusOf(id))?.status === status, { timeoutMs: 15_000 });

/** Throws unless both libraries accept the signature. */
function verify({ body, headers }: ReceivedRequest, secret: string): void {
  const text = body.toString('utf8');
  const signed = {
    'webhook-id': String(headers['webhook-id']),
    'webhook-timestamp': String(headers['webhook-timestamp']),
    'webhook-signature': String(headers['webhook-signature']),
  };
  new Webhook(secret).verify(text, signed);
  new SvixWebhook(secret).verify(text, signed);
}

describe('an endpoint', () => {
  test('is added with a secret shown once, listed without it, and gets what is enqueued, signed', async () => {
    const { id, secret } = await add('--tenant', 'acme', '--group', 'Greetings');
    const list = await herald('endpoints', 'list', '--table');
    expect(list.out).toContain(`127.0.0.1:${receiver.port}`);
    expect(list.out).toContain('tenant acme');
    expect(list.out + JSON.stringify(await json('endpoints', 'list'))).not.toMatch(/whsec_|\/in/);
    const dump = await database.pool.query('SELECT e::text AS row FROM herald.endpoint e');
    expect(dump.rows[0].row).not.toContain(secret.slice(6));
    const [message] = await enqueue({ tenant: 'acme' });
    const [request] = await receiver.waitFor(1);
    if (request === undefined) throw new Error('no request');
    verify(request, secret);
    expect(request.headers['webhook-id']).toBe(message);
    await settledAs(message, 'sent');
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('verifies with the right secrets before, during and after a rotation', async () => {
    const { id, secret } = await add();
    const next = async () => {
      const before = receiver.count();
      await enqueue();
      const request = (await receiver.waitFor(before + 1)).at(-1);
      if (request === undefined) throw new Error('no request');
      return request;
    };
    verify(await next(), secret);
    const { secret: second } = await json<{ secret: string }>('endpoints', 'rotate', id);
    const during = await next();
    verify(during, secret);
    verify(during, second);
    const { secret: third } = await json<{ secret: string }>('endpoints', 'rotate', id, '--overlap', '0s');
    const after = await next();
    verify(after, third);
    expect(() => verify(after, second)).toThrow();
    expect(() => verify(after, secret)).toThrow();
  });

  test('is tested with a signed ping, and the answer is explained', async () => {
    const { id, secret } = await add();
    const good = await herald('endpoints', 'test', id);
    expect(good).toMatchObject({ code: 0, out: expect.stringMatching(/^HTTP 204 after \d+ ms: accepted/) });
    const [request] = receiver.received();
    if (request === undefined) throw new Error('no request');
    verify(request, secret);
    answer = () => ({ status: 401 });
    const refused = await herald('endpoints', 'test', id);
    expect(refused).toMatchObject({ code: 1, out: expect.stringMatching(/^HTTP 401 .*current secret/) });
    expect((await database.pool.query('SELECT FROM herald.message')).rowCount).toBe(0);
  });

  test('that is disabled receives nothing, and everything when it is enabled with --since', async () => {
    const { id } = await add();
    await json('endpoints', 'disable', id);
    const [message] = await enqueue();
    expect(await statusOf(message)).toEqual({ status: 'inhibited', reason: 'endpoint_disabled' });
    expect(await json('endpoints', 'enable', id)).toEqual({ id, sent: 0 });
    expect(await json('endpoints', 'enable', id, '--since', '1h')).toEqual({ id, sent: 1 });
    await settledAs(message, 'sent');
  });

  test('is sent again what it had, under the same id, one or all', async () => {
    const { id } = await add();
    const [first] = await enqueue();
    const [second] = await enqueue();
    await Promise.all([settledAs(first, 'sent'), settledAs(second, 'sent')]);
    expect((await herald('endpoints', 'replay', first ?? '')).out).toContain('will be delivered again');
    await receiver.waitFor(3);
    expect(receiver.received()[2]?.headers['webhook-id']).toBe(first);
    await settledAs(first, 'sent');
    expect(await json('endpoints', 'replay', id, '--since', '1h', '--yes')).toEqual({ id, sent: 2 });
    await receiver.waitFor(5);
  });

  test('that answers 410 is disabled everywhere; its contact is told once by email, and the other messages are held', async () => {
    answer = () => ({ status: 410 });
    const { id } = await add('--contact', 'ops@example.com');
    const later = await enqueue({ delaySeconds: 30 });
    const [message] = await enqueue();
    await settledAs(message, 'failed');
    const [mail] = await mails.waitFor(1, { timeoutMs: 15_000 });
    expect(String(mail?.raw)).toMatch(/^To: .*ops@example\.com/m);
    expect(String(mail?.raw)).not.toContain('/in');
    await settledAs(later[0], 'held');
    expect(await json('endpoints', 'list')).toMatchObject([
      { id, state: 'disabled', disabledReason: 'gone', waiting: 1 },
    ]);
    answer = () => ({});
    expect(await json('endpoints', 'enable', id, '--since', '1h')).toEqual({ id, sent: 2 });
    await settledAs(later[0], 'sent');
    await settledAs(message, 'sent');
    expect(mails.count()).toBe(1);
  });
});

test('an endpoint is shown without what is sealed, and removed with what waits for it', async () => {
  const { id } = await add('--tenant', 'acme', '--rate', '5', '--header', 'authorization=Bearer hunter2');
  const { out } = await herald('endpoints', 'show', id, '--table');
  expect(out).toMatch(/^id +.*\nname +.*\ntenant +acme\n[\s\S]*state +healthy\n[\s\S]*requestsPerSecond +5\n/);
  expect(out + JSON.stringify(await json('endpoints', 'show', id))).not.toMatch(/whsec_|\/in|hunter2/);
  await herald('pause', 'webhook', '--why', 'test');
  const [waiting] = await enqueue({ tenant: 'acme' });
  expect(await herald('endpoints', 'remove', id)).toMatchObject({
    code: 2,
    err: expect.stringMatching(
      /Refusing to delete 127\.0\.0\.1:\d+ .*cancel the messages waiting for it without confirmation/,
    ),
  });
  expect(await json('endpoints', 'remove', id, '--yes')).toEqual({ id, cancelled: 1 });
  await herald('resume', 'webhook');
  expect(await statusOf(waiting)).toMatchObject({ status: 'cancelled' });
  expect(receiver.count()).toBe(0);
  expect((await herald('endpoints', 'show', id)).err).toContain('no endpoint');
  expect((await herald('endpoints', 'remove', id, '--yes')).code).toBe(2);
  expect(await json('audit', '--subject', id)).toMatchObject([
    { action: 'endpoints remove', detail: { cancelled: 1 } },
    { action: 'endpoints add' },
  ]);
});

describe('wrong input', () => {
  test.each<[string, string[], RegExp]>([
    ['a forbidden destination', ['add', 'https://169.254.169.254/latest'], /endpoint\.url.*may not be called/],
    [
      'an inner address',
      ['add', 'https://10.1.2.3/in'],
      /allow it .*HERALD_WEBHOOK_ALLOW_HOSTS, HERALD_WEBHOOK_ALLOW_CIDRS/,
    ],
    ['a URL that is none', ['add', 'hooks'], /invalid URL: expected an absolute URL/],
    [
      'an unknown format',
      ['add', 'https://example.com', '--format', 'fax'],
      /unknown format "fax": expected one of standard/,
    ],
    [
      'a contact that is none',
      ['add', 'https://example.com/', '--contact', 'x'],
      /endpoint\.contact: must be one email address/,
    ],
    ['a missing file', ['add', 'https://example.com/', '--secret-file', '/nope'], /--secret-file: cannot read \/nope/],
    ['an unknown endpoint', ['rotate', '0199f3a0-7b1c-4000-8000-00000000002a'], /no endpoint/],
    ['an id that is none', ['disable', 'x'], /invalid endpoint id "x"/],
  ])('%s is one clear line and nothing is stored', async (_, args, line) => {
    const { code, out, err } = await herald('endpoints', ...args);
    expect({ code, out, lines: err.trim().split('\n').length }).toEqual({ code: 2, out: '', lines: 1 });
    expect(err).toMatch(line);
    expect((await database.pool.query('SELECT FROM herald.endpoint')).rowCount).toBe(0);
  });

  test('a secret of the wrong kind is refused without being repeated', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'herald-endpoint-'));
    await writeFile(join(folder, 'secret'), 'hunter2-hunter2');
    const { code, err } = await herald(
      'endpoints',
      'add',
      'https://example.com/',
      '--secret-file',
      join(folder, 'secret'),
    );
    await rm(folder, { recursive: true });
    expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(/endpoint\.secret: must start with whsec_/) });
    expect(err).not.toContain('hunter2');
  });

  test('without a key it says how to make one', async () => {
    const kept = env;
    env = { ...env, HERALD_SECRET_KEY: '' };
    const { code, err } = await herald('endpoints', 'add', 'https://example.com/');
    env = kept;
    expect({ code, err }).toEqual({
      code: 2,
      err: expect.stringMatching(/HERALD_SECRET_KEY.*openssl rand -base64 32/),
    });
  });
});
