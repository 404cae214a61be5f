/** Runs the SQL of docs/scaling.md that partitions the messages, unchanged, on a database in use. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { purge } from '../../src/operate/purge.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const page = readFileSync(new URL('../../docs/scaling.md', import.meta.url), 'utf8');

/** The block of SQL that begins with this comment. */
function sqlOf(name: string): string {
  const block = new RegExp(`\`\`\`sql\n-- scaling: ${name}\n([\\s\\S]*?)\`\`\``).exec(page)?.[1];
  if (block === undefined) throw new Error(`docs/scaling.md has no block "${name}"`);
  return block;
}

const database = useDatabase({ templates: { greeting: greetingFile } });
const herald = createHerald();

const enqueue = (n: number, dedupeKey?: string) =>
  herald.enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id: `u${n}`, email: `u${n}@example.com` },
    labels: { who: 'Ada' },
    ...(dedupeKey !== undefined && { dedupeKey }),
  });

async function deliverAll(): Promise<number> {
  const smtp = scriptedDispatcher();
  const worker = testWorker(database.url, { dispatchers: { smtp } });
  await worker.start();
  await until(async () => {
    const { rows } = await database.pool.query('SELECT FROM herald.message WHERE settled_at IS NULL');
    return rows.length === 0;
  });
  await worker.stop();
  return smtp.deliveries.length;
}

const partitions = async () => {
  const { rows } = await database.pool.query<{ name: string; n: number }>(
    `SELECT tableoid::regclass::text AS name, count(*)::int AS n FROM herald.message GROUP BY 1 ORDER BY 1`,
  );
  return Object.fromEntries(rows.map(({ name, n }) => [name, n]));
};

test('after partitioning by month, waiting messages are delivered, dedupe works across partitions, and a month can be dropped', async () => {
  const [first] = await enqueue(1, 'kept');
  expect(await deliverAll()).toBe(1);
  await enqueue(2, 'waits');
  await enqueue(3);

  await database.pool.query(sqlOf('prepare'));
  await database.pool.query(`BEGIN; ${sqlOf('partition')}; COMMIT`);
  expect(await partitions()).toEqual({ 'herald.message_before': 3 });

  // The same key makes no second message, within a call and over the boundary.
  expect(await enqueue(1, 'kept')).toMatchObject([{ id: first?.id, deduplicated: true, status: 'sent' }]);
  expect(await enqueue(4, 'new')).toMatchObject([{ deduplicated: false }]);
  expect(await enqueue(4, 'new')).toMatchObject([{ deduplicated: true }]);
  expect(await deliverAll()).toBe(3);

  // As in the months to come: ids from then on lie in partitions of their own.
  await database.pool.query(
    `UPDATE herald.message SET id = herald.first_id(now() + interval '40 days') WHERE recipient_id = 'u3'`,
  );
  const [moved] = Object.keys(await partitions()).filter((name) => name !== 'herald.message_before');
  expect(moved).toMatch(/^herald\.message_\d{4}_\d{2}$/);

  const plan = await database.pool.query(
    `EXPLAIN SELECT FROM herald.message WHERE id = herald.first_id(now() + interval '40 days')`,
  );
  expect(plan.rows.map((row) => row['QUERY PLAN']).join('\n')).not.toContain('message_before');

  await database.pool.query(sqlOf('drop'));
  expect(await partitions()).toEqual({ [moved ?? '']: 1 });
  expect(await enqueue(1, 'kept')).toMatchObject([{ deduplicated: false }]);
  expect(await deliverAll()).toBe(1);
  expect(await purge(database.pool, { before: new Date(Date.now() + 1000) })).toBe(2);
  expect((await database.pool.query('SELECT FROM herald.message_key')).rowCount).toBeLessThanOrEqual(1);
});
