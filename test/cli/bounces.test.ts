/** `pg-herald bounces accept` as a mail server runs it: what it exits with decides whether the email is kept. */
import { spawn } from 'node:child_process';
import { beforeEach, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { dsn, key, recipientFields, returns } from '../reports/support.ts';
import { main, type Result, runCli } from './support.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const env = () => ({ DATABASE_URL: database.url, HERALD_SECRET_KEY: key });

function accept(mail: string | Buffer, args: readonly string[] = [], given: Readonly<Record<string, string>> = env()) {
  const child = spawn(process.execPath, [main, 'bounces', 'accept', ...args], {
    env: { PATH: process.env.PATH, NO_COLOR: '1', ...given },
  });
  return new Promise<Result>((resolve) => {
    let [out, err] = ['', ''];
    child.stdout.on('data', (text) => (out += text));
    child.stderr.on('data', (text) => (err += text));
    child.stdin.on('error', () => undefined);
    child.once('close', (code) => resolve({ code: code ?? -1, out, err }));
    child.stdin.end(mail);
  });
}

let id = '';
beforeEach(async () => {
  await database.pool.query('TRUNCATE herald.message, herald.report');
  const [message] = await createHerald().enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id: 'ada', email: 'ada@example.com' },
    labels: { who: 'Ada' },
  });
  id = message?.id ?? '';
  await database.pool.query(`UPDATE herald.message SET status = 'sent', attempts = 1, settled_at = now()`);
});

const address = () => `bounces+${returns.tokenOf(id)}@acme.example`;
const reports = async () => (await database.pool.query('SELECT message_id, times FROM herald.report')).rows;

test('exits with 0 once it is committed, by the header or by the address that is given', async () => {
  const mail = dsn({ to: address(), recipients: [recipientFields()] });
  expect(await accept(mail)).toMatchObject({ code: 0, out: '1 report recorded, 0 repeated, 0 unmatched\n', err: '' });
  expect(await accept(mail.replaceAll(address(), 'x@acme.example'), [address(), '--json'])).toMatchObject({
    code: 0,
    out: expect.stringContaining('"result": "repeated"'),
  });
  expect(await reports()).toEqual([{ message_id: id, times: 2 }]);
  const why = await runCli(['why', id], env());
  expect(why.out).toMatch(/It was returned \d+ s later by mx\.example\.com: 5\.1\.1\./);
});

test('takes all of a large email, and reads its beginning', async () => {
  const returned = 'X: y\r\n'.repeat(1_000_000);
  const mail = dsn({ to: address(), recipients: [recipientFields()], returned });
  expect(await accept(mail)).toMatchObject({ code: 0, out: '1 report recorded, 0 repeated, 0 unmatched\n' });
});

test.each<[what: string, given: () => Readonly<Record<string, string>>, line: RegExp]>([
  ['the database is away', () => ({ ...env(), DATABASE_URL: 'postgres://x@127.0.0.1:9/x' }), /cannot reach PostgreSQL/],
  [
    'there is no database named',
    () => ({ HERALD_SECRET_KEY: key, PGHOST: '127.0.0.1', PGPORT: '9' }),
    /PostgreSQL|DATABASE_URL/,
  ],
  ['there is no key', () => ({ DATABASE_URL: database.url }), /HERALD_SECRET_KEY/],
  ['the key is wrong', () => ({ ...env(), HERALD_SECRET_KEY: 'x' }), /32 bytes/],
])('exits with 75, and one line, if %s', async (_, given, line) => {
  const result = await accept(dsn({ to: address(), recipients: [recipientFields()] }), [], given());
  expect(result).toMatchObject({ code: 75, out: '' });
  expect(result.err).toMatch(line);
  expect(result.err.trim().split('\n')).toHaveLength(1);
  expect(result.err).not.toContain('ada');
  expect(await reports()).toEqual([]);
});
