/** The command line as an operator uses it: a child process, its output, its exit code. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { shippedTemplatesFolder } from '../../src/templates/files.ts';
import { greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startSmtpServer } from '../support/smtp-server.ts';
import { startProgram } from '../support/processes.ts';
import { until } from '../support/wait.ts';
import { main, runCli } from './support.ts';

let database: TestDatabase;
let empty: TestDatabase;
let folder: string;

beforeAll(async () => {
  [database, empty, folder] = await Promise.all([
    createTestDatabase(),
    createTestDatabase({ empty: true }),
    mkdtemp(join(tmpdir(), 'herald-cli-')),
  ]);
  await writeFile(join(folder, 'greeting.md'), greetingFile);
  expect((await herald(['templates', 'sync', shippedTemplatesFolder])).code).toBe(0);
});
afterAll(async () => {
  await Promise.all([database.close(), empty.close(), rm(folder, { recursive: true })]);
});

const herald = (args: readonly string[], env: Record<string, string> = {}) =>
  runCli(args, { DATABASE_URL: database.url, ...env });

async function json<T>(args: readonly string[]): Promise<T> {
  const { code, out, err } = await herald([...args, '--json']);
  expect({ code, err }).toMatchObject({ code: 0 });
  return JSON.parse(out) as T;
}

const send = async (...more: string[]) =>
  (
    await json<{ id: string; status: string }[]>([
      'send',
      'test-notification',
      '--to',
      'user-7=ada@example.com',
      '--label',
      'initiator=me',
      ...more,
    ])
  )[0] ?? { id: '', status: '' };

/** One clear line, no stack. */
const oneLine = (text: RegExp) => ({
  code: 2,
  out: '',
  err: expect.stringMatching(new RegExp(`^pg-herald: (?!herald: )[^\\n]*${text.source}[^\\n]*\\n$`)),
});

describe('the command line', () => {
  test('migrates, says what it did, and does nothing the second time', async () => {
    const plan = await herald(['migrate', '--dry-run'], { DATABASE_URL: empty.url });
    expect(plan.out).toContain('CREATE TABLE "herald"."message"');
    const before = await herald(['status'], { DATABASE_URL: empty.url });
    expect(before).toEqual(oneLine(/not migrated .* run "pg-herald migrate"/));
    const first = await herald(['migrate', '--method', 'sms'], { DATABASE_URL: empty.url });
    expect(first).toMatchObject({
      code: 0,
      out: expect.stringMatching(/applied 0000_tables, functions[\s\S]*created methods smtp, webhook, inbox, sms/),
    });
    expect((await herald(['migrate'], { DATABASE_URL: empty.url })).out).toContain('nothing to do');
    expect((await herald(['migrate', '--dry-run'], { DATABASE_URL: empty.url })).out).toBe('-- nothing to do\n');
  }, 30_000);

  test('checks templates, names file, line and column, and puts nothing into the database that is wrong', async () => {
    const broken = await mkdtemp(join(tmpdir(), 'herald-broken-'));
    await writeFile(join(broken, 'broken.md'), '---\ntitle: Hi {{#if labels.who}}\ntitel: x\n---\nbody\n');
    const check = await herald(['templates', 'check', broken]);
    expect(check).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/broken\.md:3:\d+: error: .*titel/) });
    expect((await herald(['templates', 'sync', broken])).code).toBe(1);
    expect((await json<{ name: string }[]>(['templates', 'list'])).map((t) => t.name)).not.toContain('broken');
    expect(await herald(['templates', 'check', shippedTemplatesFolder])).toMatchObject({ code: 0 });
    await rm(broken, { recursive: true });
  }, 30_000);

  test('previews a template without a database', async () => {
    const preview = await herald(['templates', 'preview', 'workspace-deleted', shippedTemplatesFolder], {
      DATABASE_URL: '',
    });
    expect(preview).toMatchObject({ code: 0, out: expect.stringContaining('Workspace "billing-api" was deleted') });
    expect(await herald(['templates', 'preview', 'nope', shippedTemplatesFolder])).toMatchObject({
      code: 2,
      err: expect.stringContaining('no template "nope"'),
    });
  });

  test('finds a folder of templates by argument, by option, by the file, or by its default name', async () => {
    const project = await mkdtemp(join(tmpdir(), 'herald-project-'));
    await mkdir(join(project, 'notifications'));
    const file = 'workspace-deleted.md';
    await copyFile(join(shippedTemplatesFolder, file), join(project, 'notifications', file));
    const inProject = (...args: string[]) => runCli(args, {}, project);
    for (const args of [[], ['notifications'], ['--templates', 'notifications']]) {
      expect((await inProject('templates', 'check', ...args)).out).toBe('1 template, no errors\n');
      expect((await inProject('types', ...args)).out).toContain('workspace-deleted');
    }
    const preview = await inProject('templates', 'preview', 'workspace-deleted');
    expect(preview).toMatchObject({ code: 0, out: expect.stringMatching(/^Workspace /) });
    expect(await inProject('templates', 'preview', `notifications/${file}`)).toEqual(preview);
    await rm(project, { recursive: true });
  }, 30_000);

  test('shows a template in the database with its versions and the text of one', async () => {
    const shown = await herald(['templates', 'show', 'password-reset', '--table']);
    expect(shown.out).toMatch(
      /^name +password-reset\n[\s\S]*mandatory +true\n[\s\S]*\nversion +since[\s\S]*code \(secret\)[\s\S]*\nText of version 1\n\n[\s\S]*\{\{/,
    );
    expect(await json(['templates', 'show', 'password-reset'])).toMatchObject({
      name: 'password-reset',
      versions: [{ version: 1, secrets: ['code'] }],
    });
    expect(await herald(['templates', 'show', 'nope'])).toEqual(oneLine(/no template "nope"/));
    expect(await herald(['templates', 'show', 'password-reset', '--text', '7'])).toEqual(oneLine(/no version 7/));
  });

  test('makes a new version of a changed text, and none of an unchanged one', async () => {
    const changes = () => json<{ version: number; change: string; name: string }[]>(['templates', 'sync', folder]);
    const greeting = async () => (await changes()).find((change) => change.name === 'greeting');
    expect(await greeting()).toMatchObject({ version: 1, change: 'created' });
    expect(await greeting()).toMatchObject({ version: 1, change: 'unchanged' });
    await writeFile(join(folder, 'greeting.md'), greetingFile.replace('welcome', 'good to see you'));
    expect(await greeting()).toMatchObject({ version: 2, change: 'new version' });
    await writeFile(
      join(folder, 'greeting.md'),
      greetingFile.replace('welcome', 'good to see you').replace('Greetings', 'Hellos'),
    );
    expect(await greeting()).toMatchObject({ version: 2, change: 'options' });
  }, 30_000);

  test('sends, lists, shows, explains, cancels and retries', async () => {
    const { id, status } = await send('--target', 'w-42');
    expect(status).toBe('pending');
    expect((await herald(['why', id])).out).toMatch(
      /no worker is connected[\s\S]*enqueued by cli .* template test-notification version 1[\s\S]*Start a worker/,
    );
    expect(await json(['messages', 'list', '--where', 'target=w-42'])).toMatchObject([
      { id, recipientId: 'user-7', status: 'pending' },
    ]);
    expect(await json(['messages', 'show', id])).toMatchObject({
      id,
      labels: { initiator: 'me' },
      job: { state: 'created' },
    });
    expect(await json(['cancel', '--target', 'w-42'])).toEqual([{ messageId: id, answer: 'cancelled' }]);
    expect(await herald(['retry', id])).toMatchObject({ code: 1, err: expect.stringContaining('stays cancelled') });
    expect(await herald(['retry', '--where', 'status=cancelled'])).toEqual(
      oneLine(/Refusing to retry .* without confirmation: stdin is not a terminal\. Pass --yes\./),
    );
  }, 30_000);

  test('explains attempts and their replies', async () => {
    const smtp = scriptedDispatcher(({ attempt }) =>
      attempt === 1
        ? {
            outcome: 'retry',
            reason: 'deferred',
            detail: 'RCPT TO',
            reply: { code: '450', text: '450 4.2.0 greylisted' },
          }
        : {
            outcome: 'failed',
            reason: 'no_such_recipient',
            detail: 'RCPT TO',
            reply: { code: '550', text: '550 5.1.1 nobody here' },
          },
    );
    const worker = testWorker(database.url, { dispatchers: { smtp } });
    await worker.start();
    const { id } = await send();
    await until(
      async () =>
        (await database.pool.query(`SELECT 1 FROM herald.message WHERE id = $1 AND status = 'failed'`, [id])).rowCount,
    );
    await worker.stop();
    const why = await herald(['why', id]);
    expect(why.out).toMatch(
      /^failed {2}After 2 attempts: there is no such mailbox[\s\S]*attempt 1 by .*: retry after \d+ ms; .*reply "450 4\.2\.0 greylisted"[\s\S]*attempt 2 by .*: failed[\s\S]*What to do: When the cause is fixed: pg-herald retry/,
    );
    expect(await json(['retry', '--where', 'status=failed', 'template=test-notification', '--yes'])).toEqual([
      { messageId: id, retried: true, status: 'pending' },
    ]);
    await json(['cancel', id]);
  }, 30_000);

  test('pauses, shows it, and resumes', async () => {
    expect(await herald(['pause', 'smtp', '--why', 'relay moves'])).toMatchObject({ code: 0 });
    expect((await herald(['status', '--table'])).out).toMatch(/smtp is paused since .*relay moves/);
    expect(await herald(['resume'])).toMatchObject({ code: 0, out: 'resumed smtp\n' });
    expect(await herald(['pause', 'pigeon', '--why', 'x'])).toEqual(oneLine(/no method "pigeon"/));
  }, 30_000);

  test("keeps an operator's choices for templates and methods over a sync", async () => {
    await json(['templates', 'set', 'test-notification', '--method', 'webhook']);
    await json(['templates', 'sync', shippedTemplatesFolder]);
    expect(await json(['send', 'test-notification', '--to', 'a@example.com', '--method', 'smtp'])).toMatchObject([
      { method: 'webhook', status: 'pending' },
    ]);
    await json(['methods', 'disable', 'webhook']);
    expect(await json(['send', 'test-notification', '--to', 'a@example.com'])).toMatchObject([
      { status: 'inhibited', reason: 'method_disabled' },
    ]);
    await json(['methods', 'enable', 'webhook']);
    await json(['templates', 'set', 'test-notification', '--own-methods', '--disable']);
    expect(await json(['send', 'test-notification', '--to', 'a@example.com'])).toMatchObject([
      { method: 'smtp', reason: 'template_disabled' },
    ]);
    await json(['templates', 'set', 'test-notification', '--enable']);
    expect(await herald(['templates', 'set', 'test-notification', '--method', 'pigeon'])).toEqual(
      oneLine(/no method "pigeon"/),
    );
  }, 40_000);

  test('sets preferences that hold, and refuses to switch off what is mandatory', async () => {
    await json(['preferences', 'set', 'user-7', '--template', 'test-notification', '--off']);
    expect(await send()).toMatchObject({ status: 'inhibited' });
    await json(['preferences', 'set', 'user-7', '--template', 'test-notification', '--default']);
    expect(await herald(['preferences', 'set', 'user-7', '--template', 'password-reset', '--off'])).toEqual(
      oneLine(/mandatory/),
    );
  }, 30_000);

  test('purges what is settled and old, and nothing else', async () => {
    const { id } = await send();
    await database.pool.query(
      `UPDATE herald.message SET created_at = now() - interval '40 days', settled_at = CASE WHEN id = $1 THEN NULL ELSE now() - interval '40 days' END`,
      [id],
    );
    const { deleted } = await json<{ deleted: number }>(['purge', '--older-than', '30d', '--yes']);
    expect(deleted).toBeGreaterThan(0);
    expect((await database.pool.query('SELECT id FROM herald.message')).rows).toEqual([{ id }]);
  }, 30_000);

  test('runs a worker until SIGTERM', async () => {
    const server = await startSmtpServer();
    const env = {
      DATABASE_URL: database.url,
      HERALD_SMTP_HOST: '127.0.0.1',
      HERALD_SMTP_PORT: String(server.port),
      HERALD_SMTP_TLS: 'none',
      HERALD_SMTP_FROM: 'noreply@acme.example',
      HERALD_APP_NAME: 'Acme',
    };
    const worker = startProgram(main, { args: ['worker'], env });
    const { id } = await send();
    await until(() => server.received().some((mail) => String(mail.raw).includes(`Message-ID: <${id}@acme.example>`)), {
      timeoutMs: 20_000,
    });
    expect(await worker.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(worker.stderr()).not.toContain('ada@example.com');
    await server.close();
  }, 40_000);

  test.each<[string, string[], Record<string, string>, RegExp]>([
    [
      'an unknown template',
      ['send', 'nope', '--to', 'a@example.com'],
      {},
      /no template "nope" in the database: see "pg-herald templates list"/,
    ],
    [
      'a template that is misspelt',
      ['send', 'workspace-deletd', '--to', 'a@example.com'],
      {},
      /no template "workspace-deletd" .*; did you mean "workspace-deleted"\?/,
    ],
    [
      'a duration that is none',
      ['purge', '--older-than', '1x'],
      {},
      /--older-than: invalid duration "1x": .* 2w or 1y/,
    ],
    ['a duration without end', ['purge', '--older-than', '99999y'], {}, /at most 1000y/],
    ['two folders', ['templates', 'check', 'a', '--templates', 'b'], {}, /give the folder or --templates, not both/],
    [
      'a missing label',
      ['send', 'workspace-deleted', '--to', 'a@example.com'],
      {},
      /needs the labels "initiator", "reason", "workspace"/,
    ],
    ['a bad address', ['send', 'test-notification', '--to', 'a@b@c'], {}, /--to: the address/],
    [
      'data that is not JSON',
      ['send', 'test-notification', '--to', 'a@example.com', '--data', '{'],
      {},
      /--data is not valid JSON/,
    ],
    ['an id that is none', ['why', 'abc'], {}, /"abc" is not a message id/],
    [
      'a condition that is none',
      ['messages', 'list', '--where', 'colour=red'],
      {},
      /invalid condition "colour=red": expected status=/,
    ],
    [
      'a status that is none',
      ['messages', 'list', '--where', 'status=done'],
      {},
      /unknown status "done": expected one of pending/,
    ],
    [
      'a database that is down',
      ['status'],
      { DATABASE_URL: 'postgres://me:topsecret@127.0.0.1:1/x' },
      /cannot reach PostgreSQL at 127\.0\.0\.1:1/,
    ],
    ['no database', ['status'], { DATABASE_URL: '' }, /DATABASE_URL: is not set/],
    ['a URL that is none', ['status'], { DATABASE_URL: 'mysql://x' }, /is not a PostgreSQL URL/],
    ['a worker without a method', ['worker'], {}, /HERALD_SMTP_HOST: is not set/],
    [
      'a setting that is wrong',
      ['worker'],
      { HERALD_SMTP_HOST: 'h', HERALD_SMTP_FROM: 'a@b.example', HERALD_SMTP_PORT: '99999' },
      /HERALD_SMTP_PORT: "99999" is not a number from 1 to 65535/,
    ],
    [
      'plain text to a stranger',
      ['worker'],
      { HERALD_SMTP_HOST: 'mail.example', HERALD_SMTP_FROM: 'a@b.example', HERALD_SMTP_TLS: 'none' },
      /smtp\.tls: "none" would send email and logins in clear text/,
    ],
  ])('says in one line what is wrong with %s, and exits with 2', async (_, args, env, text) => {
    const result = await herald(args, env);
    expect(result).toEqual(oneLine(text));
    expect(result.err).not.toContain('topsecret');
  });

  test('exits with 1 for a message that is not there, and with 2 for an unknown command', async () => {
    expect(await herald(['why', '01890a5d-ac96-774b-bcce-b302099a8057'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('purged'),
    });
    expect((await herald(['frobnicate'])).code).toBe(2);
    expect((await herald(['--help'])).code).toBe(0);
  });
});

test('what operators did is on record: who, what, to which, why; without addresses', { timeout: 60_000 }, async () => {
  await herald(['pause', 'webhook', '--why', 'moving'], { USER: 'grace' });
  await herald(['resume', 'webhook'], { USER: 'grace' });
  const { id } = await send();
  await herald(['cancel', id]);
  await herald(['hold', '--where', 'recipient=user-7', '--yes']);
  await herald(['suppressions', 'add', 'smtp', 'gone@example.com']);
  await herald(['suppressions', 'remove', 'smtp', 'gone@example.com']);
  const records = await json<{ actor: string; action: string; subject: string; why: string; detail: object }[]>([
    'audit',
  ]);
  expect(records.slice(0, 6).map(({ action, subject }) => [action, subject])).toEqual([
    ['suppressions remove', 'smtp'],
    ['suppressions add', 'smtp'],
    ['hold', null],
    ['cancel', id],
    ['resume', 'webhook'],
    ['pause', 'webhook'],
  ]);
  expect(records[5]).toMatchObject({ actor: 'grace', why: 'moving' });
  expect(records[2]).toMatchObject({ detail: { where: ['recipient'] } });
  expect(JSON.stringify(records)).not.toMatch(/@example\.com|user-7/);
  expect(await json(['audit', '--subject', id])).toHaveLength(1);
});

test('each action on messages records who, why, how many and by which conditions', { timeout: 60_000 }, async () => {
  const { id } = await send();
  const as = (...args: string[]) => herald(args, { HERALD_OPERATOR: 'ada', USER: 'shared' });
  const where = ['--where', 'status=held', 'template=test-notification', 'recipient=user-7', '--yes'];
  for (const args of [
    ['hold', id, '--why', 'a question'],
    ['release', ...where, '--why', 'answered'],
    ['hold', id, '--why', 'wrong list'],
    ['retry', id, '--why', 'right list'],
    ['hold', id, '--why', 'again'],
    ['discard', id, '--why', 'old'],
    ['cancel', '--where', 'status=pending', '--yes', '--why', 'clean up'],
  ])
    expect(await as(...args)).toMatchObject({ code: 0 });
  const records = await json<{ actor: string; action: string; why: string; detail: object }[]>(['audit']);
  expect(records.slice(0, 7).map(({ actor, action, why }) => [actor, action, why])).toEqual([
    ['ada', 'cancel', 'clean up'],
    ['ada', 'discard', 'old'],
    ['ada', 'hold', 'again'],
    ['ada', 'retry', 'right list'],
    ['ada', 'hold', 'wrong list'],
    ['ada', 'release', 'answered'],
    ['ada', 'hold', 'a question'],
  ]);
  expect(records[5]).toMatchObject({
    detail: { where: ['status=held', 'template=test-notification', 'recipient'] },
  });
  expect((await herald(['why', id])).out).toMatch(
    /^cancelled {2}By ada \(old\) before it was sent\.[\s\S]*hold by ada \(a question\)[\s\S]*retry by ada \(right list\)/,
  );
});
