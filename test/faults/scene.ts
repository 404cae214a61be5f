/** A database, a template and workers for the faults of SMTP, and the story of each message. */
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import type { WorkerOptions } from '../../src/delivery/options.ts';
import type { Worker } from '../../src/delivery/worker.ts';
import type { Dispatcher } from '../../src/dispatch/dispatcher.ts';
import { type SmtpOptions, smtp } from '../../src/dispatch/smtp/smtp.ts';
import { createHerald, type EnqueuedMessage } from '../../src/enqueue/enqueue.ts';
import { resumeMethod } from '../../src/operate/pause.ts';
import { greeting, greetingFile, keepingLogger, putTemplates, testWorker } from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { until } from '../support/wait.ts';

/** Where a message stands, short enough to be compared as a whole. */
export interface Story {
  readonly status: string;
  /** Attempts that count. */
  readonly counted: number;
  /** For example `retry, free: unreachable: no connection: ECONNREFUSED`, oldest first. */
  readonly attempts: string[];
  /** Reason of the method's pause, or null. */
  readonly paused: string | null;
  /** Seconds from the last attempt until the next, or until the probe while the method is paused; null when it is settled. */
  readonly nextInSeconds: number | null;
}

export const from = { name: 'Acme', address: 'noreply@acme.example' };
/** Secrets of these tests; no log line, reason or reply may hold one. */
export const password = 'open-sesame-7';
const private_ = ['@example.com', password, 'Ada Lovelace', 'ada-label'];

export type RelayOptions = Partial<SmtpOptions> & { readonly port: number };

export interface Sending {
  /** Replaces parts of the dispatcher, for example its waits between attempts. */
  readonly dispatcher?: Partial<Dispatcher>;
  readonly worker?: Partial<WorkerOptions>;
}

export interface Scene {
  readonly database: () => TestDatabase;
  readonly logger: () => ReturnType<typeof keepingLogger>;
  /** Forgets all messages and pauses; done before each test. */
  readonly clear: () => Promise<void>;
  /** Commits messages for `ada-1@example.com`, ...; of the template `greeting` unless `more` names another. */
  enqueue(
    count?: number,
    more?: { readonly template?: 'greeting' | 'careful' } & Record<string, unknown>,
  ): Promise<EnqueuedMessage[]>;
  /** A worker with an `smtp` dispatcher for this relay on 127.0.0.1, without TLS unless asked for. */
  start(relay: RelayOptions, sending?: Sending): Promise<Worker>;
  /** One message and one attempt: enqueues, lets a worker try it, stops the worker, checks the invariants. */
  deliver(relay: RelayOptions, sending?: Sending): Promise<Story>;
  /** The stories of all messages, in the order of enqueue, after the invariants were checked. */
  stories(): Promise<Story[]>;
  /** Closes a server after the test. */
  use<T extends { readonly close: () => Promise<void> }>(server: T): T;
  /** Brings the next probe of the paused method, and what waits, forward to now. */
  hurry(): Promise<void>;
}

/** Call it once at the top of a test file. Everything that `start` started is stopped after each test. */
export function openScene(): Scene {
  let database: TestDatabase;
  let logger = keepingLogger();
  const workers: Worker[] = [];
  const servers: { readonly close: () => Promise<void> }[] = [];
  const herald = createHerald();

  beforeAll(async () => {
    database = await createTestDatabase();
    await putTemplates(database.pool, {
      greeting: greetingFile,
      careful: greetingFile.replace('group:', 'unknown: hold\ngroup:'),
    });
  });
  const clear = async () => {
    logger = keepingLogger();
    await database.pool.query('TRUNCATE herald.message, herald.attempt; DELETE FROM herald_queue.job');
    await database.pool.query('TRUNCATE herald.sender, herald.refusal, herald.rate_bucket');
    await resumeMethod(database.pool, { method: '*' });
  };
  beforeEach(clear);
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
    for (const server of servers.splice(0).reverse()) await server.close();
  });
  afterAll(() => database.close());

  const enqueue: Scene['enqueue'] = (count = 1, { template = 'greeting', ...more } = {}) => {
    const to = Array.from({ length: count }, (_, i) => ({
      id: `user-${i + 1}`,
      email: `ada-${i + 1}@example.com`,
      name: 'Ada Lovelace',
    }));
    return herald.enqueue(
      database.pool,
      { ...greeting, name: template },
      { autocommit: true, to, labels: { who: 'ada-label' }, ...more },
    );
  };
  const start: Scene['start'] = async (relay, { dispatcher, worker: options } = {}) => {
    const method = smtp({ host: '127.0.0.1', tls: 'none', from, ...relay });
    const worker = testWorker(database.url, {
      dispatchers: { smtp: { ...method, ...dispatcher } },
      logger,
      ...options,
    });
    workers.push(worker);
    await worker.start();
    return worker;
  };

  async function stories(): Promise<Story[]> {
    await expectInvariants(database, logger);
    const { rows } = await database.pool.query<Story & { attempts: string[] }>(
      `SELECT m.status, m.counted, coalesce((SELECT pause_reason FROM herald.method WHERE name = 'smtp'),
         (SELECT min(pause_reason) FROM herald.sender)) AS paused,
         CASE WHEN m.settled_at IS NULL AND m.status <> 'held' THEN round(extract(epoch FROM
           coalesce((SELECT probe_at FROM herald.method WHERE name = 'smtp'), m.next_attempt_at) - (SELECT max(finished_at) FROM herald.attempt a WHERE a.message_id = m.id)))::float8 END AS "nextInSeconds",
         ARRAY(SELECT a.outcome || CASE WHEN a.counted THEN '' ELSE ', free' END || coalesce(': ' || a.reason || ': ' || a.detail, '')
           FROM herald.attempt a WHERE a.message_id = m.id ORDER BY a.number) AS attempts
       FROM herald.message m ORDER BY m.recipient_id`,
    );
    return rows.map(({ status, counted, attempts, paused, nextInSeconds }) => ({
      status,
      counted,
      attempts,
      paused,
      nextInSeconds,
    }));
  }

  return {
    database: () => database,
    logger: () => logger,
    clear,
    enqueue,
    start,
    stories,
    async deliver(relay, sending) {
      await enqueue();
      const worker = await start(relay, sending);
      // After the attempt comes the pause, if there is one: stopping waits for both.
      await until(async () => (await database.pool.query('SELECT FROM herald.attempt')).rowCount, {
        timeoutMs: 60_000,
        what: 'an attempt',
      });
      await until(async () => !(await pauseIsDue(database)) || (await pausedBy(database)), { what: 'the pause' });
      await worker.stop();
      const [story] = await stories();
      if (story === undefined) throw new Error('the message is gone');
      return story;
    },
    use(server) {
      servers.push(server);
      return server;
    },
    async hurry() {
      await database.pool.query(`UPDATE herald.method SET probe_at = now() WHERE pause_kind = 'fault'`);
      await database.pool.query('UPDATE herald.sender SET probe_at = now() WHERE paused_at IS NOT NULL');
      await database.pool.query(`UPDATE herald.message SET next_attempt_at = now() WHERE status = 'pending'`);
      await database.pool.query('SELECT herald.ensure_jobs(ARRAY(SELECT id FROM herald.message))');
    },
  };
}

async function pausedBy({ pool }: TestDatabase): Promise<number | null> {
  const { rowCount } = await pool.query(
    'SELECT FROM herald.method WHERE paused_at IS NOT NULL UNION ALL SELECT FROM herald.sender WHERE paused_at IS NOT NULL',
  );
  return rowCount;
}

/** These reasons are the method's, unless the message was only given back. */
async function pauseIsDue({ pool }: TestDatabase): Promise<number | null> {
  const { rowCount } = await pool.query(
    `SELECT FROM herald.attempt WHERE NOT counted AND (detail LIKE '%the sender is at fault%' OR detail NOT LIKE 'DATA: 421%'
       AND reason IN ('unreachable', 'dns', 'connect_timeout', 'tls', 'authentication', 'protocol', 'misconfigured', 'proxy', 'throttled'))`,
  );
  return rowCount;
}

/** What must hold after every fault. */
async function expectInvariants({ pool }: TestDatabase, { lines }: ReturnType<typeof keepingLogger>): Promise<void> {
  const lost = await pool.query(
    `SELECT m.id, m.status FROM herald.message m WHERE m.settled_at IS NULL AND m.status <> 'held'
       AND NOT EXISTS (SELECT FROM herald_queue.job j WHERE j.id = m.id AND j.name = m.method)`,
  );
  expect(lost.rows, 'unsettled messages without a job').toEqual([]);
  const gaps = await pool.query(
    `SELECT message_id, array_agg(number ORDER BY number) FROM herald.attempt GROUP BY message_id HAVING min(number) <> 1 OR max(number) <> count(*)`,
  );
  expect(gaps.rows, 'attempts that are missing').toEqual([]);
  const mute = await pool.query(
    `SELECT * FROM herald.attempt WHERE outcome <> 'sent' AND (reason IS NULL OR coalesce(detail, '') = '')`,
  );
  expect(mute.rows, 'failures without a reason').toEqual([]);
  const told = JSON.stringify([
    lines,
    (await pool.query('SELECT * FROM herald.attempt')).rows,
    (await pool.query('SELECT status, reason, detail FROM herald.message')).rows,
    (await pool.query('SELECT * FROM herald.method')).rows,
  ]);
  for (const secret of private_) expect(told).not.toContain(secret);
}
