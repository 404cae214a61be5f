/**
 * The queue: a job per message, whose id is the message's id and whose payload is empty. The job wakes a worker, the
 * message row decides. This folder is the only user of pg-boss.
 */
import type { Duplex } from 'node:stream';
import type { Pool, PoolClient } from 'pg';
import { PgBoss } from 'pg-boss';
import { ConfigurationError } from '../errors.ts';
import type { Logger } from '../vocabulary.ts';
import { bossOptions, deadLetterQueue, queueSchema } from './options.ts';

/** A leased job: what pg-boss needs to know to change exactly this lease and no later one. */
export interface LeasedJob {
  readonly id: string;
  readonly retryCount: number;
}

/** A leased job that has to come again. */
export interface RequeuedJob extends LeasedJob {
  readonly priority: number;
  readonly startAfter: Date;
}

/** How to connect to the queue. */
export interface QueueOptions {
  /** Where pg-boss opens connections of its own, two at most, for its maintenance. */
  readonly connectionString: string;
  /** What leases and removes jobs. The caller ends it. */
  readonly pool: Pool;
  /** Settings of the maintenance connections: timeouts in milliseconds, and the sockets. */
  readonly maintenance: {
    readonly connectionTimeoutMillis: number;
    readonly query_timeout: number;
    readonly statement_timeout?: number;
    readonly stream?: () => Duplex;
  };
  readonly logger: Logger;
  /** Called with every error that no call rejects with. */
  readonly onError: (error: unknown, what: string) => void;
  /** How often `supervise` is called, in seconds. */
  readonly superviseSeconds: number;
}

/** What delivery needs of the queue. Every method rejects when the database is away. */
export interface Queue {
  /** Leases up to `limit` due jobs of a method. */
  lease(method: string, limit: number): Promise<LeasedJob[]>;
  /** Makes a waiting job the first of those that are due. */
  putFirst(method: string, id: string): Promise<void>;
  /** Removes jobs, in the open transaction `tx` if there is one. A lease that was lost meanwhile is left alone. */
  remove(method: string, jobs: readonly LeasedJob[], tx?: PoolClient): Promise<void>;
  /** Gives leased jobs a later start, in the open transaction `tx`. */
  requeue(method: string, jobs: readonly RequeuedJob[], tx: PoolClient): Promise<void>;
  /** Renews leases. Returns the ids whose lease was lost. */
  heartbeat(method: string, jobs: readonly LeasedJob[]): Promise<string[]>;
  /** Makes jobs due again whose lease ran out because their worker died. One statement when there are none. */
  supervise(): Promise<void>;
  /** Leases jobs from the dead letter queue, each with the id of its message. */
  leaseDeadLetters(limit: number): Promise<{ messageId: string; job: LeasedJob }[]>;
  removeDeadLetters(jobs: readonly LeasedJob[]): Promise<void>;
  /** Calls back with a method's name at every NOTIFY, and with `*` whenever notifications may have been missed. */
  listen(onWake: (method: string) => void): Promise<{ close(): Promise<void> } | null>;
  close(): Promise<void>;
}

/**
 * Connects to an installed queue.
 *
 * @throws {ConfigurationError} if pg-boss's tables are missing or not of the version that this release knows: enqueue
 *   writes job rows itself, so it must not guess.
 */
export async function openQueue(options: QueueOptions): Promise<Queue> {
  const boss = new PgBoss({
    ...bossOptions,
    connectionString: options.connectionString,
    migrate: false,
    supervise: true,
    // A pass is some fifty statements. pg-boss runs it at this interval for its maintenance, and `supervise` for busy
    // queues.
    superviseIntervalSeconds: 300,
    monitorIntervalSeconds: Math.max(1, options.superviseSeconds / 2),
    maintenanceIntervalSeconds: 600,
    flowIntervalSeconds: 3600, // No job waits for another; the default asks every 5 s, a statement per queue.
    max: 2,
    ...options.maintenance,
    application_name: 'pg-herald queue',
    // pg-boss would trace every lease, apart from the traces of the messages.
    openTelemetry: { enabled: false },
  });
  boss.on('error', (error) => options.onError(error, 'queue error'));
  boss.on('warning', (warning) => options.logger.debug({ warning: warning.message }, 'queue warning'));
  try {
    await boss.start();
  } catch (error) {
    await boss.stop({ graceful: false }).catch(() => undefined);
    throw asConfigurationError(error);
  }
  return queueOf(boss, options.pool);
}

/** Queues that hold a job, or whose statistics still say so. */
const busyQueues = `SELECT q.name FROM ${queueSchema}.queue q
WHERE q.active_count + q.ready_count + q.deferred_count > 0
  OR EXISTS (SELECT FROM ${queueSchema}.job j WHERE j.name = q.name)`;

/** Above every priority of a message. A job that is requeued has its message's priority again. */
const firstPriority = 100_000;
const putFirstText = `UPDATE ${queueSchema}.job SET priority = $3 WHERE name = $1 AND id = $2 AND state < 'active'`;

function queueOf(boss: PgBoss, pool: Pool): Queue {
  const db = executorOf(pool);
  return {
    async lease(method, limit) {
      return (await boss.fetch(method, { batchSize: limit, db })).map(leaseOf);
    },
    async putFirst(method, id) {
      await pool.query(putFirstText, [method, id, firstPriority]);
    },
    async remove(method, jobs, tx) {
      if (jobs.length === 0) return;
      await boss.deleteJob(method, jobs.map(leaseOf), { db: tx === undefined ? db : executorOf(tx) });
    },
    async requeue(method, jobs, tx) {
      if (jobs.length === 0) return;
      // pg-boss's `fail` would use the queue's own delay, and `update` takes one statement per job.
      await boss.deleteJob(method, jobs.map(leaseOf), { db: executorOf(tx) });
      await boss.insert(
        method,
        jobs.map((job) => ({ id: job.id, priority: job.priority, startAfter: job.startAfter.toISOString() })),
        { db: executorOf(tx) },
      );
    },
    async heartbeat(method, jobs) {
      if (jobs.length === 0) return [];
      const renewed = renewedIds(await boss.touch(method, jobs.map(leaseOf), { db }));
      return jobs.filter((job) => !renewed.has(job.id)).map((job) => job.id);
    },
    async supervise() {
      const { rows } = await boss.getDb().executeSql(busyQueues);
      for (const { name } of rows as { name: string }[]) await boss.supervise(name);
    },
    async leaseDeadLetters(limit) {
      const jobs = await boss.fetch(deadLetterQueue, { batchSize: limit, includeMetadata: true, db });
      return jobs.map((job) => ({ messageId: job.sourceId ?? job.id, job: leaseOf(job) }));
    },
    async removeDeadLetters(jobs) {
      if (jobs.length > 0) await boss.deleteJob(deadLetterQueue, jobs.map(leaseOf), { db });
    },
    async listen(onWake) {
      return (await boss.getDb().listen?.('herald', onWake, () => onWake('*'))) ?? null;
    },
    async close() {
      await boss.stop({ graceful: false });
    },
  };
}

/** What pg-boss runs its statements on. */
function executorOf(client: Pool | PoolClient) {
  return { executeSql: (text: string, values?: unknown[]) => client.query(text, values) };
}

/**
 * Reads the ids out of what pg-boss's `touch` returns, which its types leave out. An empty list would mean that every
 * lease is lost and abort everything in flight, so an unknown shape is an error.
 *
 * @throws {Error} if the response has no list `settled`.
 */
export function renewedIds(response: object): ReadonlySet<unknown> {
  if ('settled' in response && Array.isArray(response.settled)) return new Set(response.settled);
  throw new Error('pg-boss did not say which leases it renewed: its response has no list "settled"');
}

function leaseOf(job: LeasedJob): LeasedJob {
  return { id: job.id, retryCount: job.retryCount };
}

function asConfigurationError(error: unknown): unknown {
  const text = error instanceof Error ? error.message : '';
  if (!/version|not installed|migrat/i.test(text)) return error;
  return new ConfigurationError(
    'database',
    'the queue tables are missing or of another version; run "pg-herald migrate"',
    { cause: error },
  );
}
