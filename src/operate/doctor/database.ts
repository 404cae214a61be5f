/** Examines the database: server, clock, migrations and queues. */
import type { Pool } from 'pg';
import { pendingMigrations } from '../../database/journal.ts';
import type { Queryable } from '../../database/pool.ts';
import { ConfigurationError } from '../../errors.ts';
import { knownQueueVersion } from '../../queue/options.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import { examineFlow } from './flow.ts';
import { examineGuards } from './guards.ts';
import { tryDelivery } from './trial.ts';

/** In seconds. With a larger difference of the clocks, receivers reject the timestamps of webhooks. */
const clockTolerance = 5;

/** Stops early if the remaining checks need what failed. `now` is for tests. */
export async function examineDatabase(client: Pool, now: () => number = Date.now): Promise<Finding[]> {
  const findings = [await examineServer(client), await examineClock(client, now)];
  const migrations = await examineMigrations(client);
  findings.push(migrations);
  if (migrations.level === 'problem') return findings;
  const queue = await examineQueue(client);
  return [
    ...findings,
    queue,
    ...(await examineFuture(client)),
    ...(queue.level === 'problem'
      ? []
      : [await tryDelivery(client), ...(await examineFlow(client)), ...(await examineGuards(client))]),
  ];
}

async function examineServer(client: Queryable): Promise<Finding> {
  const { rows } = await client.query<{ number: number; version: string; readonly: boolean }>(
    `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
       pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS readonly`,
  );
  const { number = 0, version = '', readonly = false } = rows[0] ?? {};
  if (number < 130_000) return problem('database', `PostgreSQL ${version}`, 'upgrade to PostgreSQL 13 or later');
  if (readonly)
    return problem(
      'database',
      `PostgreSQL ${version}, read-only`,
      'point DATABASE_URL at the primary; workers continue automatically',
    );
  return ok('database', `PostgreSQL ${version}`);
}

async function examineClock(client: Queryable, now: () => number): Promise<Finding> {
  const before = now();
  const { rows } = await client.query<{ at: Date }>('SELECT clock_timestamp() AS at');
  const middle = (before + now()) / 2;
  const apart = Math.abs((rows[0]?.at.getTime() ?? middle) - middle) / 1000;
  return apart > clockTolerance
    ? problem(
        'clock',
        `this machine's clock and the database's are ${apart.toFixed(1)} s apart`,
        'synchronize both with a time server (chrony, systemd-timesyncd)',
      )
    : ok('clock', `this machine's clock and the database's agree within ${Math.max(apart, 0.1).toFixed(1)} s`);
}

/** What was due is not any more when the clock of the database goes back: it waits until it is that time again. */
async function examineFuture(client: Queryable): Promise<Finding[]> {
  const { rows } = await client.query<{ seconds: number | null }>(
    'SELECT extract(epoch FROM max(created_at) - clock_timestamp())::float8 AS seconds FROM herald.message',
  );
  const seconds = rows[0]?.seconds ?? 0;
  if (seconds <= clockTolerance) return [];
  const text = `the newest message was enqueued ${Math.round(seconds)} s in the future: the database's clock went back`;
  return [warning('clock', text, 'set the clock right; what was due before waits until it is that time again')];
}

async function examineMigrations(client: Pool): Promise<Finding> {
  try {
    const pending = await pendingMigrations(client);
    if (pending.length === 0) return ok('migrations', 'up to date');
    return problem(
      'migrations',
      `${pending.map((migration) => migration.name).join(', ')} not applied`,
      'run "pg-herald migrate"',
    );
  } catch (error) {
    if (error instanceof ConfigurationError)
      return problem('migrations', error.message, 'install the release that migrated the database');
    throw error;
  }
}

async function examineQueue(client: Queryable): Promise<Finding> {
  const exists = await client.query<{ found: boolean }>(
    `SELECT to_regclass('herald_queue.version') IS NOT NULL AS found`,
  );
  if (!exists.rows[0]?.found) return problem('queue', "pg-boss's tables are missing", 'run "pg-herald migrate"');
  const { rows } = await client.query<{ version: number }>('SELECT version FROM herald_queue.version');
  const version = rows[0]?.version ?? 0;
  if (version !== knownQueueVersion)
    return problem(
      'queue',
      `pg-boss schema ${version}, this release needs ${knownQueueVersion}`,
      'run "pg-herald migrate" of the newer release',
    );
  const missing = await client.query<{ name: string }>(
    `SELECT m.name FROM herald.method m WHERE m.name <> '*' AND NOT EXISTS (SELECT FROM herald_queue.queue q ` +
      'WHERE q.name = m.name)',
  );
  const [method] = missing.rows;
  return method === undefined
    ? ok('queue', `pg-boss schema ${version}, a queue for each method`)
    : problem('queue', `no queue for ${method.name}`, `run "pg-herald migrate --method ${method.name}"`);
}
