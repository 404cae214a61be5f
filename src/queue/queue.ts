/**
 * The only user of pg-boss. A queue per delivery method, partitioned, in a schema of our own, so that a host's
 * pg-boss of whatever version is untouched. A job's id is the message's id and its payload is empty: the job wakes a
 * worker, the message row decides.
 */
import { Client, Pool, type PoolClient } from 'pg';
import { getConstructionPlans, getMigrationPlans, PgBoss } from 'pg-boss';
import packageJson from 'pg-boss/package.json' with { type: 'json' };
import { ConfigurationError } from '../errors.ts';
import type { Logger } from '../vocabulary.ts';
import { patience, transaction, upkeepPatience } from '../database/pool.ts';

export const queueSchema = 'herald_queue';
export const knownQueueVersion = packageJson.pgboss.schema;
/** pg-boss copies a job here when its retries are spent: a worker died again and again before it could begin. */
export const deadLetterQueue = 'dead-letter';
export const builtInMethods = ['smtp', 'webhook', 'inbox'] as const;

/** What a method cannot do without, of the built-in ones. */
const requirements: Readonly<Record<string, string>> = { smtp: 'email' };

/** A leased job: what pg-boss needs to know to settle exactly this lease and no later one. */
export interface LeasedJob {
  readonly id: string;
  readonly retryCount: number;
}

/** Seconds without a sign of life after which a worker counts as dead; pg-boss's minimum is 10. */
const heartbeatSeconds = 15;

const methodQueueOptions = {
  partition: true,
  notify: false,
  deadLetter: deadLetterQueue,
  heartbeatSeconds,
  // Above the longest dispatch (900 s): a slow but living worker keeps its lease by heartbeat.
  expireInSeconds: 1200,
  // Counts crashes before an attempt could begin; attempts themselves are counted in the message.
  retryLimit: 25,
  // A lease that ran out has been waited for long enough.
  retryDelay: 0,
  retryBackoff: false,
  // A method may be paused for long; a job that pg-boss swept away would be a lost message.
  retentionSeconds: 365 * 86_400,
  deleteAfterSeconds: 3600,
};

const background = {
  schema: queueSchema,
  schedule: false,
  registerInstance: false,
} as const;

/** Installs or upgrades pg-boss and creates the queues and method rows that are missing. */
export async function installQueues(connectionString: string, methods: readonly string[]) {
  const boss = new PgBoss({ ...background, connectionString, migrate: true, supervise: false, max: 2 });
  boss.on('error', () => undefined);
  const before = await installedVersion(connectionString);
  await boss.start();
  try {
    await boss.createQueue(deadLetterQueue, { retentionSeconds: methodQueueOptions.retentionSeconds });
    const createdMethods: string[] = [];
    for (const method of new Set(methods))
      if (await createMethod(boss, connectionString, method)) createdMethods.push(method);
    return { queueSchema: { before, after: (await boss.schemaVersion()) ?? 0 }, createdMethods };
  } finally {
    await boss.stop({ graceful: false });
  }
}

async function createMethod(boss: PgBoss, connectionString: string, method: string): Promise<boolean> {
  await boss.createQueue(requireMethodName(method), methodQueueOptions);
  // For a queue that an earlier release created.
  await boss.updateQueue(method, { retryDelay: methodQueueOptions.retryDelay, retryBackoff: false });
  const client = new Client({ connectionString });
  await client.connect();
  try {
    const result = await client.query(
      'INSERT INTO herald.method (name, requires) VALUES ($1, $2) ON CONFLICT DO NOTHING',
      [method, requirements[method] ?? null],
    );
    return result.rowCount === 1;
  } finally {
    await client.end();
  }
}

function requireMethodName(method: string): string {
  if (/^[a-z][a-z0-9-]{0,39}$/.test(method) && method !== deadLetterQueue) return method;
  throw new ConfigurationError(
    'method',
    `"${method}" is no name for a method; use a-z, 0-9 and "-", 40 characters at most`,
  );
}

async function installedVersion(connectionString: string): Promise<number | null> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return await versionOf(client);
  } finally {
    await client.end();
  }
}

async function versionOf(client: Client | PoolClient | Pool): Promise<number | null> {
  const found = await client.query<{ found: boolean }>(
    `SELECT to_regclass('${queueSchema}.version') IS NOT NULL AS found`,
  );
  if (!found.rows[0]?.found) return null;
  const version = await client.query<{ version: number }>(`SELECT version FROM ${queueSchema}.version`);
  return version.rows[0]?.version ?? null;
}

/** The SQL that installing or upgrading pg-boss would run; empty if there is nothing to do. */
export async function planQueues(client: Client): Promise<string> {
  const version = await versionOf(client);
  if (version === null) return getConstructionPlans(queueSchema, { createSchema: true });
  return version === knownQueueVersion ? '' : getMigrationPlans(queueSchema, version);
}

/** The same as `installQueues` on an empty database, as a script: for databases that are reached otherwise (PGlite). */
export function queueInstallScript(methods: readonly string[]): string {
  const createQueue = (name: string, options: object) =>
    `SELECT ${queueSchema}.create_queue('${name}', '${JSON.stringify({ policy: 'standard', ...options })}'::jsonb);`;
  return [
    getConstructionPlans(queueSchema, { createSchema: true }),
    createQueue(deadLetterQueue, { retentionSeconds: methodQueueOptions.retentionSeconds }),
    ...methods.flatMap((method) => [
      createQueue(requireMethodName(method), methodQueueOptions),
      `INSERT INTO herald.method (name, requires) VALUES ('${method}', ${requirements[method] ? `'${requirements[method]}'` : 'NULL'});`,
    ]),
  ].join('\n');
}

export interface QueueOptions {
  readonly connectionString: string;
  readonly logger: Logger;
  /** Hears of every error that no call rejects with. */
  readonly onError: (error: unknown, what: string) => void;
  /** How often `supervise` is called, in seconds. */
  readonly superviseSeconds: number;
  /** Whether a session may be set up: not behind PgBouncer's transaction pooling. */
  readonly sessionState: boolean;
}

/** What the delivery needs of the queue. */
export interface Queue {
  /** Leases up to `limit` due jobs of a method. */
  lease(method: string, limit: number): Promise<LeasedJob[]>;
  /** Removes jobs whose message is settled. A lease that was lost meanwhile is left alone. */
  finish(method: string, jobs: readonly LeasedJob[], tx?: PoolClient): Promise<void>;
  /** Moves jobs to a later time, all or none; with `tx`, in that open transaction. */
  postpone(method: string, jobs: readonly PostponedJob[], tx?: PoolClient): Promise<void>;
  /** Says that this worker still lives; answers with the ids whose lease was lost. */
  keep(method: string, jobs: readonly LeasedJob[]): Promise<string[]>;
  /** Makes jobs due again whose lease ran out because their worker died, and counts jobs. One statement when there are none. */
  supervise(): Promise<void>;
  /** Takes message ids out of the dead letter queue, each with the method it came from. */
  takeDead(limit: number): Promise<{ messageId: string; job: LeasedJob }[]>;
  finishDead(jobs: readonly LeasedJob[]): Promise<void>;
  /** Calls back with a method's name at every wake-up, and with `*` whenever wake-ups may have been missed. */
  listen(onWake: (method: string) => void): Promise<{ close(): Promise<void> } | null>;
  close(): Promise<void>;
}

export interface PostponedJob extends LeasedJob {
  readonly priority: number;
  readonly startAfter: Date;
}

/**
 * Connects to an installed queue. Throws ConfigurationError if pg-boss's schema is not the one this release knows:
 * enqueue writes its job rows, so an unknown version must not be guessed at.
 */
export async function openQueue(options: QueueOptions): Promise<Queue> {
  const boss = new PgBoss({
    ...background,
    connectionString: options.connectionString,
    migrate: false,
    supervise: true,
    // A pass is some fifty statements: by itself for the upkeep, and by `supervise` for queues that hold jobs.
    superviseIntervalSeconds: 300,
    monitorIntervalSeconds: Math.max(1, options.superviseSeconds / 2),
    maintenanceIntervalSeconds: 600,
    flowIntervalSeconds: 3600, // No job waits for another; the default looks every 5 s, a statement per queue.
    max: 2, // For its own upkeep, whose statements may take long; the calls of `queueOf` have a pool of their own.
    ...upkeepPatience,
    application_name: 'pg-herald queue',
    // pg-herald tells about its messages itself; pg-boss's spans would be traces of their own, one per lease.
    openTelemetry: { enabled: false },
  });
  boss.on('error', (error) => options.onError(error, 'queue error'));
  boss.on('warning', (warning) => options.logger.debug({ warning: warning.message }, 'queue warning'));
  try {
    await boss.start();
  } catch (error) {
    throw asConfigurationError(error);
  }
  return queueOf(boss, options);
}

/** Queues that hold a job, or whose statistics say so still. */
const busyQueues = `SELECT q.name FROM ${queueSchema}.queue q
WHERE q.active_count + q.ready_count + q.deferred_count > 0 OR EXISTS (SELECT FROM ${queueSchema}.job j WHERE j.name = q.name)`;

function queueOf(boss: PgBoss, options: QueueOptions): Queue {
  const pool = new Pool({
    ...patience,
    // A crash of the server takes back a lease or its end, nothing more: the message row is durable, and decides.
    ...(options.sessionState && { options: '-c synchronous_commit=off' }),
    connectionString: options.connectionString,
    max: 4,
    application_name: 'pg-herald queue',
  });
  pool.on('error', (error) => options.onError(error, 'queue connection lost'));
  const db = dbOf(pool);
  return {
    async lease(method, limit) {
      const jobs = await boss.fetch(method, { batchSize: limit, db });
      return jobs.map(leaseOf);
    },
    async finish(method, jobs, tx) {
      if (jobs.length > 0) await boss.deleteJob(method, jobs.map(leaseOf), { db: tx === undefined ? db : dbOf(tx) });
    },
    async postpone(method, jobs, tx) {
      if (jobs.length === 0) return;
      const move = (client: PoolClient) => moveJobs(boss, client, { method, jobs });
      await (tx === undefined ? transaction(pool, move) : move(tx));
    },
    async keep(method, jobs) {
      if (jobs.length === 0) return [];
      const response = await boss.touch(method, jobs.map(leaseOf), { db });
      const kept = new Set(settledIds(response));
      return jobs.filter((job) => !kept.has(job.id)).map((job) => job.id);
    },
    async supervise() {
      const { rows } = await boss.getDb().executeSql(busyQueues);
      for (const { name } of rows as { name: string }[]) await boss.supervise(name);
    },
    async takeDead(limit) {
      const jobs = await boss.fetch(deadLetterQueue, { batchSize: limit, includeMetadata: true, db });
      return jobs.map((job) => ({ messageId: job.sourceId ?? job.id, job: leaseOf(job) }));
    },
    async finishDead(jobs) {
      if (jobs.length > 0) await boss.deleteJob(deadLetterQueue, jobs.map(leaseOf), { db });
    },
    async listen(onWake) {
      return (await boss.getDb().listen?.('herald', onWake, () => onWake('*'))) ?? null;
    },
    async close() {
      await boss.stop({ graceful: false });
      await pool.end();
    },
  };
}

/**
 * A later start for leased jobs: delete and insert anew in one transaction. pg-boss's `fail` would take the queue's
 * own delay, and `update` one statement per job.
 */
async function moveJobs(
  boss: PgBoss,
  client: PoolClient,
  what: { method: string; jobs: readonly PostponedJob[] },
): Promise<void> {
  const db = dbOf(client);
  await boss.deleteJob(what.method, what.jobs.map(leaseOf), { db });
  await boss.insert(
    what.method,
    what.jobs.map((job) => ({ id: job.id, priority: job.priority, startAfter: job.startAfter.toISOString() })),
    { db },
  );
}

/** pg-boss answers with the ids that it settled, but leaves them out of its types. */
function settledIds(response: object): readonly unknown[] {
  return 'settled' in response && Array.isArray(response.settled) ? response.settled : [];
}

/** What pg-boss runs its statements on. */
function dbOf(client: Pool | PoolClient) {
  return { executeSql: (text: string, values?: unknown[]) => client.query(text, values) };
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

/** The code of a database or network error, or one of ours where it has none; never its message, which may quote values. */
export function codeOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string')
    return error.code;
  if (!(error instanceof Error)) return 'unknown';
  if (/timeout|timed out/i.test(error.message)) return 'timeout';
  return /terminated|not queryable|connection (error|ended)/i.test(error.message) ? 'connection_lost' : error.name;
}
