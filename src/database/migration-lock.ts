/** One process migrates a database at a time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { ConfigurationError } from '../errors.ts';

/** The key of the advisory lock. Every release must use the same one. */
const lockKey = 4_720_190_817;

/** What sessions of a migrating process are called in `pg_stat_activity`. */
export const migrationSession = 'pg-herald migrate';

/** How a process waits for its turn. */
export interface LockOptions {
  /** Longest wait, in seconds. */
  readonly waitSeconds: number;
  /** Called once if another process migrates, with what is known of its session. */
  readonly onWait?: ((holder: string) => void) | undefined;
}

/**
 * Runs `work` while no other process migrates. The lock belongs to a transaction of its own connection, not to a
 * session: behind a pooler, the session outlives the process.
 * @throws {ConfigurationError} if another process has the lock for too long.
 */
export async function withMigrationLock<T>(
  connectionString: string,
  options: LockOptions,
  work: () => Promise<T>,
): Promise<T> {
  const client = new Client({ connectionString, application_name: migrationSession });
  // A connection that breaks while it is idle fails the COMMIT.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await takeLock(client, options);
    const result = await work();
    await client.query('COMMIT');
    return result;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Polls, because a session that waits in pg_advisory_lock() deadlocks with CREATE INDEX CONCURRENTLY. */
async function takeLock(client: Client, { waitSeconds, onWait }: LockOptions): Promise<void> {
  const deadline = Date.now() + waitSeconds * 1000;
  for (let tries = 1; !(await tryLock(client)); tries++) {
    const holder = await holderOf(client);
    if (tries === 1) onWait?.(holder);
    if (Date.now() > deadline)
      throw new ConfigurationError('database', `${holder} has been migrating for more than ${waitSeconds} s`);
    await sleep(100);
  }
}

async function tryLock(client: Client): Promise<boolean> {
  // The owner must not call a function that another role created in "public".
  await client.query(`BEGIN; SET LOCAL search_path = ''; ${neverTimedOut}`);
  const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS locked', [lockKey]);
  if (rows[0]?.locked) return true;
  await client.query('ROLLBACK');
  return false;
}

/** The transaction is idle for as long as the migration takes. Older servers do not know the second setting. */
const neverTimedOut = `SELECT set_config(name, '0', true) FROM pg_catalog.pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')`;

async function holderOf(client: Client): Promise<string> {
  const { rows } = await client.query<{ holder: string }>(
    `SELECT concat('process ', l.pid,
       ' (' || nullif(concat_ws(' at ', nullif(a.application_name, ''), host(a.client_addr)), '') || ')') AS holder
     FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND (l.classid::bigint << 32) + l.objid::bigint = $1`,
    [lockKey],
  );
  return rows[0]?.holder ?? 'another process';
}
