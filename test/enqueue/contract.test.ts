/** herald.enqueue writes pg-boss's job rows itself. They must equal those that pg-boss writes, column by column. */
import { PgBoss } from 'pg-boss';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { queueSchema } from '../../src/queue/options.ts';
import { greeting, greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
let boss: PgBoss;
const herald = createHerald();

beforeAll(async () => {
  boss = new PgBoss({
    connectionString: database.url,
    schema: queueSchema,
    migrate: false,
    supervise: false,
    schedule: false,
    registerInstance: false,
    max: 2,
  });
  await boss.start();
});
afterAll(async () => {
  await boss.stop({ graceful: false });
});

async function rowOf(id: string): Promise<Record<string, unknown>> {
  const result = await database.pool.query(
    `SELECT tableoid::regclass::text AS partition, j.* FROM ${queueSchema}.job j WHERE id = $1`,
    [id],
  );
  return result.rows[0];
}

test.each<[string, { sendAt?: Date; priority?: number }]>([
  ['due at once', {}],
  ['with a priority', { priority: 7 }],
  ['scheduled', { sendAt: new Date(Date.now() + 86_400_000) }],
])('a job %s is what pg-boss would have written', async (_, { sendAt, priority }) => {
  const client = await database.pool.connect();
  await client.query('BEGIN');
  const [message] = await herald.enqueue(client, greeting, {
    to: { id: 'ada', email: 'ada@example.com' },
    labels: { who: 'x' },
    ...(sendAt && { sendAt }),
    ...(priority !== undefined && { priority }),
  });
  const ours = message?.id ?? '';
  const theirs = crypto.randomUUID();
  // In one transaction, so that both read the same clock.
  const db = { executeSql: (text: string, values?: unknown[]) => client.query(text, values) };
  await boss.insert(
    'smtp',
    [{ id: theirs, ...(priority !== undefined && { priority }), ...(sendAt && { startAfter: sendAt.toISOString() }) }],
    { db },
  );
  await client.query('COMMIT');
  client.release();
  expect(await rowOf(ours)).toEqual({ ...(await rowOf(theirs)), id: ours });
  await database.pool.query(`DELETE FROM ${queueSchema}.job WHERE id = $1`, [ours]);
  await database.pool.query('SELECT herald.ensure_jobs(ARRAY[$1::uuid])', [ours]);
  const { created_on, start_after, keep_until, ...woken } = await rowOf(ours);
  expect(await rowOf(theirs)).toMatchObject({ ...woken, id: theirs });
  expect([created_on, start_after, keep_until].every((date) => date instanceof Date)).toBe(true);
});

test("a pg-boss of the host application's own is not touched", async () => {
  const own = new PgBoss({
    connectionString: database.url,
    schema: 'pgboss',
    supervise: false,
    schedule: false,
    max: 2,
  });
  await own.start();
  await own.createQueue('smtp');
  await herald.enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id: 'ada', email: 'ada@example.com' },
    labels: { who: 'x' },
  });
  expect(await own.fetch('smtp')).toEqual([]);
  await own.stop({ graceful: false });
});
