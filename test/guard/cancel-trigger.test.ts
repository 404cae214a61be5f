/** A deleted row takes what is about it along, in its own transaction. */
import { beforeEach, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile } from '../support/application.ts';
import { runCli } from '../cli/support.ts';
import { useDatabase } from '../support/use-database.ts';

const database = useDatabase({
  templates: { greeting: greetingFile },
  prepare: (pool) =>
    pool.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.workspace (id integer PRIMARY KEY, name text, deleted_at timestamptz, archived boolean);
    CREATE TABLE app.pair (a int, b int, PRIMARY KEY (a, b))`),
});
const herald = createHerald();

beforeEach(() =>
  database.pool.query(`TRUNCATE herald.message, app.workspace; DELETE FROM herald_queue.job;
    INSERT INTO app.workspace SELECT i, 'w' || i FROM generate_series(1, 4) i`),
);

const cli = (...args: string[]) => runCli(['cancel-with', ...args], { DATABASE_URL: database.url });

async function enqueueAll() {
  for (const target of ['1', '2', '3', '4'])
    await herald.enqueue(database.pool, greeting, {
      autocommit: true,
      to: { id: `owner-${target}`, email: 'ada@example.com' },
      labels: { who: 'Ada' },
      targets: [target, 'organization'],
      delaySeconds: 3600,
    });
}

async function cancelled() {
  const { rows } = await database.pool.query<{ target: string }>(
    `SELECT targets[1] AS target FROM herald.message
     WHERE status = 'cancelled' AND reason = 'subject_deleted' AND settled_at IS NOT NULL ORDER BY 1`,
  );
  return rows.map(({ target }) => target);
}

test('what is about deleted rows is cancelled with them, whatever their number, and its jobs are gone', async () => {
  expect((await cli('app.workspace')).out).toBe(
    'app.workspace: when a row is deleted what has its id as a target is cancelled\n',
  );
  await enqueueAll();
  await database.pool.query('DELETE FROM app.workspace WHERE id IN (1, 3)');
  expect(await cancelled()).toEqual(['1', '3']);
  expect((await database.pool.query('SELECT FROM herald_queue.job')).rowCount).toBe(2);
});

test('a deletion that is rolled back cancels nothing', async () => {
  await cli('app.workspace');
  await enqueueAll();
  await database.pool.query('BEGIN; DELETE FROM app.workspace; ROLLBACK');
  expect(await cancelled()).toEqual([]);
});

test.each([
  ['deleted_at', 'now()'],
  ['archived', 'true'],
])('a row that is marked as deleted by %s counts, other changes do not', async (column, value) => {
  const installed = await cli('app.workspace', '--soft', column);
  expect(installed.out).toContain(`or ${column} is set,`);
  await enqueueAll();
  await database.pool.query(`UPDATE app.workspace SET name = 'other'`);
  expect(await cancelled()).toEqual([]);
  await database.pool.query(`UPDATE app.workspace SET ${column} = ${value} WHERE id = 2`);
  expect(await cancelled()).toEqual(['2']);
  await database.pool.query('DELETE FROM app.workspace WHERE id = 4');
  expect(await cancelled()).toEqual(['2', '4']);
});

test('printing changes nothing, and removing ends it', async () => {
  await cli('app.workspace');
  await cli('app.workspace', '--remove');
  const printed = await cli('app.workspace', '--soft', 'deleted_at', '--print');
  expect(printed.out).toMatch(/CREATE TRIGGER herald_cancel_with_deleted AFTER DELETE ON app\.workspace/);
  expect(printed.out).toMatch(/WHEN \(NEW\."deleted_at" IS NOT NULL AND OLD\."deleted_at" IS NULL\)/);
  await enqueueAll();
  await database.pool.query('DELETE FROM app.workspace');
  expect(await cancelled()).toEqual([]);
});

test.each([
  [['app.missing'], /there is no table "app\.missing"/],
  [['herald.message'], /there is no table "herald\.message" of the application/],
  [['app.pair'], /no primary key of one column; name the column with --id/],
  [['app.workspace', '--id', 'nope'], /has no column "nope"; it has id, name, deleted_at, archived/],
  [['app.workspace', '--soft', 'archived', '--remove'], /--soft or --remove, not both/],
])('%j is refused with one line', async (args, message) => {
  const { code, err } = await cli(...args);
  expect(code).toBe(2);
  expect(err).toMatch(message);
  expect(err.trim().split('\n')).toHaveLength(1);
});

test('a role that may only delete rows needs no other right', async () => {
  await cli('app.workspace');
  await enqueueAll();
  const client = await database.pool.connect();
  try {
    await client.query(`CREATE ROLE deleter_${process.pid}; GRANT USAGE ON SCHEMA app TO deleter_${process.pid};
      GRANT SELECT, DELETE ON app.workspace TO deleter_${process.pid}; SET ROLE deleter_${process.pid};
      DELETE FROM app.workspace WHERE id = 1; RESET ROLE;
      DROP OWNED BY deleter_${process.pid}; DROP ROLE deleter_${process.pid}`);
  } finally {
    client.release();
  }
  expect(await cancelled()).toEqual(['1']);
});
