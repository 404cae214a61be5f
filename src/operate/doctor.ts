/** Looks for what keeps notifications from flowing, each finding with its remedy. */
import type { Pool } from 'pg';
import { pendingMigrations } from '../database/journal.ts';
import { ConfigurationError } from '../errors.ts';
import { knownQueueVersion } from '../queue/options.ts';
import { listPauses } from './pause.ts';
import { readStatus } from './status.ts';

export interface Finding {
  readonly check: string;
  readonly level: 'ok' | 'warning' | 'problem';
  readonly text: string;
  /** What to do; null where all is well. */
  readonly remedy: string | null;
}

export const ok = (check: string, text: string): Finding => ({ check, level: 'ok', text, remedy: null });
export const warning = (check: string, text: string, remedy: string): Finding => ({
  check,
  level: 'warning',
  text,
  remedy,
});
export const problem = (check: string, text: string, remedy: string): Finding => ({
  check,
  level: 'problem',
  text,
  remedy,
});

/** Clocks further apart than this make webhooks' timestamps wrong, in seconds. */
const clockTolerance = 5;
/** A due message older than this does not flow, in seconds. */
const lateSeconds = 300;

/** Everything that the database can tell. Stops early where the rest cannot be asked. */
export async function examineDatabase(pool: Pool, now: () => number = Date.now): Promise<Finding[]> {
  const findings = [await examineServer(pool), await examineClock(pool, now)];
  const migrations = await examineMigrations(pool);
  findings.push(migrations);
  if (migrations.level === 'problem') return findings;
  const queue = await examineQueue(pool);
  return [...findings, queue, ...(queue.level === 'problem' ? [] : await examineFlow(pool))];
}

async function examineServer(pool: Pool): Promise<Finding> {
  const { rows } = await pool.query<{ number: number; version: string; readonly: boolean }>(
    `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
       pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS readonly`,
  );
  const { number = 0, version = '', readonly = false } = rows[0] ?? {};
  if (number < 130_000) return problem('database', `PostgreSQL ${version}`, 'upgrade to PostgreSQL 13 or later');
  if (readonly)
    return problem(
      'database',
      `PostgreSQL ${version}, read-only`,
      'point DATABASE_URL at the primary; workers go on by themselves once it is',
    );
  return ok('database', `PostgreSQL ${version}`);
}

async function examineClock(pool: Pool, now: () => number): Promise<Finding> {
  const before = now();
  const { rows } = await pool.query<{ at: Date }>('SELECT clock_timestamp() AS at');
  const middle = (before + now()) / 2;
  const apart = Math.abs((rows[0]?.at.getTime() ?? middle) - middle) / 1000;
  return apart > clockTolerance
    ? problem(
        'clock',
        `this clock and the database's are ${apart.toFixed(1)} s apart`,
        'let both follow a time server (chrony, systemd-timesyncd)',
      )
    : ok('clock', `this clock and the database's agree within ${Math.max(apart, 0.1).toFixed(1)} s`);
}

async function examineMigrations(pool: Pool): Promise<Finding> {
  try {
    const pending = await pendingMigrations(pool);
    if (pending.length === 0) return ok('migrations', 'up to date');
    return problem(
      'migrations',
      `${pending.map((migration) => migration.name).join(', ')} not applied`,
      'run "pg-herald migrate"',
    );
  } catch (error) {
    if (error instanceof ConfigurationError)
      return problem('migrations', error.message, 'install the release that the database was migrated by');
    throw error;
  }
}

async function examineQueue(pool: Pool): Promise<Finding> {
  const exists = await pool.query<{ found: boolean }>(
    `SELECT to_regclass('herald_queue.version') IS NOT NULL AS found`,
  );
  if (!exists.rows[0]?.found) return problem('queue', "pg-boss's tables are missing", 'run "pg-herald migrate"');
  const { rows } = await pool.query<{ version: number }>('SELECT version FROM herald_queue.version');
  const version = rows[0]?.version ?? 0;
  if (version !== knownQueueVersion)
    return problem(
      'queue',
      `pg-boss schema ${version}, this release knows ${knownQueueVersion}`,
      'run "pg-herald migrate" of the newer release',
    );
  const missing = await pool.query<{ name: string }>(
    `SELECT m.name FROM herald.method m WHERE m.name <> '*' AND NOT EXISTS (SELECT FROM herald_queue.queue q WHERE q.name = m.name)`,
  );
  const [method] = missing.rows;
  return method === undefined
    ? ok('queue', `pg-boss schema ${version}, a queue for each method`)
    : problem('queue', `no queue for ${method.name}`, `run "pg-herald migrate --method ${method.name}"`);
}

async function examineFlow(pool: Pool): Promise<Finding[]> {
  const [status, paused, off] = await Promise.all([
    readStatus(pool),
    listPauses(pool),
    pool.query<{ n: number }>('SELECT count(*)::int AS n FROM herald.endpoint WHERE disabled_at IS NOT NULL'),
  ]);
  const disabled = off.rows[0]?.n ?? 0;
  return [
    status.workers > 0
      ? ok('workers', `${status.workers} connected`)
      : warning('workers', 'none connected', 'start one: "pg-herald worker", or createWorker in the application'),
    ...paused.map((state) =>
      warning(
        'pause',
        `${state.method === '*' ? 'everything' : state.method} is paused (${[state.kind, state.reason, state.detail].filter(Boolean).join(', ')})`,
        state.kind === 'fault'
          ? 'mend the cause; it is probed and resumes by itself'
          : `"pg-herald resume${state.method === '*' ? '' : ` ${state.method}`}"`,
      ),
    ),
    ...status.senders
      .filter(({ pausedSince }) => pausedSince !== null)
      .map(({ method, name, reason, detail }) =>
        warning(
          'sender',
          `${method} sender ${name} rests (${reason}, ${detail})`,
          'mend the cause; it is probed and resumes by itself',
        ),
      ),
    ...status.methods
      .filter((method) => method.oldestDueSeconds > lateSeconds)
      .map((method) =>
        problem(
          'backlog',
          `${method.method}: the oldest due message waits for ${Math.round(method.oldestDueSeconds / 60)} min`,
          'start a worker with this method, or more of them',
        ),
      ),
    ...status.methods
      .filter((method) => method.held > 0)
      .map((method) =>
        warning(
          'held',
          `${method.method}: ${method.held} held`,
          '"pg-herald messages list --where status=held", then release or cancel',
        ),
      ),
    ...(disabled > 0
      ? [warning('endpoints', `${disabled} switched off`, '"pg-herald endpoints list", then test and enable')]
      : []),
  ];
}
