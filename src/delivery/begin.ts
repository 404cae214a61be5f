/**
 * The first statement of a delivery. It locks the messages of a batch, decides for each whether its attempt may begin,
 * and opens the attempts. The row decides; the job only wakes.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../database/statements.ts';
import type { LeasedJob, RequeuedJob } from '../queue/queue.ts';
import { isFresh } from './jobs/prefetch.ts';
import type { OpenAttempt, OpenMessage } from './attempt.ts';
import type { Batch, DeliveryServices } from './services.ts';

/** What `begin` made of a batch. Jobs that are in none of the lists have no message any more; they are settled, too. */
export interface Begun {
  readonly open: readonly OpenAttempt[];
  /** Messages whose time has not come. */
  readonly notDue: readonly RequeuedJob[];
  /** Messages that have outlived several workers and may only be delivered in isolation. */
  readonly toIsolate: readonly RequeuedJob[];
  /** Jobs to remove. */
  readonly settled: readonly LeasedJob[];
}

/**
 * What happened to one message. `open`: its attempt is open. `not_due`: its time has not come. `isolate`: it may only
 * begin in isolation. `settled`: there is nothing to do; it expired, was inhibited, has spent its attempts or waits
 * for an operator, as the statement has just recorded or as it was before.
 */
export type Opening =
  | { readonly disposition: 'open'; readonly message: OpenMessage }
  | {
      readonly disposition: 'not_due' | 'isolate';
      readonly id: string;
      readonly priority: number;
      /** When to look at it again, by the database's clock. */
      readonly nextAttemptAt: Date;
    }
  | {
      readonly disposition: 'settled';
      readonly id: string;
      readonly status: string;
      /** Why it was settled just now; null: it was settled before. */
      readonly reason: string | null;
    };

/** How attempts are opened. */
export interface OpenOptions {
  readonly database: Database;
  readonly worker: string;
  /** Fences off every other lease of these messages. */
  readonly token: string;
  /** Limit of counted attempts for messages whose template has none. */
  readonly maxAttempts: number;
  /** Nothing else is in flight in this worker, so that a message that has outlived several workers may begin. */
  readonly isolated: boolean;
}

/** Lost workers after which a message is delivered in isolation, and after which it fails. */
const lossesBeforeIsolation = 2;
const lossesBeforeFailure = 5;
/** When a message that cannot be isolated now is looked at again, in seconds. */
const isolateAgainSeconds = 2;
/** Wait before the statement is repeated while the database is away. */
const repeatMs = 250;

// A `sending` row with another token was left by a worker that lost its lease: its attempt is recorded as `unknown`.
// It counts against the limit only if the message was alone in flight, since any message in flight may be what ended
// the worker. With our own token this statement already ran and its reply was lost. A message whose job comes back
// more than a second early (its requeueing was lost) is requeued again.
const text = `
WITH locked AS MATERIALIZED (
  SELECT m.id, m.status, m.template, m.method, m.recipient_id, m.unknown, m.priority, m.attempts, m.counted,
    m.max_attempts, m.send_at, m.expires_at, m.next_attempt_at, m.leased_by, m.attempt_started_at, m.crashes,
    m.status = 'sending' AND m.lease_token IS DISTINCT FROM $2 AS lost
  FROM herald.message m WHERE m.id = ANY ($1::uuid[]) ORDER BY m.id FOR UPDATE
), updated AS MATERIALIZED (
  SELECT l.*, l.counted + (l.lost AND l.crashes >= ${lossesBeforeIsolation})::int AS counted_now,
    l.crashes + l.lost::int AS crashes_now
  FROM locked l
), decided AS MATERIALIZED (
  SELECT u.id, u.status, u.priority, u.next_attempt_at, t."group", t.sender, u.counted_now AS counted,
    u.crashes_now AS crashes, CASE
      WHEN u.status NOT IN ('pending', 'sending') THEN 'settled'
      WHEN u.lost AND u.unknown = 'hold' THEN 'held'
      WHEN u.expires_at <= now() THEN 'expired'
      WHEN u.counted_now >= coalesce(u.max_attempts, $4) THEN 'failed'
      WHEN u.lost AND u.crashes_now >= ${lossesBeforeFailure} THEN 'failed'
      WHEN u.status = 'pending' AND u.next_attempt_at > now() + interval '1 second' THEN 'not_due'
      WHEN NOT t.enabled THEN 'template_disabled'
      WHEN NOT d.enabled THEN 'method_disabled'
      WHEN (u.send_at IS NOT NULL OR u.attempts > 0) AND NOT t.mandatory
        AND herald.preference_of(u.recipient_id, u.template, t."group", u.method) IS FALSE THEN 'preference'
      WHEN u.crashes_now >= ${lossesBeforeIsolation} AND NOT $5 THEN 'isolate'
      ELSE 'open' END AS disposition
  FROM updated u JOIN herald.template t ON t.name = u.template JOIN herald.method d ON d.name = u.method
), lost_attempts AS (
  INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, reason, detail, counted)
  SELECT l.id, l.attempts, l.leased_by, l.attempt_started_at, now(), 'unknown', 'worker_lost',
    'the worker stopped before it could record what came of this attempt', l.crashes >= ${lossesBeforeIsolation}
  FROM locked l WHERE l.lost
  ON CONFLICT DO NOTHING
), stopped AS (
  UPDATE herald.message m
  SET status = CASE WHEN j.disposition IN ('held', 'expired', 'failed') THEN j.disposition ELSE 'inhibited' END,
    reason = CASE j.disposition
      WHEN 'held' THEN 'worker_lost'
      WHEN 'failed' THEN coalesce(CASE WHEN m.status = 'sending' THEN 'worker_lost' END, m.reason, 'attempts_spent')
      ELSE j.disposition END,
    next_attempt_at = CASE WHEN j.disposition = 'held' THEN 'infinity' ELSE m.next_attempt_at END,
    settled_at = CASE WHEN j.disposition <> 'held' THEN now() END,
    secrets = CASE WHEN j.disposition = 'held' THEN m.secrets END,
    counted = j.counted, crashes = j.crashes, lease_token = NULL
  FROM decided j
  WHERE m.id = j.id AND j.disposition NOT IN ('settled', 'not_due', 'isolate', 'open')
  RETURNING m.id, m.status, m.reason
), isolated AS (
  UPDATE herald.message m
  SET status = 'pending', reason = 'worker_lost', counted = j.counted, crashes = j.crashes, lease_token = NULL
  FROM decided j WHERE m.id = j.id AND j.disposition = 'isolate' AND m.status = 'sending'
), opened AS (
  UPDATE herald.message m
  SET status = 'sending', attempts = m.attempts + (m.lease_token IS DISTINCT FROM $2)::int, counted = j.counted,
    crashes = j.crashes, lease_token = $2, leased_by = $3, attempt_started_at = clock_timestamp()
  FROM decided j
  WHERE m.id = j.id AND j.disposition = 'open'
  RETURNING m.id, m.attempts AS attempt, m.counted, m.max_attempts AS "maxAttempts", m.unknown,
    CASE WHEN m.attempts < 2 THEN 0 ELSE (
      SELECT count(*) FROM herald.attempt a
      WHERE a.message_id = m.id AND a.outcome = 'unknown' AND a.reason <> 'worker_lost') END AS unknowns,
    m.template, m.template_version AS "templateVersion", j."group", j.sender, m.recipient, m.labels, m.secrets, m.data,
    m.actions, m.targets, m.endpoint_id AS "endpointId", m.tenant, m.group_key AS "groupKey",
    m.unsubscribe_url AS "unsubscribeUrl", m.dedupe_key AS "dedupeKey", m.created_at AS "createdAt",
    m.expires_at AS "expiresAt", m.trace_context AS "traceContext", m.notification_id AS "notificationId",
    m.attachments,
    1000 * greatest(extract(epoch FROM m.attempt_started_at - m.next_attempt_at), 0)::float8 AS "queuedMs",
    1000 * extract(epoch FROM m.expires_at - m.attempt_started_at)::float8 AS "expiresInMs"
)
SELECT 'open' AS disposition, row_to_json(o) AS row FROM opened o
UNION ALL
SELECT CASE WHEN r.disposition IN ('not_due', 'isolate') THEN r.disposition ELSE 'settled' END, row_to_json(r) FROM (
  SELECT j.disposition, j.id, coalesce(s.status, j.status) AS status, s.reason, j.priority, CASE
      WHEN j.disposition = 'isolate' THEN now() + interval '${isolateAgainSeconds} seconds'
      ELSE j.next_attempt_at END AS "nextAttemptAt"
  FROM decided j LEFT JOIN stopped s USING (id)
  WHERE j.disposition <> 'open'
) r`;

type StoredMessage = Omit<OpenMessage, 'createdAt' | 'expiresAt'> & {
  readonly createdAt: string;
  readonly expiresAt: string | null;
};

interface OtherRow {
  readonly id: string;
  readonly status: string;
  readonly reason: string | null;
  readonly priority: number;
  readonly nextAttemptAt: string;
}

// JSON, so that the two kinds of rows need no common columns. Its times are ISO 8601 whatever the session's DateStyle.
type Row =
  | { readonly disposition: 'open'; readonly row: StoredMessage }
  | { readonly disposition: 'not_due' | 'isolate' | 'settled'; readonly row: OtherRow };

/**
 * Opens an attempt for every message that may go, and settles those that must not. Ids without a row are left out.
 * Safe to repeat with the same token.
 */
export async function openAttempts(ids: readonly string[], options: OpenOptions): Promise<Opening[]> {
  const values = [ids, options.token, options.worker, options.maxAttempts, options.isolated];
  return (await options.database.run<Row>({ name: 'herald.begin', text }, values)).map(openingOf);
}

function openingOf({ disposition, row }: Row): Opening {
  switch (disposition) {
    case 'open': {
      const { createdAt, expiresAt } = row;
      const message = {
        ...row,
        createdAt: new Date(createdAt),
        expiresAt: expiresAt === null ? null : new Date(expiresAt),
      };
      return { disposition, message };
    }
    case 'not_due':
    case 'isolate':
      return { disposition, id: row.id, priority: row.priority, nextAttemptAt: new Date(row.nextAttemptAt) };
    case 'settled':
      return { disposition, id: row.id, status: row.status, reason: row.reason };
    default:
      return disposition satisfies never;
  }
}

/** Opens the attempts of a batch. Repeats the statement while the database is away and the leases are fresh. */
export async function begin(
  batch: Batch,
  { isolated }: { readonly isolated: boolean },
  services: DeliveryServices,
): Promise<Begun> {
  const token = randomUUID();
  const jobs = new Map(batch.jobs.map((job) => [job.id, job]));
  const openings = jobs.size === 0 ? [] : await openWhileFresh(batch, { token, isolated }, services);
  const open: OpenAttempt[] = [];
  const notDue: RequeuedJob[] = [];
  const toIsolate: RequeuedJob[] = [];
  for (const opening of openings) {
    if (opening.disposition === 'settled') {
      if (opening.reason !== null) services.telemetry.stopped(opening.status, opening.reason);
      continue;
    }
    const id = opening.disposition === 'open' ? opening.message.id : opening.id;
    const job = jobs.get(id);
    if (job === undefined) continue;
    jobs.delete(id);
    if (opening.disposition === 'open') open.push({ job, token, message: opening.message });
    else {
      const requeued = { ...job, priority: opening.priority, startAfter: opening.nextAttemptAt };
      (opening.disposition === 'not_due' ? notDue : toIsolate).push(requeued);
    }
  }
  return { open, notDue, toIsolate, settled: [...jobs.values()] };
}

/** Otherwise these messages would wait until their leases have run out. */
async function openWhileFresh(
  batch: Batch,
  { token, isolated }: { readonly token: string; readonly isolated: boolean },
  services: DeliveryServices,
): Promise<Opening[]> {
  const { database, worker, dispatcher, method, errors, stopping } = services;
  const maxAttempts = dispatcher.retryDelaysSeconds.length + 1;
  const ids = batch.jobs.map((job) => job.id);
  for (;;) {
    try {
      return await openAttempts(ids, { database, worker, token, maxAttempts, isolated });
    } catch (error) {
      if (stopping.aborted || !isFresh(batch)) throw error;
      errors.report(error, 'cannot begin', { method });
      await sleep(repeatMs);
    }
  }
}
