/**
 * Emails that a real Postfix returns, through its pipe into `pg-herald bounces accept`: what every step of the page
 * docs/bounces.md sets up. The command fails in every way that a machine can, and each report is recorded once.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Worker } from '../../src/delivery/worker.ts';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { createReturnAddresses } from '../../src/return-address.ts';
import { main, runCli } from '../cli/support.ts';
import { greeting, greetingFile, testWorker } from '../support/application.ts';
import { type Postfix, postfixMissing, startPostfix } from '../support/postfix.ts';
import { startSmtpServer, type TestSmtpServer } from '../support/smtp-server.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

/** The pipe runs as another user than root, who must be able to read the program. */
function missing(): string | null {
  const readable = `test -r '${main}' && test -x '${process.execPath}'`;
  const asNobody = () => spawnSync('su', ['-s', '/bin/sh', 'nobody', '-c', readable]).status === 0;
  return postfixMissing() ?? (asNobody() ? null : 'the user nobody cannot read this folder');
}

const domain = 'bounces.acme.example';
const verdicts: Readonly<Record<string, { code: number; text: string }>> = {
  'gone@example.com': { code: 550, text: '5.1.1 <gone@example.com>: no such user' },
  'gone-too@example.com': { code: 550, text: '5.2.1 disabled' },
  'full@example.com': { code: 552, text: '5.2.2 mailbox full' },
  'blocked@example.com': { code: 550, text: '5.7.1 your address is on a list' },
  'busy@example.com': { code: 450, text: '4.2.1 try later' },
};
const why = missing();

describe.skipIf(why !== null)(`bounces through Postfix${why === null ? '' : ` (skipped: ${why})`}`, () => {
  const database = useDatabase({ templates: { greeting: greetingFile } });
  const key = randomBytes(32).toString('base64');
  const returns = createReturnAddresses([key]);
  const herald = createHerald();
  let folder: string;
  let receiver: TestSmtpServer;
  let postfix: Postfix;
  let worker: Worker;

  const query = async (text: string, values: readonly unknown[] = []) =>
    (await database.pool.query(text, [...values])).rows;

  /** The script of docs/bounces.md. `before` and `after` are what befalls it. */
  function writeScript({ before = '', after = '' } = {}): void {
    const script = join(folder, 'herald-bounces');
    const [, text = ''] =
      /```sh [^\n]*\n(#!\/bin\/sh\n# \/usr\/local\/bin\/herald-bounces\n[\s\S]*?)```/.exec(page) ?? [];
    const program = `'${process.execPath}' '${main}'`;
    const command = text
      .replaceAll('/etc/pg-herald.env', join(folder, 'env'))
      .replace('pg-herald bounces', `${program} bounces`);
    expect(command).not.toBe('');
    writeFileSync(script, command.replace('set -a', () => `${before}\nset -a`).concat(after));
    chmodSync(script, 0o755);
  }

  const page = readFileSync(new URL('../../docs/bounces.md', import.meta.url), 'utf8');
  /** The block of the page that names this file of Postfix. */
  const blockOf = (file: string) => new RegExp(`# /etc/postfix/${file}\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? '';

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'herald-bounces-'));
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'env'), `DATABASE_URL='${database.url}'\nHERALD_SECRET_KEY='${key}'\n`);
    writeScript();
    receiver = await startSmtpServer({
      onRecipient: (address) =>
        verdicts[address] ?? (/^k/.test(address) ? { code: 550, text: '5.1.1 no such user' } : undefined),
    });
    const documented = Object.fromEntries(
      blockOf('main.cf')
        .split('\n')
        .filter((line) => line.includes(' = '))
        .map((line) => line.split(' = ') as [string, string]),
    );
    expect(documented).toMatchObject({ virtual_transport: 'herald' });
    postfix = await startPostfix({
      services: blockOf('master.cf')
        .replace('user=herald', 'user=nobody')
        .replace('/usr/local/bin/herald-bounces', join(folder, 'herald-bounces')),
      settings: {
        ...documented,
        relayhost: `[127.0.0.1]:${receiver.port}`,
        minimal_backoff_time: '1s',
        maximal_backoff_time: '1s',
        queue_run_delay: '1s',
        delay_warning_time: '2s',
        smtputf8_autodetect_classes: 'all',
        smtp_host_lookup: 'native',
        smtp_tls_security_level: 'none',
      },
    });
    const dispatcher = smtp({
      host: '127.0.0.1',
      port: postfix.port,
      tls: 'none',
      from: { name: 'Acme', address: 'noreply@acme.example' },
      envelopeFrom: `bounces+{token}@${domain}`,
      envelopeKeys: [key],
    });
    worker = testWorker(database.url, { dispatchers: { smtp: dispatcher } });
    await worker.start();
  });
  afterAll(async () => {
    await worker?.stop();
    postfix?.stop();
    await receiver?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    writeScript();
    await query('TRUNCATE herald.report, herald.suppression, herald.preference');
  });

  /** Sends by herald. @returns the id of the message */
  async function send(email: string): Promise<string> {
    const [message] = await herald.enqueue(database.pool, greeting, {
      autocommit: true,
      to: { id: email, email },
      labels: { who: 'Ada' },
    });
    return message?.id ?? '';
  }
  const reports = (id?: string) =>
    query(
      `SELECT message_id, kind, effect, status_code, unmatched, times, reporter FROM herald.report
       WHERE $1::uuid IS NULL OR message_id = $1 ORDER BY at, source_id`,
      [id ?? null],
    );
  const returned = (id: string) =>
    until(async () => (await reports(id)).length > 0, {
      timeoutMs: 60_000,
      what: `a report; ${postfix.log().slice(-2000)}`,
    });
  /** From another database, because a session cannot change this of its own. */
  async function allowConnections(allowed: boolean): Promise<void> {
    const url = new URL(database.url);
    url.pathname = '/postgres';
    const client = new Client({ connectionString: url.href });
    await client.connect();
    await client.query(`ALTER DATABASE ${database.name} ALLOW_CONNECTIONS ${allowed}`);
    await client.end();
  }
  /**
   * Waits while Postfix tries again what it has. It is asked to, because its queue manager leaves out what it finds still
   * being delivered, and may look again only much later.
   */
  const untilRetried = (condition: () => boolean | Promise<boolean>) =>
    until(
      async () => {
        execFileSync('/usr/sbin/postqueue', ['-c', postfix.folder, '-f']);
        return condition();
      },
      { timeoutMs: 60_000, intervalMs: 1000 },
    );

  /** No report waits in the queue any more; what it is about may. */
  const queueIsEmpty = () =>
    untilRetried(
      () =>
        !execFileSync('/usr/sbin/postqueue', ['-c', postfix.folder, '-p'], { encoding: 'utf8' }).includes(
          'MAILER-DAEMON',
        ),
    );

  test.each([
    ['gone@example.com', 'dead', '5.1.1'],
    ['gone-too@example.com', 'dead', '5.2.1'],
    ['full@example.com', 'soft', '5.2.2'],
    ['blocked@example.com', 'ours', '5.7.1'],
    ['käthe@bücher.example', 'dead', '5.1.1'],
  ])('an email to %s comes back: %s', async (email, effect, code) => {
    const id = await send(email);
    await returned(id);
    expect(await reports()).toEqual([
      {
        message_id: id,
        kind: 'bounce',
        effect,
        status_code: code,
        unmatched: null,
        times: 1,
        reporter: expect.any(String),
      },
    ]);
    expect(await query('SELECT status FROM herald.message WHERE id = $1', [id])).toEqual([{ status: 'sent' }]);
    const explained = await runCli(['why', id], { DATABASE_URL: database.url });
    expect(explained.out).toMatch(
      new RegExp(`It was returned \\d+ s later by \\S+: ${code.replaceAll('.', '\\.')}\\.`),
    );
    const [{ reply_text }] = (await query('SELECT reply_text FROM herald.report')) as [{ reply_text: string }];
    expect(reply_text).not.toMatch(/gone|käthe|bücher/);
  });

  test('an email that is delayed is reported as such, and suppresses nothing', async () => {
    const id = await send('busy@example.com');
    await returned(id);
    expect(await reports(id)).toMatchObject([
      { kind: 'delay', effect: 'none', status_code: expect.stringMatching(/^4\./) },
    ]);
    expect(await query('SELECT FROM herald.suppression')).toEqual([]);
  });

  test('the confirmation of a delivery, and a report about two recipients, count for what they say of ours', async () => {
    const id = await send('well@example.com');
    await until(
      async () => (await query('SELECT status FROM herald.message WHERE id = $1', [id]))[0]?.status === 'sent',
    );
    const transport = createTransport({ host: '127.0.0.1', port: postfix.port, ignoreTLS: true });
    const mail = (to: readonly string[], notify: readonly string[]) =>
      transport.sendMail({
        envelope: { from: `bounces+${returns.tokenOf(id)}@${domain}`, to: [...to] },
        dsn: { id: 'x', return: 'headers', notify: [...notify], recipient: 'noreply@acme.example' },
        raw: 'Subject: x\r\n\r\nx',
      } as never);
    await mail(['well@example.com'], ['success', 'failure']);
    await until(async () => (await reports()).some(({ unmatched }) => unmatched === 'no_return'), {
      timeoutMs: 30_000,
    });
    expect(await reports(id)).toEqual([]);
    await mail(['gone@example.com', 'gone-too@example.com', 'well@example.com'], ['failure']);
    await until(async () => (await reports()).length === 3, { timeoutMs: 30_000 });
    expect((await reports()).map(({ unmatched }) => String(unmatched)).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      'no_return',
      'other_recipient',
      'other_recipient',
    ]);
    expect(await query('SELECT FROM herald.suppression')).toEqual([]);
  });

  test('an automatic reply and an email to a forged address are taken and change nothing', async () => {
    const transport = createTransport({ host: '127.0.0.1', port: postfix.port, ignoreTLS: true });
    const id = await send('well@example.com');
    for (const to of [`bounces+${returns.tokenOf(id)}@${domain}`, `bounces+${'a'.repeat(34)}@${domain}`])
      await transport.sendMail({ from: 'ada@example.com', to, subject: 'Out of office', text: '550 5.1.1 I am away' });
    await until(async () => (await reports()).length === 2, { timeoutMs: 30_000 });
    expect(await reports()).toMatchObject([{ unmatched: 'no_return' }, { unmatched: 'no_return' }]);
  });

  test('killed while it writes, and killed after the commit before it could say so: one row', async () => {
    writeScript({ before: `echo $$ > '${join(folder, 'pid')}'; chmod 666 '${join(folder, 'pid')}'` });
    chmodSync(folder, 0o777);
    const lock = await database.pool.connect();
    await lock.query('BEGIN');
    await lock.query('LOCK TABLE herald.report IN ACCESS EXCLUSIVE MODE');
    const id = await send('gone@example.com');
    const waiting = () =>
      lock.query(`SELECT FROM pg_locks l WHERE NOT l.granted AND l.relation = 'herald.report'::regclass`);
    await until(async () => (await waiting()).rowCount !== 0, { timeoutMs: 30_000 });
    const shell = readFileSync(join(folder, 'pid'), 'utf8').trim();
    const [child] = readFileSync(`/proc/${shell}/task/${shell}/children`, 'utf8').split(' ');
    process.kill(Number(child), 'SIGKILL');
    await until(async () => (await waiting()).rowCount === 0 || /signal 9|status=deferred/.test(postfix.log()), {
      timeoutMs: 30_000,
    });
    const done = join(folder, 'done');
    writeScript({ after: `\n[ -e '${done}' ] || { touch '${done}'; kill -9 $$; }\n` });
    await lock.query('ROLLBACK');
    lock.release();
    await untilRetried(() => existsSync(done));
    await queueIsEmpty();
    expect(await reports()).toMatchObject([{ message_id: id, kind: 'bounce', effect: 'dead' }]);
    expect(postfix.log()).toMatch(/signal 9/);
    expect(await query('SELECT hits FROM herald.suppression')).toEqual([{ hits: 1 }]);
  });

  test('a database that is away, or has a full disk at the commit: Postfix keeps the email, and one row is written', async () => {
    await query(`CREATE FUNCTION pg_temp_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$`);
    await query(`CREATE CONSTRAINT TRIGGER full_disk AFTER INSERT ON herald.report DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION pg_temp_full()`);
    const id = await send('gone@example.com');
    await until(async () => /No space left on device/.test(postfix.log()), { timeoutMs: 30_000 });
    expect(await reports()).toEqual([]);
    await allowConnections(false);
    await query('DROP FUNCTION pg_temp_full() CASCADE');
    await until(async () => /not currently accepting connections/.test(postfix.log()), { timeoutMs: 30_000 });
    expect(await reports()).toEqual([]);
    await allowConnections(true);
    await untilRetried(async () => (await reports(id)).length > 0);
    await queueIsEmpty();
    expect(await reports()).toMatchObject([{ message_id: id, kind: 'bounce', times: 1 }]);
  });
});
