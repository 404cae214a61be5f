/**
 * The first statement of a delivery. It locks the messages of a batch, decides for each whether its attempt may begin,
 * and opens the attempts. The row decides; the job only wakes.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../database/database.ts';
import { exactJson } from '../database/exact-json.ts';
import type { LeasedJob, RequeuedJob } from '../queue/queue.ts';
import { maxInteger, maxUnknownRetries, unknownDelaySeconds } from './limits.ts';
import { isFresh } from './jobs/prefetch.ts';
import type { OpenAttempt, OpenMessage } from './attempt.ts';
import { pushSteps, type QuietMessage } from './push-steps.ts';
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
 * What happened to one message. `open`: its attempt is open. `not_due`: its time has not come, or quiet hours last.
 * `isolate`: it may only begin in isolation. `settled`: there is nothing to do; it expired, was inhibited, has spent
 * its attempts or waits for an operator, as the statement has just recorded or as it was before.
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

/** Lost workers after which a message is delivered in isolation. */
const lossesBeforeIsolation = 2;
/** When a message that cannot be isolated now is looked at again, in seconds. */
const isolateAgainSeconds = 2;
/** Wait before the statement is repeated while the database is away, in milliseconds. */
const repeatMs = 250;
/** Attempts that could not be closed until the wait is this long are `unknown`, which is safe. */
const maxCloseWaitMs = 120_000;

// Only a declared secret may replace a label: an operator sees which names are secret, and nothing else is hidden.
const declaredSecrets = `CASE WHEN m.secrets IS NOT NULL THEN (
    SELECT jsonb_object_agg(s.key, s.value) FROM jsonb_each(m.secrets) s
    JOIN herald.template_version v ON v.template = m.template AND v.version = m.template_version
    WHERE s.key = ANY (v.secrets)) END`;

// A `sending` row with another token was left by a worker that lost its lease. Whether the message left is unknown:
// its attempt is recorded as `unknown`, and the message waits as after every unknown outcome. The attempt counts
// against the limit only if the message was alone in flight, since any message in flight may be what ended the
// worker. With our own token this statement already ran and its reply was lost. A message whose job comes back more
// than a second early (its requeueing was lost) is requeued again.
const text = `
WITH locked AS MATERIALIZED (
  SELECT m.id, m.status, m.template, m.method, m.recipient_id, m.address, m.unknown, m.priority, m.attempts,
    m.max_attempts, m.expires_at, m.next_attempt_at, m.leased_by, m.attempt_started_at, m.crashes, m.counted,
    m.unknowns, m.notification_id, m.unless, o.lost, (o.lost AND m.crashes >= ${lossesBeforeIsolation})::int AS own_loss
  FROM herald.message m
  CROSS JOIN LATERAL (SELECT m.status = 'sending' AND m.lease_token IS DISTINCT FROM $2 AS lost) o
  WHERE m.id = ANY ($1::uuid[]) ORDER BY m.id FOR UPDATE OF m
), decided AS MATERIALIZED (
  SELECT l.id, l.status, l.priority, l.next_attempt_at, l.lost, l.own_loss, t."group", t.mandatory, t.sender,
    t.guard, t.recipient_guard, t.steps IS NOT NULL AS has_steps,
    coalesce(t.steps @> '[{"unless": "acknowledged"}]', false) AS acknowledgeable, d.last_sent_at, CASE
      WHEN l.status NOT IN ('pending', 'sending') THEN 'settled'
      WHEN l.lost AND l.unknown = 'hold' THEN 'held'
      WHEN l.expires_at <= now() THEN 'expired'
      WHEN l.lost AND l.unknowns >= ${maxUnknownRetries} THEN 'failed'
      WHEN l.counted + l.own_loss >= coalesce(l.max_attempts, $4) THEN 'failed'
      WHEN l.lost THEN 'wait'
      WHEN l.status = 'pending' AND l.next_attempt_at > now() + interval '1 second' THEN 'not_due'
      WHEN l.unless IS NOT NULL AND herald.is_needless(l.notification_id, l.recipient_id, l.unless) THEN l.unless
      WHEN NOT t.enabled THEN 'template_disabled'
      WHEN NOT d.enabled THEN 'method_disabled'
      WHEN s.cause IS NOT NULL THEN 'suppressed'
      WHEN NOT c.enabled THEN 'preference'
      WHEN NOT coalesce(c.enabled, t.mandatory OR t.enabled_by_default) THEN 'default_off'
      WHEN EXISTS (SELECT FROM herald.hours) AND l.status = 'pending'
        AND herald.message_quiet_until(l.id, now()) IS NOT NULL THEN 'quiet'
      WHEN l.crashes >= ${lossesBeforeIsolation} AND NOT $5 THEN 'isolate'
      ELSE 'open' END AS disposition
  FROM locked l JOIN herald.template t ON t.name = l.template JOIN herald.method d ON d.name = l.method
  LEFT JOIN LATERAL herald.suppression_of(l.method, l.address, d.erased_key, t.mandatory) s ON true
  LEFT JOIN LATERAL herald.choice_of(l.recipient_id, l.template, t."group", l.method) c ON NOT t.mandatory
), lost_attempts AS (
  INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, reason, detail, counted)
  SELECT l.id, l.attempts, l.leased_by, l.attempt_started_at, greatest(clock_timestamp(), l.attempt_started_at),
    'unknown', 'worker_lost', 'the worker stopped before it could record what came of this attempt', l.own_loss = 1
  FROM locked l WHERE l.lost
  ON CONFLICT DO NOTHING
), stopped AS (
  UPDATE herald.message m
  SET status = CASE WHEN j.disposition IN ('held', 'expired', 'failed') THEN j.disposition
      WHEN j.disposition IN ('seen', 'read', 'acknowledged') THEN 'cancelled' ELSE 'inhibited' END,
    reason = CASE j.disposition
      WHEN 'held' THEN 'worker_lost'
      WHEN 'failed' THEN coalesce(CASE WHEN j.lost THEN 'worker_lost' END, nullif(m.reason, 'quiet_hours'),
        'attempts_spent')
      ELSE j.disposition END,
    next_attempt_at = CASE WHEN j.disposition = 'held' THEN 'infinity' ELSE m.next_attempt_at END,
    settled_at = CASE WHEN j.disposition <> 'held' THEN now() END,
    secrets = CASE WHEN j.disposition = 'held' THEN m.secrets END,
    counted = m.counted + j.own_loss, crashes = m.crashes + j.lost::int,
    unknowns = m.unknowns + j.lost::int, lease_token = NULL
  FROM decided j
  WHERE m.id = j.id AND j.disposition NOT IN ('settled', 'wait', 'not_due', 'quiet', 'isolate', 'open')
  RETURNING m.id, m.status, m.reason
), waiting AS (
  UPDATE herald.message m
  SET status = 'pending', reason = CASE WHEN j.lost THEN 'worker_lost' ELSE 'quiet_hours' END, lease_token = NULL,
    crashes = m.crashes + j.lost::int, unknowns = m.unknowns + j.lost::int, counted = m.counted + j.own_loss,
    quiet_until = CASE WHEN j.lost OR m.attempts > 0 THEN m.quiet_until
      ELSE herald.message_quiet_until(m.id, now()) END,
    next_attempt_at = CASE WHEN j.lost THEN least(now() + interval '${unknownDelaySeconds} seconds',
      CASE WHEN m.expires_at IS NOT NULL THEN greatest(m.expires_at, now()) END)
      ELSE herald.message_quiet_until(m.id, now()) END
  FROM decided j WHERE m.id = j.id AND j.disposition IN ('wait', 'quiet')
  RETURNING m.id, m.next_attempt_at
), opened AS (
  UPDATE herald.message m
  SET status = 'sending', lease_token = $2, leased_by = $3, attempt_started_at = clock_timestamp(),
    attempts = least(m.attempts::bigint + (m.lease_token IS DISTINCT FROM $2)::int, ${maxInteger})
  FROM decided j
  WHERE m.id = j.id AND j.disposition = 'open'
  RETURNING m.id, m.attempts AS attempt, m.counted, m.max_attempts AS "maxAttempts", m.unknown, m.unknowns, m.uncounted,
    extract(epoch FROM m.attempt_started_at - m.uncounted_since)::float8 AS "uncountedSeconds",
    coalesce(m.fault_at < j.last_sent_at, false) AS "faultIsOwn",
    m.template, m.template_version AS "templateVersion", j."group", j.mandatory, j.sender, j.guard,
    j.recipient_guard AS "recipientGuard", j.acknowledgeable, m.recipient,
    ${declaredSecrets} AS secrets, m.targets, m.endpoint_id AS "endpointId", m.tenant, m.group_key AS "groupKey",
    m.unsubscribe_url AS "unsubscribeUrl", m.dedupe_key AS "dedupeKey",
    1000 * extract(epoch FROM greatest(m.created_at, m.send_at, m.quiet_until))::float8 AS "createdAtMs",
    1000 * extract(epoch FROM m.expires_at)::float8 AS "expiresAtMs", m.notification_id AS "notificationId",
    m.attachments,
    1000 * greatest(extract(epoch FROM m.attempt_started_at - m.next_attempt_at), 0)::float8 AS "queuedMs",
    1000 * extract(epoch FROM m.expires_at - m.attempt_started_at)::float8 AS "expiresInMs"
)
SELECT o.*, coalesce(n.labels, '{}') AS labels, n.data::text AS data, n.actions,
  n.trace_context AS "traceContext", n.seal_id AS "sealId",
  CASE WHEN o.attachments > 0 THEN coalesce((
    SELECT sum(f.bytes) FROM herald.attachment f WHERE f.notification_id = o."notificationId"), 0) ELSE 0 END::float8
    AS "fileBytes",
  row_to_json(r) AS other
FROM (opened o LEFT JOIN herald.notification n ON n.id = o."notificationId") FULL JOIN (
  SELECT CASE WHEN j.disposition = 'isolate' THEN 'isolate'
      WHEN j.disposition IN ('wait', 'not_due', 'quiet') THEN 'not_due' ELSE 'settled' END AS disposition,
    j.id, coalesce(s.status, j.status) AS status, s.reason, j.priority, CASE
      WHEN j.disposition = 'isolate' THEN now() + interval '${isolateAgainSeconds} seconds'
      ELSE coalesce(w.next_attempt_at, j.next_attempt_at) END AS "nextAttemptAt",
    CASE WHEN j.disposition = 'quiet' AND j.has_steps THEN j.next_attempt_at END AS "quietSince"
  FROM decided j LEFT JOIN stopped s USING (id) LEFT JOIN waiting w USING (id)
  WHERE j.disposition <> 'open'
) r ON false`;

// A message comes in columns, because making one JSON value of it takes the server a third of the statement. Times are
// numbers, or text in JSON: neither depends on the DateStyle of the session.
interface Row extends Omit<OpenMessage, 'data'> {
  /** The JSON as text, which keeps the digits of its numbers. */
  readonly data: string | null;
  /** What became of a message whose attempt is not open; every other column is null then. */
  readonly other: OtherRow | null;
}

interface OtherRow {
  readonly disposition: 'not_due' | 'isolate' | 'settled';
  readonly id: string;
  readonly status: string;
  readonly reason: string | null;
  readonly priority: number;
  readonly nextAttemptAt: string;
  /** When it was due, if quiet hours stop it and its notification has later steps. */
  readonly quietSince: string | null;
}

/**
 * Opens an attempt for every message that may go, and settles those that must not. Ids without a row are left out.
 * Safe to repeat with the same token.
 */
export async function openAttempts(ids: readonly string[], options: OpenOptions): Promise<Opening[]> {
  const values = [ids, options.token, options.worker, options.maxAttempts, options.isolated];
  const rows = await options.database.run<Row>({ name: 'herald.begin', text }, values);
  await pushSteps(rows.flatMap(quietOf), options.database);
  return rows.map(openingOf);
}

function quietOf({ other }: Row): QuietMessage[] {
  return other?.quietSince ? [{ id: other.id, dueAt: other.quietSince }] : [];
}

function openingOf(row: Row): Opening {
  // The row becomes the message: a copy of so many fields costs as much as reading them.
  if (row.other === null) return { disposition: 'open', message: Object.assign(row, { data: exactJson(row.data) }) };
  const { disposition, id, status, reason, priority, nextAttemptAt } = row.other;
  if (disposition === 'settled') return { disposition, id, status, reason };
  return { disposition, id, priority, nextAttemptAt: new Date(nextAttemptAt) };
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
      if (stopping.aborted || !isFresh(batch)) {
        void closeUnused(ids, token, services);
        throw error;
      }
      errors.report(error, 'cannot begin', { method });
      await sleep(repeatMs);
    }
  }
}

const closeUnusedText = `
UPDATE herald.message m
SET status = 'pending', lease_token = NULL, attempts = m.attempts - 1
WHERE m.id = ANY ($1::uuid[]) AND m.status = 'sending' AND m.lease_token = $2`;

/**
 * Closes attempts that the statement opened although its reply was lost. Nothing was dispatched, so they are neither
 * counted nor unknown. Waits for the statement if the server is still at it: both lock the same rows.
 */
async function closeUnused(ids: readonly string[], token: string, services: DeliveryServices): Promise<void> {
  const { database, errors, method } = services;
  for (let waitMs = repeatMs; waitMs < maxCloseWaitMs; waitMs *= 2) {
    try {
      await database.pool.query(closeUnusedText, [ids, token]);
      return;
    } catch (error) {
      errors.report(error, 'cannot close attempts that were not used', { method });
      await sleep(waitMs, undefined, { ref: false });
    }
  }
}
