/** Connection strings have the meaning of libpq, or one line that names the part and the remedy, never the password. */
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { checkedConnectionString } from '../../src/database/connection-string.ts';
import { migrate, migrationPlan } from '../../src/database/migrate.ts';
import { createWorker } from '../../src/delivery/worker.ts';
import { createConsole } from '../../src/console/index.ts';
import { brand, scriptedDispatcher } from '../support/application.ts';
import { certificateFiles } from '../support/certificates.ts';
import { useDatabase } from '../support/use-database.ts';

const { ca } = certificateFiles;
const checked = (text: string) => checkedConnectionString(text, 'DATABASE_URL');

/** What the driver does with a string: where it connects, and what it verifies. */
function meaningOf(text: string) {
  const client = new Client({ connectionString: text }) as Client & { ssl: boolean | Record<string, unknown> };
  const { host, port, user, database, ssl } = client;
  const tls = typeof ssl === 'object' ? ssl : { rejectUnauthorized: true };
  return {
    ...{ host, port, user, database, password: client.password ?? null },
    tls: ssl === false ? 'none' : tls['rejectUnauthorized'] === false ? 'unverified' : verified(tls),
  };
}

function verified(tls: Record<string, unknown>): string {
  return typeof tls['checkServerIdentity'] === 'function' ? 'authority' : 'authority and host';
}

describe('a connection string', () => {
  test.each([
    'postgres://app:secret@db.example:5432/app',
    'postgresql://db.example',
    'postgres:///app?host=/var/run/postgresql&user=app',
    'postgres://app:secret@/app?host=/cloudsql/acme:europe-west1:main',
    'postgres://%2Fvar%2Frun%2Fpostgresql/app',
    'postgres://app:pa%23ss%2Fw%3Fr%40d%25@db.example/app',
    'postgres://app:secret@[::1]:5432/app?application_name=x',
    'postgres://db.example/app?sslmode=require&uselibpqcompat=true',
    'postgres://db.example/app?sslmode=verify-full',
    'postgres://db.example/app?user=kim@tenant&password=secret',
  ])('%s is passed on as it is', (text) => {
    expect(checked(text)).toBe(text);
  });

  test.each([
    [
      'postgres://app:secret@/app?host=/cloudsql/acme:main',
      { host: '/cloudsql/acme:main', user: 'app', database: 'app' },
    ],
    ['postgres://%2Fvar%2Frun%2Fpostgresql/app', { host: '/var/run/postgresql', database: 'app' }],
    ['postgres://app:p%23%2F%3F%40%25@h:5433/a', { host: 'h', port: 5433, password: 'p#/?@%', database: 'a' }],
    ['postgres://h?dbname=app&user=kim', { host: 'h', user: 'kim', database: 'app' }],
    ['postgres://[::1]/app', { host: '::1', database: 'app' }],
  ])('%s names the server, database and role that libpq would use', (text, expected) => {
    expect(meaningOf(checked(text))).toMatchObject(expected);
  });

  test.each([
    ['', 'none'],
    ['sslmode=disable', 'none'],
    ['sslmode=allow', 'none'],
    ['sslmode=prefer', 'unverified'],
    ['sslmode=require', 'unverified'],
    ['sslmode=require&application_name=x', 'unverified'],
    [`sslmode=require&sslrootcert=${ca}`, 'authority'],
    [`sslmode=verify-ca&sslrootcert=${ca}`, 'authority'],
    [`sslmode=verify-full&sslrootcert=${ca}`, 'authority and host'],
    ['sslmode=verify-full', 'authority and host'],
    ['sslmode=verify-full&sslrootcert=system', 'authority and host'],
    ['sslrootcert=system', 'authority and host'],
  ])('with "%s" verifies of the server: %s', (query, expected) => {
    const passed = checked(`postgres://u:p@db.example/app?${query}`);
    expect(meaningOf(passed).tls).toBe(expected);
    expect(checked(passed)).toBe(passed);
  });

  test.each([
    ['', /is empty: expected postgres:/],
    ['mysql://u:hunter2@h/x', /is not a PostgreSQL URL: expected postgres:/],
    ['host=db user=u password=hunter2', /is not a PostgreSQL URL: expected postgres:/],
    ['postgres://u:hunter2#x@h/db', /reserved character: percent-encode it: # is %23/],
    ['postgres://u:hunter2/x@h/db', /reserved character/],
    ['postgres://u:hunter2?x@h/db', /reserved character/],
    ['postgres://u:4711?hunter2=x@h/db', /reserved character/],
    ['postgres://u:hunter2@x@h/db', /more than one @/],
    ['postgres://u:hunter2%de@h/db%zz', /a % that encodes nothing: percent-encode it/],
    ['postgres://u:hunter2@a:5432,b:5432/app?target_session_attrs=read-write', /several hosts, and only one/],
    ['postgres://u:hunter2@/app?host=a,b', /several hosts, and only one/],
    ['postgres://u:hunter2@h:99999/db', /invalid port/],
    ['postgres://u:hunter2@h/a%23b', /names a database with #.*PGDATABASE/],
    ['postgres://u:hunter2@h?dbname=a%2Fb', /names a database with #/],
    ['postgres://u:hunter2@h/db?sslmode=bogus', /unknown sslmode "bogus": expected one of disable/],
    ['postgres://u:hunter2@h/db?sslrootcert=/nope.pem', /sslrootcert: cannot read \/nope\.pem/],
    ['postgres://u:hunter2@h/db?sslmode=verify-full&sslkey=/nope.key', /sslkey: cannot read \/nope\.key/],
    ['postgres://u:hunter2@h/db?sslmode=verify-ca', /verify-ca needs sslrootcert/],
    ['postgres://u:hunter2@h/db?sslmode=require&sslrootcert=system', /system needs sslmode=verify-full/],
  ])('%s is refused in one line without the password', (text, message) => {
    const error = errorOf(() => checked(text));
    expect(error).toMatch(message);
    expect(error).toMatch(/^DATABASE_URL: [^\n]+$/);
    expect(error).not.toContain('hunter2');
  });
});

function errorOf(work: () => unknown): string {
  try {
    work();
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : '';
  }
  return '';
}

describe('every way into the database', () => {
  const database = useDatabase();
  const dispatchers = { smtp: scriptedDispatcher() };
  const token = 'correct horse battery staple, twice';

  test.each<[string, (connectionString: string) => unknown]>([
    ['createWorker', (connectionString) => createWorker({ connectionString, brand, dispatchers })],
    ['createConsole', (connectionString) => createConsole({ connectionString, token, brand })],
    ['migrate', (connectionString) => migrate(connectionString)],
    ['migrationPlan', (connectionString) => migrationPlan(connectionString)],
  ])('%s refuses what is not valid before it connects, in the same words', async (_, open) => {
    const open2 = async (text: string) => await open(text);
    for (const [text, message] of [
      ['postgres://u:hunter2#x@h/db', /^connectionString: has a password or name with a reserved character/],
      ['postgres://u:hunter2@a,b/db', /^connectionString: names several hosts/],
      ['postgres://u:hunter2@h/db?sslmode=bogus', /^connectionString: has an unknown sslmode "bogus"/],
      ['', /^connectionString: is empty/],
    ] as const)
      await expect(open2(text)).rejects.toThrow(message);
  });

  test('takes the parameters of libpq: a database by name, a socket, the authorities of the system', async () => {
    const { pathname, username, port } = new URL(database.url);
    const byName = `postgres://${username}@127.0.0.1:${port}?dbname=${pathname.slice(1)}&sslmode=allow`;
    expect((await migrate(byName)).applied).toEqual([]);
    expect(await migrationPlan(byName)).toBe('');
    const worker = createWorker({ connectionString: byName, brand, dispatchers });
    await worker.start();
    expect(await worker.health()).toMatchObject({ ready: true });
    await worker.stop();
  });
});
