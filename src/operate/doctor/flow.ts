/** Examines what stops messages: workers, pauses, refusals, backlogs, disabled endpoints. */
import type { Queryable } from '../../database/pool.ts';
import type { PauseState } from '../pause.ts';
import type { SenderState } from '../senders.ts';
import { type MethodStatus, readStatus, type Status } from '../status.ts';
import type { RegisteredWorker } from '../workers.ts';
import { examineTimeZones } from './time-zones.ts';
import { type Finding, info, ok, plural, problem, warning } from './finding.ts';

/** In seconds. A message that has been due for longer is stuck. */
const lateSeconds = 300;

/** Examines a database whose tables and queue are up to date. */
export async function examineFlow(client: Queryable): Promise<Finding[]> {
  const status = await readStatus(client);
  return [
    ...examineWorkers(status),
    ...status.pauses.map(pausedMethod),
    ...status.senders.filter(({ pausedSince }) => pausedSince !== null).map(pausedSender),
    ...(await readRefusals(client)).map(openRefusals),
    ...status.methods.flatMap(backlog),
    ...(await disabledEndpoints(client)),
    ...(await plainSecrets(client)),
    ...(await examineTimeZones(client)),
  ];
}

async function disabledEndpoints(client: Queryable): Promise<Finding[]> {
  const text = 'SELECT count(*)::int AS n FROM herald.endpoint WHERE disabled_at IS NOT NULL';
  const n = await countOf(client, text);
  const remedy = 'see "pg-herald endpoints list", then test and enable them';
  return n > 0 ? [warning('endpoints', `${n} disabled`, remedy)] : [];
}

async function plainSecrets(client: Queryable): Promise<Finding[]> {
  const text = `SELECT count(*)::int AS n FROM herald.message m JOIN herald.notification n ON n.id = m.notification_id
    WHERE m.status IN ('pending', 'held') AND m.secrets IS NOT NULL AND n.seal_id IS NULL`;
  const n = await countOf(client, text);
  const found = `${plural(n, 'waiting message')} ${n === 1 ? 'has' : 'have'} secret labels in plain text`;
  const remedy = 'give createHerald the encryptLabels of labelSecrets, and do without allowPlainSecrets';
  return n > 0 ? [warning('secrets', found, remedy)] : [];
}

async function countOf(client: Queryable, text: string): Promise<number> {
  return (await client.query<{ n: number }>(text)).rows[0]?.n ?? 0;
}

const startWorker = 'start one: "pg-herald worker", or createWorker in the application';
const cannotWrite = 'look at their logs: a worker that cannot write to the database does not deliver';
/** In milliseconds. An older error of a worker is history. */
const recentMs = 3_600_000;

function examineWorkers({ workers, registeredWorkers, methods }: Status): Finding[] {
  const alive = registeredWorkers.filter((worker) => worker.alive);
  const inUse = methods.filter(({ enabled }) => enabled);
  if (workers === 0) return [warning('workers', 'none connected', startWorker)];
  if (alive.length === 0)
    return [problem('workers', `${workers} connected, and none has reported for a minute`, cannotWrite)];
  const silent = workers - alive.length;
  const served = [...new Set(alive.flatMap((worker) => worker.methods))].sort().join(', ');
  return [
    ok('workers', `${workers} connected, delivering ${served}`),
    ...(silent > 0 ? [warning('workers', `${silent} of them did not report in the last minute`, cannotWrite)] : []),
    ...inUse.filter(({ unserved }) => unserved).flatMap(unservedMethod),
    ...alive.flatMap(workerErrors),
    ...alive.filter(({ notified }) => notified === false).map(polling),
  ];
}

/** A method that no message uses needs no worker. */
function unservedMethod({ method, pending, held }: MethodStatus): Finding[] {
  if (pending + held === 0) return [info('workers', `no connected worker delivers ${method}; no message waits for it`)];
  const found = `no connected worker delivers ${method}: ${pending} pending, ${held} held`;
  return [problem('workers', found, `start one with a dispatcher for ${method}`)];
}

function workerErrors({ name, errors }: RegisteredWorker): Finding[] {
  return errors
    .filter(({ at }) => Date.now() - Date.parse(at) < recentMs)
    .map(({ what, code, at, count }) => {
      const found = `${name}: ${what} failed (${code}), ${plural(count, 'time')}, last at ${at}`;
      return warning('workers', found, "see the worker's log");
    });
}

function polling({ name }: RegisteredWorker): Finding {
  return warning(
    'workers',
    `${name}: NOTIFY does not reach it, so it finds messages by polling`,
    'connect workers directly, not through a pooler in transaction mode',
  );
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

/** What a sender's server refused since it last accepted a message: evidence that may still turn against the sender. */
interface Refusals {
  readonly method: string;
  readonly sender: string;
  readonly messages: number;
  readonly recipients: number;
  readonly code: string | null;
  readonly enhanced: string | null;
  readonly command: string | null;
}

const refusalsQuery = `
SELECT r.method, r.sender, count(*)::int AS messages, count(DISTINCT r.recipient)::int AS recipients,
  (array_agg(r.reply ->> 'code' ORDER BY r.at DESC))[1] AS code,
  (array_agg(r.reply ->> 'enhanced' ORDER BY r.at DESC))[1] AS enhanced,
  (array_agg(r.reply ->> 'phase' ORDER BY r.at DESC))[1] AS command
FROM herald.refusal r LEFT JOIN herald.sender s ON s.method = r.method AND s.name = r.sender
WHERE r.kind = 'refused' AND r.at > coalesce(s.succeeded_at, '-infinity')
GROUP BY r.method, r.sender ORDER BY r.method, r.sender`;

async function readRefusals(client: Queryable): Promise<Refusals[]> {
  return (await client.query<Refusals>(refusalsQuery)).rows;
}

function openRefusals({ method, sender, messages, recipients, code, enhanced, command }: Refusals): Finding {
  const reply = [code, enhanced].filter(Boolean).join(' ');
  const last = reply === '' ? '' : `, last with ${reply}${command === null ? '' : ` (${command})`}`;
  const refused = `${plural(messages, 'message')} to ${plural(recipients, 'recipient')} refused`;
  const rule = 'three alike to different recipients pause it';
  return info('refusals', `${method} sender ${sender}: ${refused} since it last accepted one${last}; ${rule}`);
}

function backlog({ method, oldestDueSeconds, held }: MethodStatus): Finding[] {
  const minutes = Math.round(oldestDueSeconds / 60);
  const late = `${method}: the oldest due message has been waiting for ${minutes} min`;
  const toHold = '"pg-herald messages list --where status=held", then release or discard them';
  return [
    ...(oldestDueSeconds > lateSeconds
      ? [problem('backlog', late, 'start a worker with this method, or more of them')]
      : []),
    ...(held > 0 ? [warning('held', `${method}: ${held} held`, toHold)] : []),
  ];
}
