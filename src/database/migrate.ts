/**
 * Brings a database to this release: our tables and functions, then pg-boss's tables, then one queue per delivery
 * method.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type ClientBase } from 'pg';
import { ConfigurationError, codeOf } from '../errors.ts';
import { installQueues, planQueues, queueInstallScript } from '../queue/install.ts';
import { builtInMethods } from '../queue/options.ts';
import { checkedConnectionString } from './connection-string.ts';
import { migrationSession, withMigrationLock } from './migration-lock.ts';
import { withClient } from './pool.ts';
import { repeatGrants } from './roles.ts';
import { repeatRowLevelSecurity } from './row-level-security.ts';
import { openMigrationPool } from './session.ts';
import {
  createJournal,
  functionsStep,
  type Migration,
  pendingMigrations,
  recordOf,
  schemas,
  shippedMigrations,
  statementBreak,
} from './journal.ts';

/** What `migrate` may be told. */
export interface MigrateOptions {
  /** Further delivery methods to create queues for, beside `smtp`, `webhook` and `inbox`. */
  readonly methods?: readonly string[];
  /** Longest wait for another migrating process, in seconds; default 300. */
  readonly waitSeconds?: number;
  /** Called once if another process migrates this database, with what is known of its session. */
  readonly onWait?: (holder: string) => void;
}

/** What `migrate` did. The lists are empty if the database was up to date. */
export interface MigrationReport {
  /** Names of the migrations that were applied now, in order. */
  readonly applied: readonly string[];
  /** Version of pg-boss's schema before and after; `before` is null on a new database. */
  readonly queueSchema: { readonly before: number | null; readonly after: number };
  /** Methods whose queues were created now. */
  readonly createdMethods: readonly string[];
}

/** How long a migration may block the application while it waits for a lock, and how often it tries. */
const lockTimeoutMs = 1000;
const maxTries = 60;
const lockNotAvailable = '55P03';

/**
 * A file that builds an index this way runs statement by statement, because Postgres refuses it inside a transaction.
 */
const concurrently = /^CREATE (?:UNIQUE )?INDEX CONCURRENTLY (?:IF NOT EXISTS )?("[^"]+") ON ("[^"]+")\./;
const runsOutsideTransaction = ({ sql }: Migration) =>
  sql.split(statementBreak).some((one) => concurrently.test(one.trim()));

/**
 * Applies what is missing: tables, functions, queues, methods. Safe to run from many replicas at once: one works, the
 * others wait and find nothing to do. Needs the owner of the schemas, or a role that may create them.
 * @throws {ConfigurationError} if the database is not one that this release can upgrade, or another process migrates
 * for too long.
 */
export async function migrate(url: string, options: MigrateOptions = {}): Promise<MigrationReport> {
  const connectionString = checkedConnectionString(url, 'connectionString');
  const { waitSeconds = 300, onWait } = options;
  return withMigrationLock(connectionString, { waitSeconds, onWait }, () => migrateAlone(connectionString, options));
}

async function migrateAlone(connectionString: string, { methods = [] }: MigrateOptions): Promise<MigrationReport> {
  const pool = await openMigrationPool(connectionString, migrationSession);
  try {
    return await withClient(pool, async (client) => {
      const pending = await pendingMigrations(client);
      await prepareSchemas(client);
      for (const migration of pending) await applyMigration(client, migration);
      await requireKnownCommands(client);
      const queues = await installQueues(pool, [...builtInMethods, ...methods]);
      await repeatGrants(client);
      await repeatRowLevelSecurity(client);
      return { applied: pending.map((m) => m.name), ...queues };
    });
  } finally {
    await pool.end();
  }
}

const insufficientPrivilege = '42501';
const readOnlyTransaction = '25006';
const readOnlyRemedy =
  'it is read-only: connect to the primary, or turn default_transaction_read_only off for this role and database';

/** @throws {ConfigurationError} with the SQL for the administrator if the role may not create schemas. */
async function prepareSchemas(client: ClientBase): Promise<void> {
  try {
    await client.query(createJournal);
  } catch (error) {
    if (codeOf(error) === readOnlyTransaction) throw new ConfigurationError('database', readOnlyRemedy);
    if (codeOf(error) !== insufficientPrivilege) throw error;
    const { rows } = await client.query<{ role: string }>('SELECT quote_ident(current_user) AS role');
    const [role] = rows.map((row) => row.role);
    const remedy = schemas.map((schema) => `CREATE SCHEMA ${schema} AUTHORIZATION ${role};`).join(' ');
    throw new ConfigurationError(
      'database',
      `the role ${role} may not create the schemas of pg-herald; ask the administrator to run: ${remedy}`,
    );
  }
}

/** Returns the SQL that `migrate` would run on this database: ours, then pg-boss's. Changes nothing. */
export async function migrationPlan(connectionString: string): Promise<string> {
  const client = new Client({ connectionString: checkedConnectionString(connectionString, 'connectionString') });
  try {
    await client.connect();
    const pending = await pendingMigrations(client);
    return [pending.length > 0 ? asScript(pending) : '', await planQueues(client)]
      .filter((part) => part !== '')
      .join('\n');
  } finally {
    await client.end();
  }
}

/**
 * Returns our SQL as one script that records itself, for an application that applies all SQL through its own
 * drizzle-kit folder (`drizzle-kit generate --custom`, then paste). `after` leaves out that migration of the tables
 * and those before it; the functions are always part of the script.
 * @throws {ConfigurationError} if no migration has the name `after`.
 */
export function migrationScript(after?: string): string {
  const shipped = shippedMigrations();
  const names = shipped.map(({ name }) => name).filter((name) => name !== functionsStep);
  if (after !== undefined && !names.includes(after))
    throw new ConfigurationError('--after', `unknown migration "${after}"; known: ${names.join(', ')}`);
  return asScript(shipped.filter(({ name }) => after === undefined || name === functionsStep || name > after));
}

/**
 * Returns everything that `migrate` brings to an empty database as one script, for a database that no connection
 * string reaches: in tests on PGlite, `await pglite.exec(installScript())`.
 */
export function installScript(methods: readonly string[] = []): string {
  return `${asScript(shippedMigrations())}\n${queueInstallScript([...builtInMethods, ...methods])}`;
}

function asScript(migrations: readonly Migration[]): string {
  return [
    createJournal,
    ...migrations.map((m) => `-- ${m.name}\n${inTransaction(m).trimEnd()}\n${statementBreak}\n${recordOf(m)}`),
  ].join(`\n${statementBreak}\n`);
}

/** A script may run in one transaction, in which Postgres refuses to build indexes beside other work. */
function inTransaction(migration: Migration): string {
  return runsOutsideTransaction(migration) ? migration.sql.replaceAll(' CONCURRENTLY', '') : migration.sql;
}

/** What pg-boss leaves for later: it builds, drops and rebuilds its own indexes. */
const indexCommand = /^\s*(CREATE( UNIQUE)? INDEX|DROP INDEX|REINDEX INDEX)( CONCURRENTLY)?\s[^;]*$/i;

/**
 * pg-boss's table `bam` holds commands, and upgrading the queue executes them as the owner of the database. Refuses
 * those that pg-boss does not write: a role with the right to write the table could become the owner.
 */
async function requireKnownCommands(client: ClientBase): Promise<void> {
  const { rows: tables } = await client.query(`SELECT WHERE to_regclass('herald_queue.bam') IS NOT NULL`);
  if (tables.length === 0) return;
  const { rows } = await client.query<{ id: string; command: string }>(
    `SELECT id, command FROM herald_queue.bam WHERE status <> 'completed'`,
  );
  const unknown = rows.find(({ command }) => !indexCommand.test(command));
  if (unknown === undefined) return;
  throw new ConfigurationError(
    'database',
    `herald_queue.bam holds a command that pg-boss did not write (id ${unknown.id}), and it would run as the owner; ` +
      'find out who wrote it, delete the row, and migrate again',
  );
}

/** Applies one step and records it. */
export async function applyMigration(client: ClientBase, migration: Migration): Promise<void> {
  if (runsOutsideTransaction(migration)) return applyStatements(client, migration);
  // A session that waits for a table's lock blocks every session behind it. Giving up, letting them pass and trying
  // again does not.
  for (let tries = 1; ; tries++) {
    try {
      await client.query(`BEGIN; SET LOCAL lock_timeout = '${lockTimeoutMs}ms'`);
      await client.query(migration.sql);
      await client.query(recordOf(migration));
      await client.query('COMMIT');
      return;
    } catch (error) {
      await client.query('ROLLBACK');
      if (codeOf(error) !== lockNotAvailable || tries === maxTries) throw error;
      await sleep(lockTimeoutMs);
    }
  }
}

/** An interrupted build leaves an invalid index behind, which is dropped first: so the step can be repeated. */
async function applyStatements(client: ClientBase, migration: Migration): Promise<void> {
  for (const statement of migration.sql.split(statementBreak)) {
    const [, index, table] = concurrently.exec(statement.trim()) ?? [];
    if (index !== undefined) await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${table}.${index}`);
    await client.query(statement);
  }
  await client.query(recordOf(migration));
}
