/** The harness must see what it exists to see: a loss, a phantom and a copy that nothing explains. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Client } from 'pg';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, putTemplates } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { listenLocally } from '../support/recorder.ts';
import { compare } from './comparison.ts';
import { faults } from './faults/all.ts';
import { undisturbedMs } from './incidents.ts';
import { startProxy } from './proxy.ts';
import { schedule } from './schedule.ts';
import { judge, slopeOf } from './soak-verdict.ts';

describe('the comparison', () => {
  const database = useDatabase();
  let ids: readonly string[];
  beforeAll(async () => {
    const { pool } = database;
    await putTemplates(pool, { greeting: greetingFile });
    await pool.query('CREATE SCHEMA chaos; CREATE TABLE chaos.ledger (id uuid PRIMARY KEY)');
    const to = Array.from({ length: 4 }, (_, i) => ({ id: `u${i}`, email: `u${i}@example.com` }));
    const messages = await createHerald().enqueue(pool, greeting, { autocommit: true, to, labels: { who: 'x' } });
    ids = messages.map((message) => message.id);
    await pool.query(`UPDATE herald.message SET status = 'sent', settled_at = now()`);
    // The last one is on record although its transaction is not in the ledger.
    await pool.query('INSERT INTO chaos.ledger SELECT unnest($1::uuid[])', [ids.slice(0, 3)]);
    await pool.query(
      `INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, counted) VALUES ($1, 1, 'w', now(), now(), 'unknown', true)`,
      [ids[0]],
    );
  });

  const comparedWith = (
    accepted: readonly (string | undefined)[],
    transactions: Parameters<typeof compare>[0]['transactions'] = [],
  ) => compare({ accepted: accepted.map((id) => ({ id: String(id), at: 0 })), transactions, pool: database.pool });

  test('counts what was committed and never arrived, and what arrived and was never committed', async () => {
    expect(await comparedWith([ids[0], ids[1], 'stray'])).toMatchObject({
      committed: 3,
      delivered: 3,
      lost: 1,
      phantom: 2,
    });
  });

  test('explains a copy by an attempt of unknown end, and no second one by the same', async () => {
    expect(await comparedWith([ids[0], ids[0], ids[1], ids[2]])).toMatchObject({ duplicates: 1, unexplained: 0 });
    const twice = await comparedWith([ids[0], ids[0], ids[0], ids[1], ids[1], ids[2]]);
    expect(twice).toMatchObject({ duplicates: 3, explained: 1, unexplained: 2 });
    expect(twice.riddles.map((riddle) => riddle.id)).toEqual([ids[0], ids[1]]);
  });

  test('notices a commit that was confirmed to the application and is gone', async () => {
    const gone = '00000000-0000-7000-8000-000000000001';
    const result = await comparedWith(
      [],
      [
        { ids: [gone], state: 'open' },
        { ids: [gone], state: 'committed' },
      ],
    );
    expect(result).toMatchObject({ lostCommits: 1, rolledBack: 1 });
  });
});

describe('the schedule', () => {
  const first = (seed: number, count: number) => {
    const steps = schedule(seed, faults);
    return Array.from({ length: count }, () => steps.next().value);
  };

  test('follows from the seed alone', () => {
    expect(first(7, 60)).toEqual(first(7, 60));
    expect(first(7, 60)).not.toEqual(first(8, 60));
  });

  test('has every kind of fault before it repeats one', () => {
    expect(new Set(first(7, faults.length).map(({ fault }) => fault.name)).size).toBe(faults.length);
  });
});

test('the time in which other faults went on does not count as recovery', () => {
  const during = (at: number, until: number) => ({ fault: 'x', touched: 'database' as const, at, until, inFlight: [] });
  expect(undisturbedMs(0, 100, [])).toBe(100);
  expect(undisturbedMs(0, 100, [during(10, 30), during(20, 40), during(90, 500)])).toBe(60);
});

describe('the verdict of a soak', () => {
  const rest = { resources: { Timeout: 9, TCPSocketWrap: 3 }, listeners: 7, warnings: [], connections: 3 };
  const hour = (rssAt: (minute: number) => number) =>
    Array.from({ length: 60 }, (_, i) => {
      return {
        at: i * 60_000,
        rssMb: rssAt(i),
        heapMb: 50,
        heapTotalMb: 80,
        externalMb: 5,
        resources: {},
        listeners: 7,
        warnings: [],
        loopDelayMs: 1,
      };
    });
  const broken = (verdict: ReturnType<typeof judge>) =>
    verdict.bounds.filter((bound) => !bound.holds).map(({ name }) => name);

  test('takes noise and a warm-up for flat, and a steady growth for a leak', () => {
    const soak = { before: rest, after: rest, unsent: 0 };
    expect(broken(judge({ ...soak, during: hour((minute) => 300 + Math.min(minute, 10) * 5 + (minute % 7)) }))).toEqual(
      [],
    );
    expect(broken(judge({ ...soak, during: hour((minute) => 300 + minute / 2) }))).toEqual([
      expect.stringMatching(/^MB of growth/),
    ]);
    expect(
      slopeOf([
        { x: 0, y: 1 },
        { x: 2, y: 5 },
      ]),
    ).toBe(2);
  });

  test('sees a connection and a timer that stay', () => {
    const after = { ...rest, resources: { Timeout: 30, TCPSocketWrap: 4 }, connections: 4 };
    expect(broken(judge({ before: rest, after, unsent: 0, during: hour(() => 300) }))).toEqual([
      'timers at rest',
      'sockets at rest',
      'connections to the database at rest',
    ]);
  });
});

describe('the proxy', () => {
  const { hostname, port } = new URL(inject('serverUrl'));
  const connected = async (proxyPort: number) => {
    const url = new URL(inject('serverUrl'));
    url.port = String(proxyPort);
    const client = new Client({ connectionString: url.href, query_timeout: 300 });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };

  test('resets, silences and turns away, and lets new connections through afterwards', async () => {
    expect(hostname).toBe('127.0.0.1');
    const proxy = await startProxy(Number(port));
    const cut = await connected(proxy.port);
    expect(proxy.cut(1, Math.random)).toBe(1);
    await expect(cut.query('SELECT 1')).rejects.toThrow();

    const silent = await connected(proxy.port);
    expect(proxy.halfOpen(1, Math.random, 10)).toBe(1);
    await expect(silent.query('SELECT 1')).rejects.toThrow('Query read timeout');

    proxy.away(true);
    await expect(connected(proxy.port)).rejects.toThrow();
    proxy.away(false);
    const fine = await connected(proxy.port);
    expect((await fine.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(proxy.attempts()).toEqual({ all: 4, failed: 1 });
    await fine.end();
    await proxy.close();
  });

  test('delays every piece, in order', async () => {
    const server = createServer((socket) => socket.pipe(socket));
    const echo = await listenLocally(server);
    const proxy = await startProxy(echo.port);
    proxy.delay(50);
    const socket = connect(proxy.port, '127.0.0.1').setEncoding('utf8');
    const startedAt = performance.now();
    socket.write('a');
    const [answer] = await once(socket, 'data');
    expect(answer).toBe('a');
    expect(performance.now() - startedAt).toBeGreaterThan(95);
    socket.destroy();
    await Promise.all([proxy.close(), echo.close()]);
  });
});
