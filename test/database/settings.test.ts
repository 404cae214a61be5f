/** Settings of a role or a database are the application's: ours works with each of them, or says in one line what to do. */
import { randomBytes } from 'node:crypto';
import { Client, Pool } from 'pg';
import { expect, inject, onTestFinished, test } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { erasePerson, suppressAddress } from '../../src/index.ts';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, putTemplates, scriptedDispatcher, testWorker } from '../support/application.ts';
import { createTestDatabase } from '../support/database.ts';
import { dropDatabases } from '../support/postgres/databases.ts';
import { runCli } from '../cli/support.ts';
import { startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/wait.ts';

/** Objects in a schema that stands before ours and before public. */
const shadows = `CREATE SCHEMA evil;
  CREATE TABLE evil.message (x int); CREATE TABLE evil.job (x int); CREATE TABLE evil.queue (x int);
  CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz';
  CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$;
  CREATE FUNCTION evil.count(text) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'`;

test.each<[string, string]>([
  ['standard_conforming_strings = off', 'standard_conforming_strings = off; backslash_quote = on'],
  ['a search_path with a schema that shadows names', 'search_path = evil, pg_catalog, public'],
  ['default_tablespace of the database itself', 'default_tablespace = pg_default'],
  ['serializable transactions', 'default_transaction_isolation = serializable; default_transaction_deferrable = on'],
  ['short timeouts of idle sessions', `idle_session_timeout = '300ms'; idle_in_transaction_session_timeout = '1s'`],
  [
    'settings of display',
    `intervalstyle = sql_standard; timezone = 'Asia/Kathmandu'; bytea_output = escape; extra_float_digits = -15`,
  ],
  ['settings of comparison', 'array_nulls = off; transform_null_equals = on; row_security = off'],
  ['settings of plans', 'jit_above_cost = 0; plan_cache_mode = force_custom_plan; check_function_bodies = off'],
])('with %s it migrates, enqueues and delivers', { timeout: 60_000 }, async (_, settings) => {
  const database = await createTestDatabase({ empty: true });
  onTestFinished(() => database.close());
  await database.pool.query(shadows);
  for (const setting of settings.split('; '))
    await database.pool.query(`ALTER DATABASE ${database.name} SET ${setting}`);
  await migrate(database.url);
  await migrate(database.url);
  // The pool of the test knew the database before.
  const pool = new Pool({ connectionString: database.url });
  pool.on('error', () => undefined);
  onTestFinished(() => pool.end());
  await putTemplates(pool, { greeting: greetingFile });
  const smtp = scriptedDispatcher();
  const worker = testWorker(database.url, { dispatchers: { smtp } });
  await worker.start();
  onTestFinished(() => worker.stop());
  const [message] = await createHerald().enqueue(pool, greeting, {
    autocommit: true,
    to: { id: 'u', email: 'u@example.com', name: "O'Neill \\" },
    labels: { who: "a'b\\c" },
    dedupeKey: 'k',
  });
  await until(() => smtp.deliveries.length === 1);
  expect(smtp.deliveries[0]).toMatchObject({ labels: { who: "a'b\\c" }, recipient: { name: "O'Neill \\" } });
  const why = () => runCli(['why', message?.id ?? ''], { DATABASE_URL: database.url });
  await until(async () => (await why()).out.startsWith('sent'));
});

test('in a database that reads i as the Turkish do, addresses are compared as ASCII', { timeout: 60_000 }, async () => {
  const name = `herald_turkish_${randomBytes(4).toString('hex')}`;
  const server = new Client({ connectionString: inject('serverUrl') });
  await server.connect();
  const { rows } = await server.query<{ version: number }>(
    `SELECT current_setting('server_version_num')::int AS version`,
  );
  const icu = (rows[0]?.version ?? 0) >= 150_000;
  if (icu) await server.query(`CREATE DATABASE ${name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'`);
  await server.end();
  if (!icu) return;
  const url = new URL(inject('serverUrl'));
  url.pathname = `/${name}`;
  const pool = new Pool({ connectionString: url.href });
  onTestFinished(async () => {
    await pool.end();
    await dropDatabases(inject('serverUrl'), name);
  });
  await migrate(url.href);
  await putTemplates(pool, { greeting: greetingFile });
  await suppressAddress(pool, { method: 'smtp', address: 'info@example.com', reason: 'operator' });
  const enqueue = (email: string) =>
    createHerald().enqueue(pool, greeting, { autocommit: true, to: { id: email, email }, labels: { who: 'x' } });
  expect(await enqueue('INFO@EXAMPLE.COM')).toMatchObject([{ status: 'inhibited', reason: 'suppressed' }]);
  expect(await enqueue('IT@ISTANBUL.example')).toMatchObject([{ status: 'pending' }]);
  const found = await runCli(['messages', 'list', '--address', 'it@istanbul.example', '--json'], {
    DATABASE_URL: url.href,
  });
  expect(JSON.parse(found.out)).toHaveLength(1);
  const relay = await startSmtpServer();
  onTestFinished(() => relay.close());
  await enqueue('TWO@ISTANBUL.EXAMPLE');
  const worker = testWorker(url.href, {
    dispatchers: {
      smtp: smtp({
        ...{ host: relay.host, port: relay.port, tls: 'none', from: { address: 'noreply@acme.example' } },
        messagesPerSecondToDomain: { 'istanbul.example': 0.01 },
      }),
    },
  });
  await worker.start();
  const waiting = `SELECT FROM herald.message WHERE status = 'pending' AND next_attempt_at > now() + interval '20 seconds'`;
  await until(async () => (await pool.query(waiting)).rowCount === 1);
  await worker.stop();
  expect(relay.received()).toHaveLength(1);
  expect(await erasePerson(pool, { address: 'It@Istanbul.Example' })).toMatchObject({ erased: 1 });
});

test('a database that only reads is refused by migrate in one line', async () => {
  const database = await createTestDatabase({ empty: true });
  onTestFinished(() => database.close());
  await database.pool.query(`ALTER DATABASE ${database.name} SET default_transaction_read_only = on`);
  const refused = await runCli(['migrate'], { DATABASE_URL: database.url });
  expect(refused.code).not.toBe(0);
  expect(refused.err.trim()).toMatch(/^[^\n]*read.only[^\n]*default_transaction_read_only[^\n]*$/);
});
