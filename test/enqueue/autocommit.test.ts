/** An enqueue beside the caller's transaction could not be rolled back with it: it does not compile, and is refused. */
import { PGlite } from '@electric-sql/pglite';
import { drizzle as drizzleNodePg } from 'drizzle-orm/node-postgres';
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js';
import { fromKysely } from 'pg-boss';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Connection } from '../../src/database/caller-transaction.ts';
import { installScript } from '../../src/database/migrate.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting } from '../support/application.ts';
import { ada, type Enqueueing, issuesOf, openEnqueueing } from './support.ts';

const herald = createHerald();
const notification = { to: ada, labels: { who: 'Ada' } };
let it: Enqueueing;
let sql: postgres.Sql;
beforeAll(async () => {
  it = await openEnqueueing();
  sql = postgres(it.database.url, { max: 2 });
});
afterAll(async () => {
  await sql.end();
  await it.close();
});
beforeEach(() => it.reset());

const refusal = [expect.stringMatching(/^tx: no transaction is open, .* Pass the transaction \(tx\)/)];
const db = () => drizzleNodePg(it.pool);
const kysely = () =>
  fromKysely({ executeQuery: ({ sql: text, parameters }) => it.pool.query(text, [...parameters]) as never });

describe.each<[string, () => Connection]>([
  ['a pg pool', () => it.pool],
  ['a Drizzle database', db],
  ['a Drizzle database on postgres-js', () => drizzlePostgresJs(sql)],
  ["postgres-js's sql", () => sql],
  ['an adapter of a database', kysely],
])('%s', (_, open) => {
  test('is refused, and nothing is written', async () => {
    expect(await issuesOf(herald.enqueue(open() as never, greeting, notification))).toEqual(refusal);
    const recipients = { text: `SELECT 'a' AS id, 'a@example.com' AS email` };
    expect(
      await issuesOf(herald.enqueueFrom(open() as never, greeting, { recipients, labels: notification.labels })),
    ).toEqual(refusal);
    expect([await it.count(), await it.count('herald_queue.job')]).toEqual([0, 0]);
  });

  test('is accepted if the caller says autocommit', async () => {
    expect(await herald.enqueue(open(), greeting, { ...notification, autocommit: true })).toHaveLength(1);
    expect(await it.count()).toBe(1);
  });
});

test('a pg client is refused before BEGIN and after COMMIT, and accepted between', async () => {
  await it.withClient(async (client) => {
    const enqueue = () => herald.enqueue(client, greeting, notification);
    expect(await issuesOf(enqueue())).toEqual(refusal);
    await client.query('BEGIN');
    await enqueue();
    await client.query('COMMIT');
    expect(await issuesOf(enqueue())).toEqual(refusal);
  });
  expect(await it.count()).toBe(1);
});

test('the database beside a transaction that is rolled back is refused', async () => {
  const attempt = db().transaction(async () => {
    await herald.enqueue(db() as never, greeting, notification);
  });
  expect(await issuesOf(attempt)).toEqual(refusal);
  expect(await it.count()).toBe(0);
});

test.each([
  ['BEGIN with the first enqueue sent before it was answered', []],
  ['BEGIN ISOLATION LEVEL SERIALIZABLE', ['SET TRANSACTION ISOLATION LEVEL SERIALIZABLE']],
  ['constraints that are checked at once', ['SET CONSTRAINTS ALL IMMEDIATE']],
  ['constraints that are checked at the end of the statement before COMMIT', []],
  ['a savepoint', ['SAVEPOINT a']],
  [
    'a savepoint that was rolled back',
    ['SAVEPOINT a', `SELECT set_config('herald.enqueued_at', 'x', true)`, 'ROLLBACK TO a'],
  ],
])('a transaction is recognised with %s', async (name, before) => {
  await it.withClient(async (client) => {
    const statements = ['BEGIN', ...before].map((text) => client.query(text));
    const enqueued = herald.enqueue(client, greeting, notification);
    await Promise.all([...statements, enqueued]);
    await herald.enqueue(client, greeting, notification);
    if (name.includes('before COMMIT')) await client.query('SET CONSTRAINTS ALL IMMEDIATE');
    expect((await client.query('COMMIT')).command).toBe('COMMIT');
  });
  expect(await it.count()).toBe(2);
});

test('SQL that does not ask for a transaction works without one, also after an enqueue that did', async () => {
  await it.withClient(async (client) => {
    await client.query('BEGIN');
    await herald.enqueue(client, greeting, notification);
    await client.query('COMMIT');
    await client.query(`SELECT herald.enqueue('greeting', '{"id": "b", "email": "b@example.com"}', '{"who": "B"}')`);
    await expect(
      client.query(
        `SELECT herald.enqueue('{"template": "greeting", "to": {"id": "b", "email": "b@example.com"}, "labels": {"who": "B"}, "requireTransaction": true}')`,
      ),
    ).rejects.toMatchObject({ code: 'HE006', column: 'tx' });
  });
  expect(await it.count()).toBe(2);
});

test('a PGlite instance is refused, its transaction is accepted', { timeout: 60_000 }, async () => {
  const pglite = await PGlite.create();
  await pglite.exec(installScript());
  await pglite.exec(`INSERT INTO herald.template (name, "group", kind, current_version) VALUES ('greeting', 'G', 'custom', 1);
    INSERT INTO herald.template_version (template, version, content_hash, title, body, labels, secrets, actions)
    VALUES ('greeting', 1, 'x', 'x', 'x', '{who}', '{}', '[]')`);
  expect(await issuesOf(herald.enqueue(pglite as never, greeting, notification))).toEqual(refusal);
  expect(await pglite.transaction((tx) => herald.enqueue(tx, greeting, notification))).toHaveLength(1);
  await pglite.close();
});

test('what is not a transaction does not compile', () => {
  // Never called: the compiler checks that each of these is an error.
  const compileOnly = async (pglite: PGlite) => {
    // @ts-expect-error a pool commits each statement
    await herald.enqueue(it.pool, greeting, notification);
    // @ts-expect-error a Drizzle database commits each statement
    await herald.enqueue(db(), greeting, notification);
    // @ts-expect-error so does one with postgres-js
    await herald.enqueue(drizzlePostgresJs(sql), greeting, notification);
    // @ts-expect-error so does postgres-js
    await herald.enqueue(sql, greeting, notification);
    // @ts-expect-error so does PGlite
    await herald.enqueue(pglite, greeting, notification);
    // @ts-expect-error autocommit must be true
    await herald.enqueue(it.pool, greeting, { ...notification, autocommit: false });
    // @ts-expect-error a cancel that is not rolled back loses the message
    await herald.cancel(it.pool, { target: 'w' });
    await sql.begin((tx) => herald.enqueue(tx, greeting, notification));
    await drizzlePostgresJs(sql).transaction((tx) => herald.enqueue(tx, greeting, notification));
    await db().transaction((tx) => herald.enqueue(tx, greeting, notification));
    await it.withClient((client) => herald.enqueue(client, greeting, notification));
  };
  expect(compileOnly).toBeTypeOf('function');
});
