import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../src/database/database.ts';
import { observeGauges } from '../../src/delivery/gauges.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { pauseForFault } from '../../src/dispatch/fault-pause.ts';
import { pauseMethod, resumeMethod } from '../../src/operate/pause.ts';
import { createInstruments } from '../../src/telemetry/metrics.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { parseScrape } from '../support/prometheus.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
let worker: Database;
const herald = createHerald();
beforeAll(async () => {
  worker = openDatabase(
    { connectionString: database.url, applicationName: 'pg-herald worker x', maxConnections: 2, prepare: true },
    () => undefined,
  );
});
afterAll(async () => {
  await worker.pool.end();
});

/** Collects what is observed; `asked` counts the questions to the database. */
function observed(options: { freshMs?: number } = {}) {
  const reader = new PrometheusExporter({ preventServerStart: true });
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
  let asked = 0;
  const counting: Database = {
    ...worker,
    run: (statement, values) => {
      asked += 1;
      return worker.run(statement, values);
    },
  };
  const gauges = observeGauges(createInstruments(new MeterProvider({ readers: [reader] })), {
    database: counting,
    inFlight: () => new Map([['smtp', 3]]),
    errors: { recent: () => [{ what: 'cannot begin', code: '53100', at: '2026-11-27T00:00:00Z', count: 2 }] },
    freshMs: 0,
    lagSeconds: 0,
    ...options,
  });
  const look = async () => parseScrape(serializer.serialize((await reader.collect()).resourceMetrics));
  return { look, asked: () => asked, stop: () => gauges.stop() };
}

const to = (id: string, more: object = {}) => ({ id, email: `${id}@example.com`, ...more });
const labels = { who: 'you' };

describe('the gauges of the whole database', () => {
  test('count what is enqueued after the first look, from code and from SQL, and what is inhibited by reason', async () => {
    await herald.enqueue(database.pool, greeting, { autocommit: true, to: to('before'), labels });
    const { look } = observed();
    expect((await look()).value('herald_enqueued_total', { method: 'smtp' })).toBe(0);
    await herald.setPreference(database.pool, { recipientId: 'mute', template: 'greeting', enabled: false });
    await herald.enqueue(database.pool, greeting, {
      autocommit: true,
      to: [to('ada'), to('grace'), to('mute'), { id: 'none' }],
      labels,
    });
    await database.pool.query(
      `SELECT herald.enqueue('greeting', '{"id": "sql", "email": "s@example.com"}', labels => '{"who": "x"}')`,
    );
    const after = await look();
    expect(after.value('herald_enqueued_total', { method: 'smtp' })).toBe(5);
    expect(after.value('herald_inhibited_total', { method: 'smtp', reason: 'preference' })).toBe(1);
    expect(after.value('herald_inhibited_total', { method: 'smtp', reason: 'no_address' })).toBe(1);
    expect(after.value('herald_inhibited_total', { method: 'smtp', reason: 'suppressed' })).toBe(0);
    expect((await look()).value('herald_enqueued_total', { method: 'smtp' })).toBe(5);
    expect(after.value('herald_in_flight', { method: 'smtp' })).toBe(3);
  });

  test('count what came back by domain, and all but 50 domains as others', async () => {
    await database.pool.query('TRUNCATE herald.report');
    const { look } = observed();
    expect((await look()).value('herald_returned_total', { domain: 'none', kind: 'unmatched' })).toBe(0);
    await database.pool.query(
      `INSERT INTO herald.report (message_id, kind, effect, domain, source, source_id, at)
       SELECT gen_random_uuid(), 'bounce', 'dead', 'd' || i || '.example', 'mail', i::text, clock_timestamp() FROM generate_series(1, 60) i`,
    );
    await database.pool.query(
      `INSERT INTO herald.report (kind, effect, unmatched, source, source_id, at) VALUES ('other', 'none', 'no_return', 'mail', 'x', clock_timestamp())`,
    );
    const after = await look();
    expect(after.value('herald_returned_total', { domain: 'none', kind: 'unmatched' })).toBe(1);
    expect(after.value('herald_returned_total', { domain: 'other', kind: 'bounce' })).toBe(11);
  });

  test('say since when the oldest due message waits, and leave out what is not due', async () => {
    await database.pool.query('TRUNCATE herald.message');
    await herald.enqueue(database.pool, greeting, { autocommit: true, to: to('later'), labels, delaySeconds: 3600 });
    const { look } = observed();
    expect((await look()).value('herald_oldest_due_seconds', { method: 'smtp' })).toBe(0);
    await herald.enqueue(database.pool, greeting, { autocommit: true, to: to('ada'), labels });
    await database.pool.query(
      `UPDATE herald.message SET next_attempt_at = now() - interval '10 minutes' WHERE recipient_id = 'ada'`,
    );
    expect((await look()).value('herald_oldest_due_seconds', { method: 'smtp' })).toBeCloseTo(600, -1);
  });

  test('count what is held', async () => {
    await database.pool.query(`UPDATE herald.message SET status = 'held', next_attempt_at = 'infinity'`);
    const now = await observed().look();
    expect(now.value('herald_held', { method: 'smtp' })).toBe(2);
    expect(now.value('herald_oldest_due_seconds', { method: 'smtp' })).toBe(0);
  });

  test("tell an operator's pause from a fault, and a pause of everything as one of each method", async () => {
    const { look } = observed();
    const paused = async () => {
      const now = await look();
      return ['smtp', 'webhook'].flatMap((method) =>
        ['operator', 'fault']
          .filter((kind) => now.value('herald_paused', { method, kind }) === 1)
          .map((kind) => `${method} ${kind}`),
      );
    };
    expect(await paused()).toEqual([]);
    await pauseForFault(
      database.pool,
      { method: 'smtp' },
      { worker: 'w', reason: 'tls', detail: '', atLeastSeconds: 0 },
    );
    expect(await paused()).toEqual(['smtp fault']);
    await pauseMethod(database.pool, { method: '*', by: 'ada', why: '' });
    expect(await paused()).toEqual(['smtp operator', 'webhook operator']);
    await resumeMethod(database.pool, { method: '*' });
    expect(await paused()).toEqual([]);
  });

  test('count the senders that rest', async () => {
    await database.pool.query(
      `INSERT INTO herald.sender (method, name, paused_at) VALUES ('smtp', 'a', now()), ('smtp', 'b', NULL)`,
    );
    expect((await observed().look()).value('herald_paused_senders', { method: 'smtp' })).toBe(1);
  });

  test('are read without compiling the statements, which takes longer than a second', async () => {
    expect(await worker.run({ name: 'shown', text: 'SHOW jit' }, [])).toEqual([{ jit: 'off' }]);
  });

  test('count endpoints by state, never one by one', async () => {
    await database.pool.query(
      `INSERT INTO herald.endpoint (name, url_host, sealed, groups, opened_at, failing_since, disabled_at, disabled_reason) VALUES
         ('a', 'h', 's', '{}', NULL, NULL, NULL, NULL), ('b', 'h', 's', '{}', NULL, now(), NULL, NULL), ('c', 'h', 's', '{}', now(), now(), NULL, NULL),
         ('d', 'h', 's', '{}', now(), now(), now(), 'failing'), ('e', 'h', 's', '{}', NULL, NULL, now(), 'operator')`,
    );
    const now = await observed().look();
    const states = Object.fromEntries(
      now.samples
        .filter(({ name }) => name === 'herald_endpoints')
        .map(({ labels: of, value }) => [of['state'], value]),
    );
    expect(states).toEqual({ healthy: 1, failing: 1, open: 1, disabled: 2 });
  });

  test('follow a real backlog, and workers that are connected', async () => {
    await database.pool.query('TRUNCATE herald.message');
    await pauseMethod(database.pool, { method: 'smtp', by: 'ada', why: '' });
    const running = testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() } });
    await running.start();
    await herald.enqueue(database.pool, greeting, {
      autocommit: true,
      to: Array.from({ length: 30 }, (_, i) => to(`r${i}`)),
      labels,
    });
    const { look } = observed();
    // pg-boss counts its jobs every second here.
    await until(async () => ((await look()).value('herald_pending', { method: 'smtp' }) ?? 0) >= 30, {
      timeoutMs: 18_000,
    });
    expect((await look()).value('herald_workers')).toBeGreaterThanOrEqual(1);
    await running.stop();
    await resumeMethod(database.pool, { method: 'smtp' });
  }, 40_000);

  test('ask the database once for all who collect within a while', async () => {
    const { look, asked } = observed({ freshMs: 60_000 });
    await Promise.all([look(), look(), look()]);
    await look();
    expect(asked()).toBe(2);
  });

  test('age while the database does not answer, and hold up nothing else', async () => {
    const { look } = observed();
    expect((await look()).value('herald_gauges_age_seconds')).toBeLessThan(2);
    const blocker = await database.pool.connect();
    await blocker.query('BEGIN');
    await blocker.query('LOCK TABLE herald.method IN ACCESS EXCLUSIVE MODE');
    const startedAt = performance.now();
    const now = await look();
    expect(performance.now() - startedAt).toBeLessThan(6_000);
    expect(now.value('herald_in_flight', { method: 'smtp' })).toBe(3);
    expect(now.value('herald_gauges_age_seconds')).toBeGreaterThanOrEqual(2);
    await blocker.query('ROLLBACK');
    blocker.release();
    await until(async () => ((await look()).value('herald_gauges_age_seconds') ?? 9) < 1);
  });

  test('end with their worker', async () => {
    const { look, asked, stop } = observed();
    await look();
    const before = asked();
    stop();
    await look();
    expect(asked()).toBe(before);
  });
});
