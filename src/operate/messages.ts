/** Messages as an operator looks for them: newest first, page by page, by what the indexes of schema.ts support. */
import type { Pool } from 'pg';
import type { JsonValue, MessageStatus, Outcome, Reason, Recipient } from '../vocabulary.ts';

/** One line of a list. Holds no label, no body and no secret. */
export interface MessageLine {
  readonly id: string;
  readonly template: string;
  readonly version: number;
  readonly method: string;
  readonly recipientId: string;
  readonly status: MessageStatus;
  readonly reason: Reason | null;
  readonly attempts: number;
  readonly createdAt: Date;
  readonly nextAttemptAt: Date | null;
  readonly settledAt: Date | null;
}

/** All that are given must match. */
export interface MessageFilter {
  readonly status?: MessageStatus;
  readonly method?: string;
  readonly template?: string;
  readonly recipientId?: string;
  /** Where it went or was to go, for example a mail address; compared in lower case. */
  readonly address?: string;
  readonly target?: string;
  readonly reason?: string;
  readonly dedupeKey?: string;
  readonly since?: Date;
  readonly until?: Date;
}

export interface AttemptRecord {
  readonly number: number;
  readonly worker: string;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly outcome: Outcome;
  readonly reason: Reason | null;
  readonly detail: string | null;
  readonly replyCode: string | null;
  readonly replyEnhanced: string | null;
  readonly replyText: string | null;
  readonly receiverId: string | null;
  readonly charged: boolean;
}

/** Everything about one message but its secret labels. */
export interface MessageDetails extends MessageLine {
  readonly notificationId: string;
  readonly group: string;
  readonly recipient: Recipient;
  readonly labels: Readonly<Record<string, string>>;
  /** Names only. */
  readonly secretLabels: readonly string[];
  readonly data: JsonValue;
  readonly targets: readonly string[];
  readonly dedupeKey: string | null;
  readonly tenant: string | null;
  readonly groupKey: string | null;
  readonly createdBy: string;
  readonly sendAt: Date | null;
  readonly expiresAt: Date | null;
  readonly detail: string | null;
  readonly charged: number;
  readonly maxAttempts: number | null;
  readonly unknown: 'retry' | 'hold';
  readonly leasedBy: string | null;
  readonly attemptStartedAt: Date | null;
  readonly attemptRecords: readonly AttemptRecord[];
  /** The state of pg-boss's job, null if there is none. */
  readonly job: { readonly state: string; readonly startAfter: Date } | null;
  /** Workers connected to this database, of whatever methods. */
  readonly workers: number;
  /** Why the method is paused, if it is. */
  readonly paused: {
    readonly kind: string;
    readonly reason: string | null;
    readonly detail: string | null;
    readonly since: Date;
  } | null;
}

/** Columns of a MessageLine, from herald.message as `m`. */
export const lineColumns = `m.id, m.template, m.template_version AS version, m.method, m.recipient_id AS "recipientId", m.status, m.reason, m.attempts,
  m.created_at AS "createdAt", CASE WHEN m.status = 'pending' THEN m.next_attempt_at END AS "nextAttemptAt", m.settled_at AS "settledAt"`;

/** A MessageFilter on herald.message as `m`, with the values of `valuesOf` from $1 on. */
export const conditions = `($1::text IS NULL OR m.status = $1) AND ($2::text IS NULL OR m.method = $2) AND ($3::text IS NULL OR m.template = $3)
  AND ($4::text IS NULL OR m.recipient_id = $4) AND ($5::text IS NULL OR (m.targets @> ARRAY[$5] AND m.targets <> '{}'))
  AND ($6::text IS NULL OR m.reason = $6) AND ($7::text IS NULL OR m.dedupe_key = $7)
  AND ($8::timestamptz IS NULL OR m.created_at >= $8) AND ($9::timestamptz IS NULL OR m.created_at < $9)
  AND ($10::text IS NULL OR m.address = lower($10))`;

export function valuesOf(filter: MessageFilter): (string | Date | null)[] {
  const { status, method, template, recipientId, target, reason, dedupeKey, since, until, address } = filter;
  return [status, method, template, recipientId, target, reason, dedupeKey, since, until, address].map(
    (value) => value ?? null,
  );
}

/** Where the next page begins: the last line of this one. */
export interface Cursor {
  readonly createdAt: Date;
  readonly id: string;
}

/** Beyond a cursor. Its time has lost its microseconds on the way through JavaScript, so that of its row counts, while there is one. */
export function olderThan(at: string, id: string): string {
  return `(m.created_at, m.id) < (coalesce((SELECT c.created_at FROM herald.message c WHERE c.id = ${id}::uuid), ${at}::timestamptz), ${id}::uuid)`;
}

/** One page, newest first; at most 1,000 lines. */
export async function listMessages(
  pool: Pool,
  filter: MessageFilter,
  page: { limit: number; after?: Cursor | undefined },
): Promise<MessageLine[]> {
  const result = await pool.query<MessageLine>(
    `SELECT ${lineColumns} FROM herald.message m
     WHERE ${conditions} AND ($11::timestamptz IS NULL OR ${olderThan('$11', '$12')})
     ORDER BY m.created_at DESC, m.id DESC LIMIT $13`,
    [...valuesOf(filter), page.after?.createdAt ?? null, page.after?.id ?? null, Math.min(page.limit, 1000)],
  );
  return result.rows;
}

/** What an action on many needs to know of each. */
export interface MessageState {
  readonly id: string;
  readonly status: MessageStatus;
}

/** What matches and has one of these statuses, if they are given: oldest first, at most `limit`. */
export async function findMessages(
  pool: Pool,
  filter: MessageFilter,
  { limit, statuses }: { readonly limit: number; readonly statuses?: readonly MessageStatus[] },
): Promise<MessageState[]> {
  const result = await pool.query<MessageState>(
    `SELECT m.id, m.status FROM herald.message m WHERE ${conditions} AND ($11::text[] IS NULL OR m.status = ANY ($11)) ORDER BY m.created_at, m.id LIMIT $12`,
    [...valuesOf(filter), statuses ?? null, limit],
  );
  return result.rows;
}

/** How many match and have one of these statuses, if they are given. */
export async function countMessages(
  pool: Pool,
  filter: MessageFilter,
  statuses?: readonly MessageStatus[],
): Promise<number> {
  const result = await pool.query<{ n: string }>(
    `SELECT count(*) AS n FROM herald.message m WHERE ${conditions} AND ($11::text[] IS NULL OR m.status = ANY ($11))`,
    [...valuesOf(filter), statuses ?? null],
  );
  return Number(result.rows[0]?.n ?? 0);
}

/** One message with its attempts, its job and the state of its method; null if there is none with this id. */
export async function showMessage(pool: Pool, id: string): Promise<MessageDetails | null> {
  const result = await pool.query<MessageDetails>(
    `SELECT ${lineColumns}, m.notification_id AS "notificationId", t."group", m.recipient, m.labels, v.secrets AS "secretLabels", m.data, m.targets,
       m.dedupe_key AS "dedupeKey", m.tenant, m.group_key AS "groupKey", m.created_by AS "createdBy", m.send_at AS "sendAt", m.expires_at AS "expiresAt",
       m.detail, m.charged, m.max_attempts AS "maxAttempts", m.unknown, m.leased_by AS "leasedBy", m.attempt_started_at AS "attemptStartedAt",
       (SELECT jsonb_build_object('state', j.state, 'startAfter', j.start_after) FROM herald_queue.job j WHERE j.name = m.method AND j.id = m.id) AS job,
       (SELECT count(DISTINCT application_name)::int FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'pg-herald worker %') AS workers,
       (SELECT jsonb_build_object('kind', p.pause_kind, 'reason', p.pause_reason, 'detail', p.pause_detail, 'since', p.paused_at)
        FROM herald.method p WHERE p.name IN (m.method, '*') AND p.paused_at IS NOT NULL LIMIT 1) AS paused
     FROM herald.message m
     JOIN herald.template t ON t.name = m.template
     JOIN herald.template_version v ON v.template = m.template AND v.version = m.template_version
     WHERE m.id = $1`,
    [id],
  );
  const [message] = result.rows;
  if (message === undefined) return null;
  const { job, paused } = message;
  return {
    ...message,
    // Dates inside of jsonb come as text.
    job: job && { ...job, startAfter: new Date(job.startAfter) },
    paused: paused && { ...paused, since: new Date(paused.since) },
    attemptRecords: await attemptsOf(pool, id),
  };
}

async function attemptsOf(pool: Pool, id: string): Promise<AttemptRecord[]> {
  const result = await pool.query<AttemptRecord>(
    `SELECT number, worker, started_at AS "startedAt", finished_at AS "finishedAt", outcome, reason, detail, reply_code AS "replyCode",
       reply_enhanced AS "replyEnhanced", reply_text AS "replyText", receiver_id AS "receiverId", charged
     FROM herald.attempt WHERE message_id = $1 ORDER BY number`,
    [id],
  );
  return result.rows;
}

/** What became of a request to deliver again. */
export interface RetryAnswer {
  readonly messageId: string;
  readonly retried: boolean;
  /** The status now; of one that was not retried, why not. */
  readonly status: MessageStatus;
}

/** What `herald.retry` takes; the SQL decides. */
export const retriedStatuses: readonly MessageStatus[] = ['failed', 'expired', 'inhibited', 'held'];

/** Delivers again what failed, expired, was inhibited or is held. */
export async function retryMessages(pool: Pool, ids: readonly string[]): Promise<RetryAnswer[]> {
  const result = await pool.query<RetryAnswer>(
    'SELECT message_id AS "messageId", retried, status FROM herald.retry($1)',
    [ids],
  );
  return result.rows;
}

/** Keeps pending messages until somebody releases them. Answers how many are held now. */
export async function holdMessages(pool: Pool, ids: readonly string[]): Promise<number> {
  const result = await pool.query(
    `UPDATE herald.message SET status = 'held', next_attempt_at = 'infinity' WHERE id = ANY ($1) AND status = 'pending'`,
    [ids],
  );
  return result.rowCount ?? 0;
}
