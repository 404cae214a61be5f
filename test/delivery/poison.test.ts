/** Who pays when a worker dies: what was beside the culprit goes on, and only what dies alone is given up. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Worker } from '../../src/delivery/worker.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { skipUnknownWaits } from '../support/unknown-waits.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
let worker: Worker | null = null;
const herald = createHerald();

beforeEach(async () => {
  await database.pool.query('TRUNCATE herald.message, herald.attempt');
  await database.pool.query('DELETE FROM herald_queue.job');
});
afterEach(async () => {
  await worker?.stop();
  worker = null;
});

async function enqueue(count: number, method: 'smtp' | 'webhook' = 'smtp'): Promise<string[]> {
  const messages = await herald.enqueue(database.pool, greeting, {
    autocommit: true,
    to: Array.from({ length: count }, (_, i) => ({ id: `u${i}`, email: `u${i}@example.com` })),
    labels: { who: 'x' },
    methods: [method],
  });
  return messages.map((message) => message.id);
}

/** As a worker leaves messages when it is killed: jobs leased, attempts open, last heartbeat long ago. */
async function leaveBehind(ids: readonly string[], crashes: number): Promise<void> {
  await database.pool.query(
    `UPDATE herald_queue.job SET state = 'active', started_on = now() - interval '1 minute', heartbeat_on = now() - interval '1 minute' WHERE id = ANY ($1)`,
    [ids],
  );
  await database.pool.query(
    `UPDATE herald.message SET status = 'sending', attempts = $2 + 1, crashes = $2, unknowns = $2, leased_by = 'dead', attempt_started_at = now() - interval '1 minute' WHERE id = ANY ($1)`,
    [ids, crashes],
  );
}

/** The messages by status; those of lost workers need not wait for their five minutes. */
const rows = async () => {
  await skipUnknownWaits(database.pool);
  return (
    await database.pool.query(
      'SELECT status, reason, counted, crashes, count(*)::int AS n FROM herald.message GROUP BY 1, 2, 3, 4 ORDER BY 1',
    )
  ).rows;
};

describe('messages of a worker that died', () => {
  test('are counted nothing the first time, and go on side by side', async () => {
    await leaveBehind(await enqueue(8), 0);
    let atOnce = 0;
    let most = 0;
    const smtp = scriptedDispatcher(async () => {
      most = Math.max(most, ++atOnce);
      await until(() => most === 8, { timeoutMs: 5000 });
      atOnce -= 1;
      return { outcome: 'sent' };
    });
    worker = testWorker(database.url, { dispatchers: { smtp } });
    await worker.start();
    await until(async () => expect(await rows()).toMatchObject([{ status: 'sent', counted: 1, n: 8 }]), {
      timeoutMs: 15_000,
    });
    const unknown = await database.pool.query(`SELECT DISTINCT counted FROM herald.attempt WHERE outcome = 'unknown'`);
    expect(unknown.rows).toEqual([{ counted: false }]);
  });

  test('are tried one by one after the second time, with nothing else in flight in the whole worker', async () => {
    const suspects = new Set(await enqueue(3));
    await leaveBehind([...suspects], 1);
    await enqueue(40);
    await enqueue(40, 'webhook');
    let atOnce = 0;
    const besides: number[] = [];
    const busy = scriptedDispatcher(
      async ({ messageId }) => {
        atOnce += 1;
        const before = atOnce;
        await new Promise((resolve) => setTimeout(resolve, 15));
        if (suspects.has(messageId)) besides.push(Math.max(before, atOnce) - 1);
        atOnce -= 1;
        return { outcome: 'sent' };
      },
      { concurrency: 5 },
    );
    worker = testWorker(database.url, { dispatchers: { smtp: busy, webhook: busy } });
    await worker.start();
    await until(async () => expect(await rows()).toMatchObject([{ status: 'sent', counted: 1, n: 83 }]), {
      timeoutMs: 40_000,
    });
    expect(besides).toEqual([0, 0, 0]);
  });

  test('fail after three attempts with unknown outcomes, and are tried once more for an operator', async () => {
    const [poison = '', ...others] = await enqueue(4);
    await leaveBehind([poison], 2);
    await leaveBehind(others, 0);
    worker = testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() } });
    await worker.start();
    await until(
      async () =>
        expect(await rows()).toMatchObject([
          { status: 'failed', reason: 'worker_lost', crashes: 3, n: 1 },
          { status: 'sent', n: 3 },
        ]),
      { timeoutMs: 15_000 },
    );
    await database.pool.query('SELECT herald.retry($1)', [[poison]]);
    await until(async () => expect(await rows()).toMatchObject([{ status: 'sent', n: 4 }]), { timeoutMs: 15_000 });
  });

  test('count their deaths anew once an attempt has ended', async () => {
    await leaveBehind(await enqueue(1), 1);
    const answers = ['retry', 'sent'];
    const smtp = scriptedDispatcher(() =>
      answers.shift() === 'retry'
        ? { outcome: 'retry', reason: 'server_error', detail: 'busy', retryAfterSeconds: 3600 }
        : { outcome: 'sent' },
    );
    worker = testWorker(database.url, { dispatchers: { smtp } });
    await worker.start();
    await until(
      async () =>
        expect(await rows()).toMatchObject([{ status: 'pending', reason: 'server_error', crashes: 0, counted: 1 }]),
      { timeoutMs: 15_000 },
    );
  });
});
