/** Whether messages are being delivered, at a glance. */
import type { Queryable } from '../database/pool.ts';
import { listPauses, type PauseState } from './pause.ts';
import { readSenders, type SenderState } from './senders.ts';
import { readWorkers, serviceOf, type RegisteredWorker, workersConnected } from './workers.ts';

/** The backlog and the last hour of one method. */
export interface MethodStatus {
  /** For example `smtp`. */
  readonly method: string;
  /** False if an operator disabled it. */
  readonly enabled: boolean;
  /** Messages that wait. */
  readonly pending: number;
  /** How many of these wait for quiet hours to end. */
  readonly quiet: number;
  /** Messages with an attempt under way. */
  readonly sending: number;
  /** Messages that wait for an operator. */
  readonly held: number;
  /** Of the pending and held ones, those whose guard gave no answer. */
  readonly guardFailed: number;
  /** Seconds since the oldest due message became due; 0 if none is due. */
  readonly oldestDueSeconds: number;
  /** Messages that were sent in the last hour. */
  readonly sentLastHour: number;
  /** Messages that failed in the last hour. */
  readonly failedLastHour: number;
  /** Workers are alive, and none of them delivers this method. */
  readonly unserved: boolean;
}

/** What `pg-herald status` shows. */
export interface Status {
  /** Every method. */
  readonly methods: readonly MethodStatus[];
  /** Every pause. */
  readonly pauses: readonly PauseState[];
  /** Senders that are paused, or have fewer connections than configured. */
  readonly senders: readonly SenderState[];
  /** Workers that hold a connection to this database. */
  readonly workers: number;
  /** Workers that run or died less than a day ago, with what they deliver. */
  readonly registeredWorkers: readonly RegisteredWorker[];
  /** Why the database accepts no writes, so that nothing is delivered; null if it accepts them. */
  readonly readOnly: ReadOnly | null;
}

/** `standby`: a replica, until it is promoted. `setting`: `default_transaction_read_only` is on. */
export type ReadOnly = 'standby' | 'setting';

const methodsQuery = `
SELECT m.name AS method, m.enabled, coalesce(u.pending, 0)::int AS pending, coalesce(u.sending, 0)::int AS sending,
  coalesce(u.quiet, 0)::int AS quiet,
  coalesce(u.held, 0)::int AS held, coalesce(u.unanswered, 0)::int AS "guardFailed",
  coalesce(extract(epoch FROM now() - u.oldest), 0)::float8 AS "oldestDueSeconds",
  coalesce(r.sent, 0)::int AS "sentLastHour", coalesce(r.failed, 0)::int AS "failedLastHour"
FROM herald.method m
LEFT JOIN (
  SELECT method, count(*) FILTER (WHERE status = 'pending') AS pending,
    count(*) FILTER (WHERE status = 'pending' AND reason = 'quiet_hours' AND next_attempt_at > now()) AS quiet,
    count(*) FILTER (WHERE status = 'sending') AS sending, count(*) FILTER (WHERE status = 'held') AS held,
    count(*) FILTER (WHERE reason = 'guard_failed') AS unanswered,
    min(next_attempt_at) FILTER (WHERE status = 'pending' AND next_attempt_at <= now()) AS oldest
  FROM herald.message WHERE settled_at IS NULL GROUP BY method) u ON u.method = m.name
LEFT JOIN (
  SELECT method, count(*) FILTER (WHERE status = 'sent') AS sent, count(*) FILTER (WHERE status = 'failed') AS failed
  FROM herald.message WHERE created_at > now() - interval '1 hour' GROUP BY method) r ON r.method = m.name
WHERE m.name <> '*' ORDER BY m.name`;

const serverQuery = `
SELECT ${workersConnected} AS workers,
  CASE WHEN pg_is_in_recovery() THEN 'standby'
    WHEN current_setting('transaction_read_only')::boolean THEN 'setting' END AS "readOnly"`;

/** Reads the status of every method, every pause, and the workers. */
export async function readStatus(client: Queryable): Promise<Status> {
  const methods = await client.query<Omit<MethodStatus, 'unserved'>>(methodsQuery);
  const server = await client.query<Pick<Status, 'workers' | 'readOnly'>>(serverQuery);
  const registeredWorkers = await readWorkers(client);
  const workers = server.rows[0]?.workers ?? 0;
  const isUnserved = (method: string) => serviceOf(method, { workers, registeredWorkers }) === 'unserved';
  return {
    methods: methods.rows.map((row) => ({ ...row, unserved: isUnserved(row.method) })),
    registeredWorkers,
    pauses: await listPauses(client),
    senders: await readSenders(client),
    workers,
    readOnly: server.rows[0]?.readOnly ?? null,
  };
}
