import { afterAll, beforeAll, expect, test } from 'vitest';
import { withClient, transaction } from '../../src/database/pool.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
  await database.pool.query('CREATE TABLE t (n integer)');
});
afterAll(() => database.close());

test('a connection that is cut while it is borrowed fails its work and ends nothing else', async () => {
  const cut = transaction(database.pool, async (client) => {
    await client.query('INSERT INTO t VALUES (1)');
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
    const end = new Promise((resolve) => client.once('end', resolve));
    await database.pool.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
    await end;
    await client.query('INSERT INTO t VALUES (2)');
  });
  await expect(cut).rejects.toThrow(/terminated|not queryable/);
  expect((await database.pool.query('SELECT * FROM t')).rows).toEqual([]);
});

test('a transaction commits its work, and leaves nothing behind where it failed', async () => {
  await transaction(database.pool, (client) => client.query('INSERT INTO t VALUES (3)'));
  await expect(
    transaction(database.pool, async (client) => {
      await client.query('INSERT INTO t VALUES (4)');
      await client.query('SELECT 1 / 0');
    }),
  ).rejects.toThrow('division by zero');
  expect((await database.pool.query('SELECT * FROM t')).rows).toEqual([{ n: 3 }]);
});

test('a broken connection is closed', async () => {
  const pid = async (isGood: boolean) =>
    withClient(
      database.pool,
      async (client) => (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid,
      () => isGood,
    );
  const first = await pid(true);
  expect(await pid(false)).toBe(first);
  expect(await pid(true)).not.toBe(first);
});
