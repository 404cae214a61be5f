/** RateLimits over all replicas: who may go, who waits and how long, and what a real worker then does. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { allot, createRateLimits, type TokenRequest } from '../../src/dispatch/rate-limits.ts';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { greetingFile, putTemplates, testWorker } from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/wait.ts';

describe('tokens', () => {
  const all = { key: 'all', perSecond: 2 };
  const some = { key: 'some', perSecond: 0.5 };
  const wants = (count: number, ...buckets: TokenRequest['buckets'][number][]): TokenRequest[] =>
    Array.from({ length: count }, (_, i) => ({ id: String(i), buckets }));
  const supply = (tokens: Record<string, number>, room = 100) => ({
    tokens: new Map(Object.entries(tokens)),
    nextTurns: new Map<string, number>(),
    now: 1000,
    slots: room,
  });

  test('let the first go, and the others one after the other', () => {
    const given = supply({ all: 2.5 });
    expect([...allot(wants(5, all), given)]).toEqual([
      ['2', 0.25],
      ['3', 0.75],
      ['4', 1.25],
    ]);
    expect(given.tokens.get('all')).toBe(0.5);
    // The next batch queues up behind them.
    expect([...allot(wants(1, all), given)]).toEqual([['0', 1.75]]);
  });

  test('of several buckets are taken together or not at all', () => {
    const given = supply({ all: 5, some: 1 });
    expect([...allot(wants(2, all, some), given)]).toEqual([['1', 2]]);
    expect(Object.fromEntries(given.tokens)).toEqual({ all: 4, some: 0 });
  });

  test('are not wasted on messages that find no slot', () => {
    const given = supply({ all: 5 }, 2);
    expect(allot(wants(4, all), given).size).toBe(0);
    expect(given.tokens.get('all')).toBe(3);
  });

  test('never go below zero, and no message waits for longer than five minutes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.subarray([all, some]), { maxLength: 300 }),
        fc.double({ min: 0, max: 5, noNaN: true }),
        fc.double({ min: 0, max: 5, noNaN: true }),
        (lists, a, b) => {
          const given = supply({ all: a, some: b });
          const waits = allot(
            lists.map((buckets, i) => ({ id: String(i), buckets })),
            given,
          );
          for (const left of given.tokens.values()) expect(left).toBeGreaterThanOrEqual(0);
          for (const seconds of waits.values()) expect(seconds > 0 && seconds <= 300).toBe(true);
        },
      ),
    );
  });
});

describe('a worker', () => {
  const closing: (() => Promise<unknown> | undefined)[] = [];
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createTestDatabase();
    closing.push(() => database.close());
    await putTemplates(database.pool, { greeting: greetingFile });
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  test('and another one share a rate; waiting is not counted and opens no attempt', async () => {
    const relay = await startSmtpServer();
    closing.push(() => relay.close());
    const options = {
      host: '127.0.0.1',
      port: relay.port,
      tls: 'none',
      from: { address: 'noreply@acme.example' },
    } as const;
    await database.pool.query(
      `SELECT FROM herald.enqueue('greeting', (SELECT jsonb_agg(jsonb_build_object('id', i, 'email', 'u' || i || '@example.com'))
         FROM generate_series(1, 20) i), '{"who": "x"}')`,
    );
    for (let i = 0; i < 2; i++) {
      const worker = testWorker(database.url, { dispatchers: { smtp: smtp({ ...options, messagesPerSecond: 5 }) } });
      closing.push(() => worker.stop());
      await worker.start();
    }
    await relay.waitFor(20, { timeoutMs: 15_000 });
    const times = relay.received().map(({ receivedAt }) => receivedAt.getTime());
    // A full bucket at first, then five a second: the last comes three seconds after the first. (The first may come late.)
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(2000);
    await until(
      async () =>
        (await database.pool.query(`SELECT FROM herald.message WHERE status = 'sent' AND attempts = 1 AND counted = 1`))
          .rowCount === 20,
    );
  }, 40_000);

  test('limits a domain without holding up the others', async () => {
    const relay = await startSmtpServer();
    closing.push(() => relay.close());
    await database.pool.query(
      `SELECT FROM herald.enqueue('greeting', (SELECT jsonb_agg(jsonb_build_object('id', i, 'email', 'u' || i || CASE WHEN i <= 30 THEN '@SLOW.example' ELSE '@quick.example' END))
         FROM generate_series(1, 40) i), '{"who": "x"}')`,
    );
    const dispatcher = smtp({
      host: '127.0.0.1',
      port: relay.port,
      tls: 'none',
      from: { address: 'noreply@acme.example' },
      messagesPerSecondToDomain: { 'slow.example': 0.01 },
    });
    const worker = testWorker(database.url, { dispatchers: { smtp: dispatcher } });
    closing.push(() => worker.stop());
    await worker.start();
    await relay.waitFor(11);
    expect(relay.received().filter(({ to }) => /slow/i.test(to[0] ?? '')).length).toBe(1);
    // What is leased last is told so last.
    await until(async () => {
      const { rows } = await database.pool.query(
        `SELECT DISTINCT detail, attempts FROM herald.message WHERE status = 'pending'`,
      );
      expect(rows).toEqual([{ detail: 'waiting: the rate is limited', attempts: 0 }]);
      return true;
    });
  }, 30_000);

  test('forgets buckets that were not used for an hour', async () => {
    await database.pool.query(
      `INSERT INTO herald.rate_bucket (key, tokens, updated_at) VALUES ('smtp/x/old.example', 1, now() - interval '2 hours'), ('other/x', 1, now() - interval '2 hours')`,
    );
    const rates = createRateLimits(database.pool, 'smtp/');
    expect((await rates.take([{ id: '1', buckets: [{ key: 'smtp/x', perSecond: 1 }] }], 1)).size).toBe(0);
    const { rows } = await database.pool.query('SELECT key, tokens FROM herald.rate_bucket ORDER BY key');
    expect(rows).toEqual([
      { key: 'other/x', tokens: 1 },
      { key: 'smtp/x', tokens: 0 },
    ]);
  });
});
