/** Any role that may connect can notify the worker's channel. */
import { Client } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { throttled } from '../../src/delivery/clock.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

test('throttled work runs at once, then once for all calls of an interval, and never twice at a time', async () => {
  let runs = 0;
  let running = 0;
  const throttle = throttled(50, async () => {
    runs += 1;
    expect(++running).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    running -= 1;
  });
  throttle.call();
  expect(runs).toBe(1);
  for (let i = 0; i < 1000; i += 1) throttle.call();
  await until(() => runs === 2);
  expect(runs).toBe(2);
  throttle.call();
  throttle.stop();
  await until(() => running === 0);
  expect(runs).toBe(2);
});

test.each(['*', 'smtp'])(
  'a flood of NOTIFY %s costs a few statements a second, and emails are still sent',
  async (payload) => {
    const smtp = scriptedDispatcher();
    const worker = testWorker(database.url, { dispatchers: { smtp }, pollSeconds: 60, superviseSeconds: 60 });
    await worker.start();
    onTestFinished(() => worker.stop());
    const stranger = new Client({ connectionString: database.url });
    await stranger.connect();
    onTestFinished(() => stranger.end());
    const polls = async () => {
      await database.pool.query('SELECT pg_stat_clear_snapshot()');
      const { rows } = await database.pool.query<{ n: string }>(
        'SELECT xact_commit + xact_rollback AS n FROM pg_stat_database WHERE datname = current_database()',
      );
      return Number(rows[0]?.n);
    };
    const before = await polls();
    const startedAt = performance.now();
    let sent = 0;
    while (performance.now() - startedAt < 4000) {
      await stranger.query(`NOTIFY herald, '${payload}'`);
      sent += 1;
    }
    // The statistics are a second behind.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const others = (await polls()) - before - sent;
    expect(sent).toBeGreaterThan(200);
    expect(others).toBeLessThan(200);
    await createHerald().enqueue(database.pool, greeting, {
      autocommit: true,
      to: { id: 'u', email: 'u@example.com' },
      labels: { who: 'x' },
    });
    await until(() => smtp.deliveries.length === 1, { timeoutMs: 5000 });
  },
);
