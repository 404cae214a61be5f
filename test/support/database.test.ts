import { afterAll, expect, inject, test } from 'vitest';
import { createTestDatabase } from './database.ts';

const opened: { close(): Promise<void> }[] = [];
afterAll(() => Promise.all(opened.map((database) => database.close())));

async function open(...options: Parameters<typeof createTestDatabase>) {
  const database = await createTestDatabase(...options);
  opened.push(database);
  return database;
}

test('a test database is a migrated copy of its own', async () => {
  const [one, other] = await Promise.all([open(), open()]);
  await one.pool.query('CREATE TABLE only_here (id int)');
  const tables = `SELECT count(*)::int AS n FROM information_schema.tables WHERE table_schema = 'herald'`;
  const here = `SELECT to_regclass('only_here') IS NOT NULL AS here`;
  expect((await other.pool.query(tables)).rows[0].n).toBeGreaterThan(0);
  expect((await one.pool.query(here)).rows).toEqual([{ here: true }]);
  expect((await other.pool.query(here)).rows).toEqual([{ here: false }]);
});

test('many files can ask for a database at the same time', async () => {
  const databases = await Promise.all(Array.from({ length: 6 }, () => open()));
  expect(new Set(databases.map((database) => database.name)).size).toBe(6);
});

test('an empty database has no schema of ours', async () => {
  const { pool } = await open({ empty: true });
  expect((await pool.query(`SELECT to_regnamespace('herald') AS schema`)).rows).toEqual([{ schema: null }]);
});

test('close drops the database although a client is still connected', async () => {
  const database = await createTestDatabase();
  const { Client } = await import('pg');
  const visitor = new Client({ connectionString: database.url });
  visitor.on('error', () => undefined);
  await visitor.connect();
  await database.close();
  await visitor.end();
  const observer = new Client({ connectionString: inject('serverUrl') });
  await observer.connect();
  const { rows } = await observer.query('SELECT 1 FROM pg_database WHERE datname = $1', [database.name]);
  await observer.end();
  expect(rows).toEqual([]);
});
