/** Jobs that a fast worker leases ahead of its slots. */
import { expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../../src/database/database.ts';
import { createErrorReporter } from '../../../src/delivery/database-errors.ts';
import { createPrefetch } from '../../../src/delivery/jobs/prefetch.ts';
import { createRequeue } from '../../../src/delivery/jobs/requeue.ts';
import type { DispatchResult } from '../../../src/dispatch/dispatcher.ts';
import { createHerald } from '../../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, keepingLogger, scriptedDispatcher, testWorker } from '../../support/application.ts';
import { openTestQueue } from '../open-queue.ts';
import { useDatabase } from '../../support/use-database.ts';
import { until } from '../../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

/** In a transaction, which ends with the test at the latest. */
const lockingClient = async () => {
  const client = await database.pool.connect();
  onTestFinished(() => client.release(true));
  await client.query('BEGIN');
  return client;
};

const enqueue = (count: number) => {
  const to = Array.from({ length: count }, (_, i) => ({
    id: `u${i}`,
    email: `u${i}@example.com`,
  }));
  return createHerald().enqueue(database.pool, greeting, { autocommit: true, to, labels: { who: 'all' } });
};

const activeJobs = async () => {
  const { rows } = await database.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM herald_queue.job WHERE state = 'active'`,
  );
  return rows[0]?.n;
};

test('what a worker has leased ahead goes to others when it stops, and is given back when its method is paused', async () => {
  const count = 1500;
  await enqueue(count);
  let mostActive = 0;
  const smtp = scriptedDispatcher(() => ({ outcome: 'sent' }), {
    concurrency: 4,
  });
  const first = testWorker(database.url, { dispatchers: { smtp } });
  await first.start();
  await until(async () => {
    mostActive = Math.max(mostActive, (await activeJobs()) ?? 0);
    return smtp.deliveries.length > 300;
  });
  await first.stop();
  const stoppedAt = smtp.deliveries.length;
  expect(stoppedAt).toBeLessThan(count);
  // More than slots and results that wait to be recorded: it did lease ahead.
  expect(mostActive).toBeGreaterThan(8);
  expect(await activeJobs()).toBe(0);

  const second = testWorker(database.url, { dispatchers: { smtp } });
  await second.start();
  await until(() => smtp.deliveries.length > stoppedAt + 300);
  await database.pool.query(`UPDATE herald.method SET paused_at = now(), pause_kind = 'operator' WHERE name = 'smtp'`);
  await database.pool.query(`SELECT pg_notify('herald', '*')`);
  await until(async () => (await activeJobs()) === 0);
  expect(smtp.deliveries.length).toBeLessThan(count);
  await database.pool.query(`UPDATE herald.method SET paused_at = NULL, pause_kind = NULL WHERE name = 'smtp'`);
  await database.pool.query(`SELECT pg_notify('herald', '*')`);
  await until(async () => {
    const { rows } = await database.pool.query('SELECT FROM herald.message WHERE settled_at IS NULL LIMIT 1');
    return rows.length === 0;
  });
  await second.stop();
  expect(new Set(smtp.deliveries.map(({ messageId }) => messageId)).size).toBe(count);
  expect(smtp.deliveries).toHaveLength(count);
});

test('a return of jobs waits for one that is under way, so that a worker that stops leaves nothing leased', async () => {
  const logger = keepingLogger();
  const connectionString = database.url;
  const own = openDatabase(
    {
      connectionString,
      applicationName: 'w',
      maxConnections: 2,
      prepare: true,
    },
    () => undefined,
  );
  const { queue, queuePool, close } = await openTestQueue(connectionString, logger);
  const method = 'smtp';
  const prefetch = createPrefetch({
    method,
    queue,
    requeue: createRequeue({ method, queue, queuePool, database: own }),
    errors: createErrorReporter(logger),
  });
  await enqueue(200);
  await prefetch.take(100, { ahead: true });
  await prefetch.take(1, { ahead: true });
  expect(await activeJobs()).toBeGreaterThan(101);

  const locking = await lockingClient();
  await locking.query('LOCK TABLE herald.message');
  const paused = prefetch.giveBack(0);
  let stopped = false;
  const stopping = prefetch.giveBack(0).then(() => (stopped = true));
  await until(async () => {
    const waits = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    return (await database.pool.query(waits)).rowCount;
  });
  expect(stopped).toBe(false);
  await locking.query('COMMIT');
  await Promise.all([paused, stopping]);
  expect(await activeJobs()).toBe(101);
  expect(logger.lines).toEqual([]);
  await close();
  await own.pool.end();
  await database.pool.query('TRUNCATE herald.message, herald.attempt; DELETE FROM herald_queue.job');
});

test('a locked job that is leased ahead does not hold up the heartbeats of what is under way', async () => {
  await enqueue(3000);
  let gate = Promise.withResolvers<DispatchResult>();
  let shut = false;
  let waiting = 0;
  const open = () => {
    shut = false;
    waiting = 0;
    gate.resolve({ outcome: 'sent' });
  };
  const dispatch = () => {
    if (!shut) return { outcome: 'sent' } as const;
    waiting += 1;
    return gate.promise;
  };
  const smtp = scriptedDispatcher(dispatch, { concurrency: 4 });
  const worker = testWorker(database.url, { dispatchers: { smtp } });
  await worker.start();
  onTestFinished(() => worker.stop());
  const locking = await lockingClient();
  await until(async () => {
    gate = Promise.withResolvers<DispatchResult>();
    shut = true;
    await until(() => waiting === 4);
    const locked = await locking.query(
      `SELECT FROM herald_queue.job j JOIN herald.message m USING (id) WHERE j.state = 'active' AND m.status = 'pending' FOR UPDATE OF j`,
    );
    if (locked.rowCount === 0) open();
    return locked.rowCount;
  });
  const { rows: since } = await database.pool.query<{ at: Date }>('SELECT clock_timestamp() AS at');
  // Jobs that have waited for a second are given back, which cannot be done now.
  await until(async () => {
    const { rows } = await database.pool.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM herald_queue.job j JOIN herald.message m USING (id)
       WHERE m.status = 'sending' AND j.heartbeat_on > $1::timestamptz + interval '1.5 seconds'`,
      [since[0]?.at],
    );
    return rows[0]?.n === 4;
  });
  await locking.query('ROLLBACK');
  open();
});
