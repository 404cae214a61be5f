/** Everything through PgBouncer: migrate, enqueue, delivery, and what is said about wake-ups that do not arrive. */
import { Client, Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, keepingLogger, scriptedDispatcher, testWorker } from '../support/application.ts';
import { missing, needing } from '../support/daemons.ts';
import { createTestDatabase } from '../support/database.ts';
import { type PgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const { skip, name } = needing(missing('pgbouncer', 'pgbouncer'));
const database = useDatabase({ templates: { greeting: greetingFile } });
let pooler: PgBouncer;
let url: string;

beforeAll(async () => {
  if (skip) return;
  pooler = await startPgBouncer(database.url);
  url = pooler.url;
});
afterAll(() => pooler?.close());

test.skipIf(skip)(
  name('behind PgBouncer in transaction mode everything is delivered by looking at intervals, which is said once'),
  async () => {
    const pool = new Pool({ connectionString: url });
    const herald = createHerald();
    const logger = keepingLogger();
    const smtp = scriptedDispatcher();
    const worker = testWorker(url, { dispatchers: { smtp }, prepareStatements: false, logger });
    await worker.start();
    for (let i = 0; i < 50; i++) {
      const client = await pool.connect();
      await client.query('BEGIN');
      await herald.enqueue(client, greeting, {
        to: { id: `u${i}`, email: `u${i}@example.com` },
        labels: { who: 'x' },
      });
      await client.query(i % 5 === 4 ? 'ROLLBACK' : 'COMMIT');
      client.release();
    }
    await until(async () => (await pool.query(`SELECT FROM herald.message WHERE status = 'sent'`)).rowCount === 40);
    await until(() => logger.lines.some((line) => line.message.startsWith('notifications do not arrive')));
    await worker.stop();
    await pool.end();
    expect(smtp.deliveries).toHaveLength(40);
    expect(logger.lines.filter((line) => line.level === 'error')).toEqual([]);
    expect(logger.lines.filter((line) => line.message.startsWith('notifications'))).toHaveLength(1);
  },
);

test.skipIf(skip)(
  name("a worker recognises the pooler, delivers, and leaves no setting in the application's sessions"),
  async () => {
    const logger = keepingLogger();
    const smtp = scriptedDispatcher();
    const worker = testWorker(url, { dispatchers: { smtp }, logger });
    await worker.start();
    const application = new Pool({ connectionString: url });
    await createHerald().enqueue(application, greeting, {
      autocommit: true,
      to: Array.from({ length: 20 }, (_, i) => ({ id: `p${i}`, email: `p${i}@example.com` })),
      labels: { who: 'x' },
    });
    await until(() => smtp.deliveries.length === 20);
    // More often than the pooler has backends.
    for (let i = 0; i < 20; i++) {
      const { rows } = await application.query<Record<string, string>>(
        `SELECT name, setting FROM pg_settings WHERE setting <> reset_val
           AND name IN ('enable_seqscan', 'jit', 'synchronous_commit', 'statement_timeout', 'lock_timeout', 'DateStyle')`,
      );
      expect(rows).toEqual([]);
    }
    await worker.stop();
    await application.end();
    expect(logger.lines.filter((line) => line.level === 'error')).toEqual([]);
    expect(logger.lines.filter((line) => line.message.startsWith('a pooler is in between'))).toHaveLength(1);
  },
);

test.skipIf(skip)(
  name('migrate leaves no lock behind, and two at once do not both run'),
  { timeout: 60_000 },
  async () => {
    const empty = await createTestDatabase({ empty: true });
    const behind = await startPgBouncer(empty.url);
    const waited: string[] = [];
    const reports = await Promise.all(
      [1, 2].map(() => migrate(behind.url, { onWait: (holder) => waited.push(holder) })),
    );
    expect(reports.filter(({ applied }) => applied.length > 0)).toHaveLength(1);
    expect(waited).toEqual([expect.stringMatching(/^process \d+ \(pg-herald migrate at 127\.0\.0\.1\)$/)]);
    const { rows } = await empty.pool.query(`SELECT query FROM pg_locks JOIN pg_stat_activity USING (pid)
      WHERE locktype = 'advisory' AND datname = current_database()`);
    expect(rows).toEqual([]);
    expect(await migrate(empty.url)).toMatchObject({ applied: [], createdMethods: [] });
    await behind.close();
    await empty.close();
  },
);

test.skipIf(skip).each([
  ['in session mode', { mode: 'session' }],
  ['that drops the options of the startup packet', { more: ['ignore_startup_parameters = options'] }],
  ['in session mode that drops them', { mode: 'session', more: ['ignore_startup_parameters = options'] }],
] as const)(name('a worker delivers behind a pooler %s, and logs no error'), async (_, options) => {
  const between = await startPgBouncer(database.url, options);
  const logger = keepingLogger();
  const smtp = scriptedDispatcher();
  const worker = testWorker(between.url, { dispatchers: { smtp }, logger });
  await worker.start();
  const client = new Client({ connectionString: between.url });
  await client.connect();
  await client.query('BEGIN');
  await createHerald().enqueue(client, greeting, { to: { id: 'a', email: 'a@example.com' }, labels: { who: 'x' } });
  await client.query('COMMIT');
  await until(() => smtp.deliveries.length === 1);
  expect((await worker.health()).ready).toBe(true);
  await worker.stop();
  await client.end();
  await between.close();
  expect(logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
});
