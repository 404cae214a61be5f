/** Workers on machines whose clock is wrong: the database alone decides what is due and what is too late. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Deferral } from '../../src/dispatch/dispatcher.ts';
import type { WorkerOptions } from '../../src/delivery/options.ts';
import type { Worker } from '../../src/delivery/worker.ts';
import { webhook } from '../../src/dispatch/webhook/webhook.ts';
import { addEndpoint, box } from '../dispatch/webhook/endpoints/table.ts';
import { secret } from '../dispatch/support.ts';
import { greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { startHttpServer, type TestHttpServer } from '../support/http-server.ts';
import { startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/wait.ts';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';

const hour = 3_600_000;
const database = useDatabase({ templates: { greeting: greetingFile } });
let receiver: TestHttpServer;
let worker: Worker | null = null;
beforeAll(async () => {
  receiver = await startHttpServer();
});
afterEach(async () => {
  await worker?.stop();
  worker = null;
  vi.unstubAllGlobals();
  receiver.clear();
  await database.pool.query('TRUNCATE herald.message, herald.attempt, herald.endpoint; DELETE FROM herald_queue.job');
});
afterAll(async () => {
  await receiver.close();
});

/** From now on this process believes that it is so much later. */
function shiftClock(ms: number): void {
  vi.stubGlobal(
    'Date',
    new Proxy(Date, {
      construct: (target, values) => Reflect.construct(target, values.length === 0 ? [target.now() + ms] : values),
      get: (target, name) => (name === 'now' ? () => target.now() + ms : Reflect.get(target, name)),
    }),
  );
}

async function enqueue(count: number, method: string, more: object = {}): Promise<void> {
  const to = Array.from({ length: count }, (_, n) => ({ id: `u${n}`, email: `u${n}@example.com` }));
  await database.pool.query('SELECT herald.enqueue($1::jsonb)', [
    JSON.stringify({ template: 'greeting', to, labels: { who: 'Ada' }, methods: [method], ...more }),
  ]);
}

async function deliver(dispatchers: WorkerOptions['dispatchers']): Promise<void> {
  worker = testWorker(database.url, { dispatchers });
  await worker.start();
}

const allSent = (count: number, timeoutMs = 15_000) =>
  until(
    async () =>
      (await database.pool.query(`SELECT FROM herald.message WHERE status = 'sent' AND attempts = 1`)).rowCount ===
      count,
    { timeoutMs, what: 'everything to be sent' },
  );

describe.each([
  { clock: 'an hour ahead', ms: hour },
  { clock: 'an hour behind', ms: -hour },
])('a worker whose clock is $clock', ({ ms }) => {
  beforeEach(() => shiftClock(ms));

  test('goes on with a message that has not expired', async () => {
    await enqueue(1, 'smtp', { ttlSeconds: 600 });
    const slow = scriptedDispatcher(async (_, { signal }) => {
      // Longer than the worker takes to look for what is too late.
      await sleep(3000, undefined, { signal });
      return { outcome: 'sent' };
    });
    await deliver({ smtp: slow });
    await allSent(1);
  });

  test('and ends it when it expires', async () => {
    await enqueue(1, 'smtp', { ttlSeconds: 4 });
    let aborted = false;
    const hangs = scriptedDispatcher(async (_, { signal }) => {
      await sleep(60_000, undefined, { signal }).catch(() => (aborted = true));
      return { outcome: 'unknown', reason: 'deadline', detail: 'it took too long' };
    });
    await deliver({ smtp: hangs });
    await until(() => aborted);
    expect(hangs.deliveries.length).toBe(1);
  });

  test('takes again in a moment what was admitted and found no slot', async () => {
    await enqueue(8, 'smtp');
    let admissions = 0;
    const later = new Map<string, Deferral>();
    const narrow = scriptedDispatcher(
      async () => {
        await sleep(100);
        return { outcome: 'sent' };
      },
      {
        concurrency: 1,
        async admit(ids) {
          admissions += 1;
          // The first to come waits; from then on more are leased than there are slots for.
          if (later.size > 0) return new Map();
          const { rows } = await database.pool.query<{ at: Date }>(`SELECT now() + interval '1 second' AS at`);
          for (const id of ids) later.set(id, { at: rows[0]?.at ?? new Date(), detail: 'waits' });
          return later;
        },
      },
    );
    await deliver({ smtp: narrow });
    await allSent(8);
    expect(admissions).toBeLessThan(30);
  });

  test('tries messages that outlived two workers one after the other', async () => {
    await enqueue(3, 'smtp');
    await database.pool.query('UPDATE herald.message SET crashes = 2');
    await deliver({ smtp: scriptedDispatcher() });
    await allSent(3, 30_000);
  });

  test('keeps the rate of a relay', async () => {
    await enqueue(6, 'smtp');
    const relay = await startSmtpServer();
    try {
      const from = { name: 'Acme', address: 'noreply@acme.example' };
      await deliver({
        smtp: smtp({ host: '127.0.0.1', port: relay.port, tls: 'none', from, messagesPerSecond: 2 }),
      });
      const startedAt = performance.now();
      await allSent(6);
      // A bucket of two, and two a second.
      expect(performance.now() - startedAt).toBeGreaterThan(1500);
    } finally {
      await relay.close();
    }
  });

  test('keeps to the limit of an endpoint, and probes one whose circuit is open', async () => {
    const open = { opened_at: new Date(0), probe_at: new Date(0), failing_since: new Date(0), failures: 5, faults: 5 };
    await addEndpoint(database.pool, { url: receiver.url, secret }, { max_concurrency: 1, ...open });
    await enqueue(3, 'webhook');
    await deliver({ webhook: webhook({ endpoints: { secrets: box }, egress: { allowCidrs: ['127.0.0.1'] } }) });
    await allSent(3, 30_000);
    const { rows } = await database.pool.query('SELECT opened_at, window_at > now() AS ahead FROM herald.endpoint');
    expect(rows).toEqual([{ opened_at: null, ahead: false }]);
  });
});
