/** Messages as an operator looks for them: lists, counts, and everything about one. */
import type { JsonValue, MessageStatus, Outcome, Reason, Recipient } from '../vocabulary.ts';
import type { Queryable } from '../database/pool.ts';
import { type AuditRecord, listAudit } from './audit.ts';
import { createBinding, indexable, matching, type MessageFilter } from './message-filter.ts';
import { readWorkers, type RegisteredWorker, workersConnected } from './workers.ts';

/** One line of a list. Contains no label, body or secret. */
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

/** One attempt to deliver a message, as it ended. */
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
  readonly counted: boolean;
}

/** Everything about one message except the values of its secret labels. */
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
  readonly counted: number;
  readonly maxAttempts: number | null;
  readonly unknown: 'retry' | 'hold';
  readonly leasedBy: string | null;
  readonly attemptStartedAt: Date | null;
  readonly attemptRecords: readonly AttemptRecord[];
  /** The pg-boss job that wakes a worker; null if there is none. */
  readonly job: { readonly state: string; readonly startAfter: Date } | null;
  /** Workers connected to this database, whatever their methods. */
  readonly workers: number;
  /** Workers that run or died less than a day ago, with what they deliver. */
  readonly registeredWorkers: readonly RegisteredWorker[];
  /** What operators did to this message alone, oldest first. */
  readonly operatorActions: readonly AuditRecord[];
  /** Whether its secret labels were wiped, so that it cannot be sent again. */
  readonly secretsWiped: boolean;
  readonly endpointId: string | null;
  /** Why the method is paused; null if it is not. `method` is `*` if everything is paused. */
  readonly paused: {
    readonly method: string;
    readonly kind: string;
    readonly reason: string | null;
    readonly detail: string | null;
    readonly since: Date;
  } | null;
}

/** Columns of a MessageLine, from herald.message as `m`. */
export const lineColumns = `m.id, m.template, m.template_version AS version, m.method, m.recipient_id AS "recipientId",
  m.status, m.reason, m.attempts, m.created_at AS "createdAt",
  CASE WHEN m.status = 'pending' THEN m.next_attempt_at END AS "nextAttemptAt", m.settled_at AS "settledAt"`;

/** Where the next page begins: the last line of this one. */
export interface Cursor {
  readonly createdAt: Date;
  readonly id: string;
}

/**
 * SQL condition for what comes after a cursor. JavaScript drops the microseconds of its time, so the time of its row
 * is used as long as the row exists.
 */
export function olderThan(at: string, id: string): string {
  return `(m.created_at, m.id) < (coalesce((SELECT c.created_at FROM herald.message c WHERE c.id = ${id}::uuid),
    ${at}::timestamptz), ${id}::uuid)`;
}

/** One page, newest first. `limit` is 1,000 at most. */
export async function listMessages(
  client: Queryable,
  filter: MessageFilter,
  page: { readonly limit: number; readonly after?: Cursor | undefined },
): Promise<MessageLine[]> {
  const { values, bind } = createBinding();
  const beyond = page.after ? olderThan(bind(page.after.createdAt), bind(page.after.id)) : 'true';
  const result = await client.query<MessageLine>(
    `SELECT ${lineColumns} FROM herald.message m WHERE ${matching(filter, bind)} AND ${beyond}
     ORDER BY m.created_at DESC, m.id DESC LIMIT ${bind(Math.min(page.limit, 1000))}`,
    values,
  );
  return result.rows;
}

/** What an action on many messages needs to know of each. */
export interface MessageState {
  readonly id: string;
  readonly status: MessageStatus;
  /** When it was created, in microseconds since 1970. A Date has only milliseconds. */
  readonly createdMicros: string;
}

/** Matching messages, oldest first, at most `limit`; those that come after `after`, if it is given. */
export async function findMessages(
  client: Queryable,
  filter: MessageFilter,
  { limit, after }: { readonly limit: number; readonly after?: MessageState | undefined },
): Promise<MessageState[]> {
  const { values, bind } = createBinding();
  const beyond = after
    ? `(m.created_at, m.id) > ('epoch'::timestamptz + ${bind(after.createdMicros)}::bigint * interval '1 us',
        ${bind(after.id)}::uuid)`
    : 'true';
  const result = await client.query<MessageState>(
    `SELECT m.id, m.status, (extract(epoch FROM m.created_at) * 1000000)::bigint::text AS "createdMicros"
     FROM herald.message m WHERE ${indexable(filter, bind)} AND ${matching(filter, bind)} AND ${beyond}
     ORDER BY m.created_at, m.id LIMIT ${bind(limit)}`,
    values,
  );
  return result.rows;
}

/** How many messages match. Counts no further than `most`, if it is given. */
export async function countMessages(client: Queryable, filter: MessageFilter, most?: number): Promise<number> {
  const { values, bind } = createBinding();
  const result = await client.query<{ n: string }>(
    `SELECT count(*) AS n FROM (
       SELECT FROM herald.message m WHERE ${indexable(filter, bind)} AND ${matching(filter, bind)}
       LIMIT ${bind(most ?? null)}::bigint) matches`,
    values,
  );
  return Number(result.rows[0]?.n ?? 0);
}

const detailsQuery = `
SELECT ${lineColumns}, m.notification_id AS "notificationId", t."group", m.recipient,
  coalesce(n.labels, '{}') AS labels, v.secrets AS "secretLabels",
  n.data, m.targets, m.dedupe_key AS "dedupeKey", m.tenant, m.group_key AS "groupKey",
  m.created_by AS "createdBy", m.send_at AS "sendAt", m.expires_at AS "expiresAt", m.detail, m.counted,
  m.max_attempts AS "maxAttempts", m.unknown, m.leased_by AS "leasedBy", m.attempt_started_at AS "attemptStartedAt",
  (SELECT jsonb_build_object('state', j.state, 'startAfter', j.start_after) FROM herald_queue.job j
    WHERE j.name = m.method AND j.id = m.id) AS job,
  ${workersConnected} AS workers,
  (SELECT jsonb_build_object('method', p.name, 'kind', p.pause_kind, 'reason', p.pause_reason, 'detail', p.pause_detail,
      'since', p.paused_at)
    FROM herald.method p WHERE p.name IN (m.method, '*') AND p.paused_at IS NOT NULL ORDER BY p.name LIMIT 1) AS paused,
  m.settled_at IS NOT NULL AND cardinality(v.secrets) > 0 AS "secretsWiped", m.endpoint_id AS "endpointId"
FROM herald.message m
JOIN herald.template t ON t.name = m.template
JOIN herald.template_version v ON v.template = m.template AND v.version = m.template_version
LEFT JOIN herald.notification n ON n.id = m.notification_id AND m.recipient_id <> 'erased'
WHERE m.id = $1`;

/** One message with its attempts, its job and the pause of its method. Returns null if no message has this id. */
export async function showMessage(client: Queryable, id: string): Promise<MessageDetails | null> {
  const result = await client.query<MessageDetails>(detailsQuery, [id]);
  const [message] = result.rows;
  if (message === undefined) return null;
  const { job, paused } = message;
  return {
    ...message,
    // Dates inside jsonb arrive as text.
    job: job && { ...job, startAfter: new Date(job.startAfter) },
    paused: paused && { ...paused, since: new Date(paused.since) },
    attemptRecords: await attemptsOf(client, id),
    registeredWorkers: await readWorkers(client),
    operatorActions: (await listAudit(client, { subject: id })).reverse(),
  };
}

async function attemptsOf(client: Queryable, id: string): Promise<AttemptRecord[]> {
  const result = await client.query<AttemptRecord>(
    `SELECT number, worker, started_at AS "startedAt", finished_at AS "finishedAt", outcome, reason, detail,
       reply_code AS "replyCode", reply_enhanced AS "replyEnhanced", reply_text AS "replyText",
       receiver_id AS "receiverId", counted
     FROM herald.attempt WHERE message_id = $1 ORDER BY number`,
    [id],
  );
  return result.rows;
}
