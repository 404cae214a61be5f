/** Examines the database: server, clock, migrations, queues, and what stops messages. */
import type { Pool } from 'pg';
import { pendingMigrations } from '../../database/journal.ts';
import type { Queryable } from '../../database/pool.ts';
import { ConfigurationError } from '../../errors.ts';
import { knownQueueVersion } from '../../queue/options.ts';
import type { PauseState } from '../pause.ts';
import type { SenderState } from '../senders.ts';
import { type MethodStatus, readStatus, type Status } from '../status.ts';
import { tryDelivery } from './trial.ts';
import { type Finding, ok, problem, warning } from './finding.ts';

/** In seconds. With a larger difference of the clocks, receivers reject the timestamps of webhooks. */
const clockTolerance = 5;
/** In seconds. A message that has been due for longer is stuck. */
const lateSeconds = 300;

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
    ...(queue.level === 'problem' ? [] : [await tryDelivery(client), ...(await examineFlow(client))]),
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

async function examineFlow(client: Queryable): Promise<Finding[]> {
  const [status, disabled] = [await readStatus(client), await countDisabledEndpoints(client)];
  const plain = await countPlainSecrets(client);
  return [
    ...examineWorkers(status),
    ...status.pauses.map(pausedMethod),
    ...status.senders.filter(({ pausedSince }) => pausedSince !== null).map(pausedSender),
    ...status.methods.flatMap(backlog),
    ...(disabled > 0
      ? [warning('endpoints', `${disabled} disabled`, 'see "pg-herald endpoints list", then test and enable them')]
      : []),
    ...(plain > 0
      ? [warning('secrets', `${plain} waiting messages have secret labels in plain text`, encryptThem)]
      : []),
  ];
}

const encryptThem = 'give createHerald the encryptLabels of labelSecrets, and do without allowPlainSecrets';

async function countPlainSecrets(client: Queryable): Promise<number> {
  const text = `SELECT count(*)::int AS n FROM herald.message m JOIN herald.notification n ON n.id = m.notification_id
    WHERE m.status IN ('pending', 'held') AND m.secrets IS NOT NULL AND n.seal_id IS NULL`;
  return (await client.query<{ n: number }>(text)).rows[0]?.n ?? 0;
}

const startWorker = 'start one: "pg-herald worker", or createWorker in the application';
/** In milliseconds. An older error of a worker is history. */
const recentMs = 3_600_000;

function examineWorkers({ workers, registeredWorkers: registered, methods }: Status): Finding[] {
  const registeredWorkers = registered.filter(({ alive }) => alive);
  if (workers === 0) return [warning('workers', 'none connected', startWorker)];
  const served = [...new Set(registeredWorkers.flatMap((worker) => worker.methods))].sort().join(', ');
  const now = Date.now();
  return [
    ok('workers', `${workers} connected${served === '' ? '' : `, delivering ${served}`}`),
    ...methods
      .filter(({ unserved, pending, held }) => unserved && pending + held > 0)
      .map(({ method, pending }) =>
        problem(
          'workers',
          `no worker delivers ${method}: ${pending} pending`,
          `start one with a dispatcher for ${method}`,
        ),
      ),
    ...registeredWorkers.flatMap(({ name, errors }) =>
      errors
        .filter(({ at }) => now - Date.parse(at) < recentMs)
        .map(({ what, code, at, count }) =>
          warning(
            'workers',
            `${name}: ${what} failed (${code}), ${count} times, last at ${at}`,
            "see the worker's log",
          ),
        ),
    ),
    ...registeredWorkers
      .filter(({ notified }) => notified === false)
      .map(({ name }) =>
        warning(
          'workers',
          `${name}: NOTIFY does not reach it, so it finds messages by polling`,
          'connect workers directly, not through a pooler in transaction mode',
        ),
      ),
  ];
}

async function countDisabledEndpoints(client: Queryable): Promise<number> {
  const text = 'SELECT count(*)::int AS n FROM herald.endpoint WHERE disabled_at IS NOT NULL';
  return (await client.query<{ n: number }>(text)).rows[0]?.n ?? 0;
}

const fixTheCause = 'fix the cause; pg-herald probes it and resumes automatically';

function pausedMethod({ method, kind, reason, detail }: PauseState): Finding {
  const all = method === '*';
  const text = `${all ? 'everything' : method} is paused (${[kind, reason, detail].filter(Boolean).join(', ')})`;
  return warning('pause', text, kind === 'fault' ? fixTheCause : `"pg-herald resume${all ? '' : ` ${method}`}"`);
}

function pausedSender({ method, name, reason, detail }: SenderState): Finding {
  return warning('sender', `${method} sender ${name} is paused (${reason}, ${detail})`, fixTheCause);
}

function backlog({ method, oldestDueSeconds, held }: MethodStatus): Finding[] {
  const minutes = Math.round(oldestDueSeconds / 60);
  const late = `${method}: the oldest due message has been waiting for ${minutes} min`;
  const toHold = '"pg-herald messages list --where status=held", then release or cancel them';
  return [
    ...(oldestDueSeconds > lateSeconds
      ? [problem('backlog', late, 'start a worker with this method, or more of them')]
      : []),
    ...(held > 0 ? [warning('held', `${method}: ${held} held`, toHold)] : []),
  ];
}
