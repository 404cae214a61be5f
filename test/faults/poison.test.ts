/** Messages that end the process that delivers them, in real processes that are started again whenever they die. */
import { afterAll, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, putTemplates } from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { programs } from '../support/processes.ts';
import { skipUnknownWaits } from '../support/unknown-waits.ts';
import { until } from '../support/wait.ts';

const herald = createHerald();
const databases: TestDatabase[] = [];
afterAll(() => Promise.all(databases.map((database) => database.close())));
const start = programs(afterAll);

/** One for each test: most of their time is waiting for leases to run out, so they run side by side. */
async function openDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  databases.push(database);
  await putTemplates(database.pool, { greeting: greetingFile });
  // Leases of 6 s instead of 15 s: each of these messages costs five of them.
  await database.pool.query('UPDATE herald_queue.queue SET heartbeat_seconds = 6');
  return database;
}

const enqueue = ({ pool }: TestDatabase, who: string, from: number, count: number) =>
  herald.enqueue(pool, greeting, {
    autocommit: true,
    to: Array.from({ length: count }, (_, i) => ({ id: `u${from + i}`, email: `u${from + i}@example.com` })),
    labels: { who },
  });

/** Runs a worker and starts it again, twelve times at most, for as long as the work goes on. Answers how often it died. */
async function supervised({ url }: TestDatabase, work: () => Promise<unknown>): Promise<number> {
  let over = false;
  let deaths = 0;
  const lives = (async () => {
    while (!over && deaths < 12) {
      const program = start(new URL('../delivery/worker-program.ts', import.meta.url), {
        env: {
          HERALD_TEST_WORKER: JSON.stringify({ url, poisonable: true, watchdogSeconds: 3 }),
          NODE_OPTIONS: '--max-old-space-size=80',
        },
      });
      await until(() => over || !program.running(), { timeoutMs: 250_000, intervalMs: 50 });
      if (over) await program.kill('SIGTERM');
      else deaths += 1;
    }
  })();
  try {
    await work();
  } finally {
    over = true;
    await lives;
  }
  return deaths;
}

test.concurrent.each(['throws', 'hangs', 'eats memory'])(
  'a message that %s fails alone, those beside it and behind it are sent',
  async (how) => {
    const database = await openDatabase();
    await enqueue(database, 'Ada', 0, 10);
    const [poison] = await enqueue(database, how, 10, 1);
    await enqueue(database, 'Ada', 11, 100);
    const left = () =>
      database.pool.query(`SELECT status FROM herald.message WHERE settled_at IS NULL`).then((r) => r.rowCount);
    const deaths = await supervised(database, () =>
      until(
        async () => {
          await skipUnknownWaits(database.pool);
          return (await left()) === 0;
        },
        { timeoutMs: 240_000, intervalMs: 250 },
      ),
    );
    const rows = await database.pool.query(
      `SELECT id, status, reason, counted FROM herald.message WHERE status <> 'sent'`,
    );
    expect(rows.rows).toEqual([{ id: poison?.id, status: 'failed', reason: 'worker_lost', counted: 1 }]);
    expect(deaths).toBe(3);
    const innocent = await database.pool.query(
      'SELECT count(*)::int AS n FROM herald.attempt WHERE counted AND outcome <> $1 AND message_id <> $2',
      ['sent', poison?.id],
    );
    expect(innocent.rows).toEqual([{ n: 0 }]);
  },
);
