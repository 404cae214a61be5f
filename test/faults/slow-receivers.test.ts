/** Receivers that take longer than a lease lasts without a sign of life (15 s), and more messages than slots. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

test('a worker leases no more than it has slots for, and a receiver that takes 20 s costs no lease and no second email', async () => {
  const concurrency = 5;
  const count = 40;
  const to = Array.from({ length: count }, (_, i) => ({ id: `u${i}`, email: `u${i}@example.com` }));
  await createHerald().enqueue(database.pool, greeting, { autocommit: true, to, labels: { who: 'all' } });
  const smtp = scriptedDispatcher(
    async ({ recipient }) => {
      // The receivers of the first messages; each of the others takes a moment.
      await sleep(['u0', 'u1', 'u2', 'u3'].includes(recipient.id) ? 20_000 : 50);
      return { outcome: 'sent' };
    },
    { concurrency },
  );
  // Two, so that a lease that ran out would be taken at once.
  const workers = [
    testWorker(database.url, { dispatchers: { smtp } }),
    testWorker(database.url, { dispatchers: { smtp } }),
  ];
  await Promise.all(workers.map((worker) => worker.start()));
  let most = 0;
  await until(
    async () => {
      const { rows } = await database.pool.query<{ active: number; open: number }>(
        `SELECT (SELECT count(*) FROM herald_queue.job j JOIN herald.message m USING (id) WHERE j.state = 'active' AND m.settled_at IS NULL)::int AS active,
          (SELECT count(*) FROM herald.message WHERE settled_at IS NULL)::int AS open`,
      );
      most = Math.max(most, rows[0]?.active ?? 0);
      return rows[0]?.open === 0;
    },
    { timeoutMs: 60_000, intervalMs: 50 },
  );
  await Promise.all(workers.map((worker) => worker.stop()));
  // What has ended may wait to be recorded while the next is dispatched: as many again, never more.
  expect(most).toBeLessThanOrEqual(workers.length * concurrency * 2);
  expect(smtp.deliveries).toHaveLength(count);
  const { rows } = await database.pool.query('SELECT outcome, count(*)::int AS n FROM herald.attempt GROUP BY 1');
  expect(rows).toEqual([{ outcome: 'sent', n: count }]);
});
