/** Which database a command uses, and what it says when it cannot: one line, exit code 2, and no password. */
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readDatabaseUrl } from '../../src/cli/config.ts';
import { certificate, certificateFiles } from '../support/certificates.ts';
import { type PostgresServer, startPostgres, throwawaySettings } from '../support/postgres/server.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';
import { runCli } from './support.ts';

const database = useDatabase();
const oneLine = (text: RegExp) => ({
  code: 2,
  out: '',
  err: expect.stringMatching(new RegExp(`^pg-herald: [^\\n]*${text.source}[^\\n]*\\n$`)),
});

describe('the variables of libpq', () => {
  test('alone name the database, also one whose name no URL can hold', async () => {
    const { hostname, port, username, password, pathname } = new URL(database.url);
    const variables = { PGHOST: hostname, PGPORT: port, PGUSER: username, PGPASSWORD: password };
    expect(await runCli(['status'], { ...variables, PGDATABASE: pathname.slice(1) })).toMatchObject({ code: 0 });
    await database.pool.query('CREATE DATABASE "a#b"');
    expect(await runCli(['status'], { ...variables, PGDATABASE: 'a#b' })).toEqual(oneLine(/not migrated/));
    await database.pool.query('DROP DATABASE "a#b"');
  });

  test.each<[Record<string, string>, string]>([
    [{ PGHOST: 'db' }, 'postgres://'],
    [{ PGHOST: 'db', PGSSLMODE: 'require' }, 'postgres://?sslmode=require&uselibpqcompat=true'],
    [{ PGHOST: 'ignored', DATABASE_URL: 'postgres://db/app' }, 'postgres://db/app'],
    [{ DATABASE_URL: 'postgres://db/app', PGSSLMODE: 'verify-full' }, 'postgres://db/app?sslmode=verify-full'],
    [{ DATABASE_URL: 'postgres://db/app?sslmode=disable', PGSSLMODE: 'require' }, 'postgres://db/app?sslmode=disable'],
    [
      { DATABASE_URL: 'postgres://db/app?user=u', PGSSLROOTCERT: 'system' },
      'postgres://db/app?user=u&sslmode=verify-full',
    ],
  ])('%o mean %s', (environment, url) => {
    expect(readDatabaseUrl(undefined, environment)).toBe(url);
  });

  test.each<[Record<string, string>, RegExp]>([
    [{ PGPASSWORD: 'hunter2' }, /^DATABASE_URL: is not set.*PGHOST, PGUSER, PGPASSWORD and PGDATABASE/],
    [{ PGHOST: 'a,b', PGPASSWORD: 'hunter2' }, /^PGHOST: names several hosts/],
    [{ PGHOST: 'a', PGPORT: 'x' }, /^PGPORT: invalid port "x"/],
    [{ PGHOST: 'a', PGSSLMODE: 'bogus' }, /^PGSSLMODE: has an unknown sslmode "bogus"/],
    [{ DATABASE_URL: 'postgres://a', PGSSLROOTCERT: '/nope' }, /^PGSSLROOTCERT: sslrootcert: cannot read \/nope/],
  ])('%o are refused by name', (environment, message) => {
    expect(() => readDatabaseUrl(undefined, environment)).toThrow(message);
    expect(() => readDatabaseUrl(undefined, environment)).not.toThrow(/hunter2/);
  });
});

describe('a server with a private authority', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres({ settings: throwawaySettings, password: 'hunter2' });
  }, 60_000);
  afterAll(() => server.stop());

  const status = (host: string, query: string) =>
    runCli(['status'], { DATABASE_URL: `postgres://postgres:hunter2@${host}:${server.port}/postgres?${query}` });

  test('that does not offer TLS is told apart from one that is away', async () => {
    expect(await status('127.0.0.1', 'sslmode=require')).toEqual(
      oneLine(/PostgreSQL does not offer TLS: .*sslmode=disable/),
    );
    expect(await status('127.0.0.1', 'sslmode=allow')).toEqual(oneLine(/not migrated/));
  });

  test('that wants a password is told apart from one that refuses it', async () => {
    const as = (login: string, env = {}, command = ['status']) =>
      runCli(command, { DATABASE_URL: `postgres://${login}@127.0.0.1:${server.port}/postgres`, ...env });
    const smtp = { HERALD_SMTP_HOST: '127.0.0.1', HERALD_SMTP_FROM: 'a@example.com', HERALD_SMTP_TLS: 'none' };
    for (const command of ['status', 'migrate', 'migrate --dry-run', 'doctor', 'worker'])
      expect(await as('postgres', smtp, command.split(' ')), command).toEqual(
        oneLine(/PostgreSQL asks for a password: .*PGPASSWORD/),
      );
    expect(await as('postgres:wrong')).toEqual(oneLine(/PostgreSQL rejected the login/));
    expect(await as('postgres', { PGPASSWORD: 'hunter2' })).toEqual(oneLine(/not migrated/));
    const socket = { DATABASE_URL: 'postgres:///app?host=/nowhere&user=app' };
    expect(await runCli(['status'], socket)).toEqual(oneLine(/cannot reach PostgreSQL at \/nowhere\S* \(ENOENT\)/));
  }, 40_000);

  test('is used as libpq would: encrypted, verified by its authority, or refused in one line', async () => {
    await enableTls(server.url);
    const ca = `sslrootcert=${certificateFiles.ca}`;
    for (const [host, query] of [
      ['127.0.0.1', 'sslmode=prefer'],
      ['127.0.0.1', 'sslmode=require'],
      // Its certificate is for localhost.
      ['127.0.0.1', `sslmode=verify-ca&${ca}`],
      ['localhost', `sslmode=verify-full&${ca}`],
    ] as const)
      expect(await status(host, query), query).toEqual(oneLine(/not migrated/));
    const untrusted = oneLine(
      /the certificate of PostgreSQL is not trusted \([A-Z_]+\): name its CA with sslrootcert=/,
    );
    expect(await status('localhost', 'sslmode=verify-full')).toEqual(untrusted);
    expect(await status('localhost', 'sslrootcert=system')).toEqual(untrusted);
    expect(await status('localhost', 'sslmode=verify-full&sslrootcert=/nope')).toEqual(oneLine(/cannot read \/nope/));
  }, 40_000);
});

/** Gives the server the certificate of localhost, by SQL: its files belong to the account that it runs as. */
async function enableTls(url: string): Promise<void> {
  const { key, cert } = certificate('localhost');
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const files = { 'server.key': key, 'server.crt': cert };
    for (const [file, text] of Object.entries(files)) {
      await client.query('SELECT lo_from_bytea(4711, $1)', [Buffer.from(text)]);
      await client.query('SELECT lo_export(4711, $1), lo_unlink(4711)', [file]);
    }
    await client.query(`COPY (SELECT) TO PROGRAM 'chmod 600 server.key'`);
    await client.query('ALTER SYSTEM SET ssl = on');
    await client.query('SELECT pg_reload_conf()');
    await until(async () => (await client.query<{ ssl: string }>('SHOW ssl')).rows[0]?.ssl === 'on');
  } finally {
    await client.end();
  }
}
