/** Brings a database to this release: our SQL files, then pg-boss's tables, then one queue per delivery method. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { ConfigurationError } from '../errors.ts';
import { builtInMethods, codeOf, installQueues, planQueues, queueInstallScript } from '../queue/queue.ts';
import { createJournal, type Migration, pendingMigrations, recordOf, shippedMigrations } from './journal.ts';

export interface MigrateOptions {
  /** Further delivery methods to create queues for, beside `smtp`, `webhook` and `inbox`. */
  readonly methods?: readonly string[];
  /** Longest wait for another migrating process, in seconds; default 300. */
  readonly waitSeconds?: number;
}

/** What `migrate` did. Empty lists: the database was up to date. */
export interface MigrationReport {
  readonly applied: readonly string[];
  /** Version of pg-boss's schema before and after; `before` is null on a new database. */
  readonly queueSchema: { readonly before: number | null; readonly after: number };
  readonly createdMethods: readonly string[];
}

/** Any constant works, as long as every release uses the same one. */
const lockKey = 4_720_190_817;

/** Longest time that a migration holds up the application while it waits for a lock, and how often it waits. */
const lockTimeoutMs = 1000;
const mostTries = 60;
const lockNotAvailable = '55P03';

/** A file that starts with this line runs outside a transaction, statement by statement (CREATE INDEX CONCURRENTLY). */
const outsideTransaction = '-- herald: outside a transaction';

/**
 * Applies what is missing and says what it did. Safe to run from many replicas at once: one works, the others wait and
 * find nothing to do. Needs a role that may create schemas in the database. Throws ConfigurationError.
 */
export async function migrate(connectionString: string, options: MigrateOptions = {}): Promise<MigrationReport> {
  return withLock(connectionString, options.waitSeconds ?? 300, async (client) => {
    await client.query(createJournal);
    const pending = await pendingMigrations(client);
    for (const migration of pending) await apply(client, migration);
    const queues = await installQueues(connectionString, [...builtInMethods, ...(options.methods ?? [])]);
    return { applied: pending.map((m) => m.name), ...queues };
  });
}

/** The SQL that `migrate` would run on this database: ours, then pg-boss's. Changes nothing. */
export async function migrationPlan(connectionString: string): Promise<string> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    const pending = await pendingMigrations(client);
    return [pending.length > 0 ? asScript(pending) : '', await planQueues(client)]
      .filter((part) => part !== '')
      .join('\n');
  } finally {
    await client.end();
  }
}

/**
 * Our SQL as one script that records itself, for a host application that keeps all SQL in its own drizzle-kit folder
 * (`drizzle-kit generate --custom`, then paste). `after` leaves out what an earlier script brought.
 */
export function migrationScript(after?: string): string {
  const shipped = shippedMigrations();
  if (after !== undefined && !shipped.some((m) => m.name === after))
    throw new ConfigurationError(
      '--after',
      `unknown migration "${after}"; known: ${shipped.map((m) => m.name).join(', ')}`,
    );
  return asScript(shipped.filter((m) => after === undefined || m.name > after));
}

/**
 * Everything that `migrate` brings to an empty database as one script, for one that no connection string reaches: in tests
 * on PGlite, `await pglite.exec(installScript())`.
 */
export function installScript(methods: readonly string[] = []): string {
  return `${asScript(shippedMigrations())}\n${queueInstallScript([...builtInMethods, ...methods])}`;
}

function asScript(migrations: readonly Migration[]): string {
  return [
    createJournal,
    ...migrations.map(
      (m) => `-- ${m.name}\n${inTransaction(m.sql).trimEnd()}\n--> statement-breakpoint\n${recordOf(m)}`,
    ),
  ].join('\n--> statement-breakpoint\n');
}

/** The same for whoever runs a script in one transaction, where Postgres refuses to build indexes beside other work. */
function inTransaction(sql: string): string {
  return sql.startsWith(outsideTransaction) ? sql.replaceAll(' CONCURRENTLY', '') : sql;
}

async function apply(client: Client, migration: Migration): Promise<void> {
  if (migration.sql.startsWith(outsideTransaction)) {
    for (const statement of migration.sql.split('--> statement-breakpoint')) await client.query(statement);
    await client.query(recordOf(migration));
    return;
  }
  // Whoever waits for a table's lock makes everybody behind it wait as well: better to let go, let them pass and try again.
  for (let tries = 1; ; tries++) {
    try {
      await client.query(`BEGIN; SET LOCAL lock_timeout = '${lockTimeoutMs}ms'`);
      await client.query(migration.sql);
      await client.query(recordOf(migration));
      await client.query('COMMIT');
      return;
    } catch (error) {
      await client.query('ROLLBACK');
      if (codeOf(error) !== lockNotAvailable || tries === mostTries) throw error;
      await sleep(lockTimeoutMs);
    }
  }
}

/** Polls for the lock: a session that waits inside pg_advisory_lock() would deadlock with CREATE INDEX CONCURRENTLY. */
async function withLock<T>(
  connectionString: string,
  waitSeconds: number,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    const deadline = Date.now() + waitSeconds * 1000;
    while (!(await tryLock(client))) {
      if (Date.now() > deadline)
        throw new ConfigurationError(
          'database',
          `another process has been migrating for more than ${waitSeconds} s; look for it in pg_locks`,
        );
      await sleep(100);
    }
    return await work(client);
  } finally {
    await client.end();
  }
}

async function tryLock(client: Client): Promise<boolean> {
  const result = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [lockKey]);
  return result.rows[0]?.locked === true;
}
