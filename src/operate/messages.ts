/** Messages as an operator looks for them: lists, counts, and everything about one. */
import * as v from 'valibot';
import { isUuid, type JsonValue, type MessageStatus, type Reason, type Recipient } from '../vocabulary.ts';
import { exactJson } from '../database/exact-json.ts';
import type { Queryable } from '../database/pool.ts';
import { type AttemptRecord, attemptsOf } from './attempt-records.ts';
import { type AuditRecord, listAudit } from './audit.ts';
import { type ItemState, itemStateOf } from './item-state.ts';
import { createBinding, indexable, matching, type MessageFilter } from './message-filter.ts';
import { type QuietWait, withDates } from './quiet-hours.ts';
import { type MessageReport, putBacksOf, reportsOf } from './returns.ts';
import type { StepCondition } from '../templates/steps.ts';
import { type StepLine, stepsOf } from './steps.ts';
import { readWorkers, type RegisteredWorker, workersConnected } from './workers.ts';
import { checkInput, count, fields, findInput, listInput, messageFilter } from './input.ts';

/** One line of a list. Contains no label, body or secret. */
export interface MessageLine {
  /** Id of the message, a UUID. */
  readonly id: string;
  /** Name of the template. */
  readonly template: string;
  /** Version of the template. */
  readonly version: number;
  /** For example `smtp`. */
  readonly method: string;
  /** Id of the recipient. */
  readonly recipientId: string;
  /** Its status now. */
  readonly status: MessageStatus;
  /** Why it is in its status; null: no reason is needed. */
  readonly reason: Reason | null;
  /** Number of attempts so far. */
  readonly attempts: number;
  /** When it was enqueued. */
  readonly createdAt: Date;
  /** When it is tried next. */
  readonly nextAttemptAt: Date | null;
  /** When it reached its final status; null: not yet. */
  readonly settledAt: Date | null;
}

/** Everything about one message except the values of its secret labels. */
export interface MessageDetails extends MessageLine {
  /** The same for all messages of one enqueue call. */
  readonly notificationId: string;
  /** Group of the template. */
  readonly group: string;
  /** As `enqueue` stored it. */
  readonly recipient: Recipient;
  /** Without secret labels. */
  readonly labels: Readonly<Record<string, string>>;
  /** Names only. */
  readonly secretLabels: readonly string[];
  /** Null if `enqueue` got none. */
  readonly data: JsonValue;
  /** Ids of the things that it is about. */
  readonly targets: readonly string[];
  /** Null if `enqueue` got none. */
  readonly dedupeKey: string | null;
  /** Null if `enqueue` got none. */
  readonly tenant: string | null;
  /** Null if `enqueue` got none. */
  readonly groupKey: string | null;
  /** Who or what enqueued it. */
  readonly createdBy: string;
  /** It is not sent before this time; null: at once. */
  readonly sendAt: Date | null;
  /** It is not sent after this time; null: no limit. */
  readonly expiresAt: Date | null;
  /** Number of the template's step that it belongs to, from 1; null: it is one of the first messages. */
  readonly step: number | null;
  /** What the recipient has to have done for it to be cancelled; null: nothing. */
  readonly unless: StepCondition | null;
  /** The notification's messages to this recipient by later steps, in order; empty for a template without steps. */
  readonly steps: readonly StepLine[];
  /** When the recipient acknowledged the notification; null: not yet. */
  readonly acknowledgedAt: Date | null;
  /** One redacted line for an operator. */
  readonly detail: string | null;
  /** Attempts that count against the limit. */
  readonly counted: number;
  /** Limit of attempts; null: the default of the method. */
  readonly maxAttempts: number | null;
  /** What to do if it is not known whether an attempt was accepted. */
  readonly unknown: 'retry' | 'hold';
  /** The worker that has it now; null: none. */
  readonly leasedBy: string | null;
  /** When the attempt under way began; null: none is. */
  readonly attemptStartedAt: Date | null;
  /** Every attempt that ended, oldest first. */
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
  /** The endpoint that it goes to; null: none of its own. */
  readonly endpointId: string | null;
  /** Whether the database accepts no writes, so that nothing is delivered. */
  readonly readOnly: boolean;
  /** What quiet hours do to a pending message; null: they do not stop it. */
  readonly quietHours: QuietWait | null;
  /** When the sender that had refused it turned out to be at fault, so that it was put back; oldest first. */
  readonly putBacks: readonly { readonly sender: string; readonly at: Date }[];
  /** What came back about it, oldest first. */
  readonly reports: readonly MessageReport[];
  /** What its reader did with it; null if it is not in an inbox. */
  readonly item: ItemState | null;
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
  /** When the last message of the page before was created. */
  readonly createdAt: Date;
  /** Id of the last message of the page before. */
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
  checkInput('listMessages', listInput, { filter, page });
  const { values, bind } = createBinding();
  const beyond = page.after ? olderThan(bind(page.after.createdAt), bind(page.after.id)) : 'true';
  const result = await client.query<MessageLine>(
    `SELECT ${lineColumns} FROM herald.message m WHERE ${matching(filter, bind)} AND ${beyond}
     ORDER BY m.created_at DESC, m.id DESC LIMIT ${bind(Math.max(0, Math.min(page.limit, 1000)))}`,
    values,
  );
  return result.rows;
}

/** What an action on many messages needs to know of each. */
export interface MessageState {
  /** Id of the message, a UUID. */
  readonly id: string;
  /** Its status now. */
  readonly status: MessageStatus;
  /** When it was created, in microseconds since 1970. A Date has only milliseconds. */
  readonly createdMicros: string;
}

/** Matching messages, oldest first, at most `limit`; those that come after `after`, if it is given. */
export async function findMessages(
  client: Queryable,
  filter: MessageFilter,
  page: { readonly limit: number; readonly after?: MessageState | undefined },
): Promise<MessageState[]> {
  checkInput('findMessages', findInput, { filter, page });
  const { limit, after } = page;
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

/** Ids that start with a text, two at most. `prefix` is the start of a UUID. */
export async function messageIdsWithPrefix(client: Queryable, prefix: string): Promise<string[]> {
  const least = prefix + '00000000-0000-0000-0000-000000000000'.slice(prefix.length);
  const most = prefix + 'ffffffff-ffff-ffff-ffff-ffffffffffff'.slice(prefix.length);
  const text = 'SELECT id FROM herald.message WHERE id BETWEEN $1 AND $2 LIMIT 2';
  return (await client.query<{ id: string }>(text, [least, most])).rows.map(({ id }) => id);
}

/** How many messages match. Counts no further than `most`, if it is given. */
export async function countMessages(client: Queryable, filter: MessageFilter, most?: number): Promise<number> {
  checkInput('countMessages', fields({ filter: messageFilter, most: v.optional(count) }), { filter, most });
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
  n.data::text AS data, m.targets, m.dedupe_key AS "dedupeKey", m.tenant, m.group_key AS "groupKey",
  m.created_by AS "createdBy", m.send_at AS "sendAt", m.expires_at AS "expiresAt", m.step, m.unless,
  m.detail, m.counted,
  (SELECT a.at FROM herald.acknowledgement a
    WHERE a.notification_id = m.notification_id AND a.recipient_id = m.recipient_id) AS "acknowledgedAt",
  m.max_attempts AS "maxAttempts", m.unknown, m.leased_by AS "leasedBy", m.attempt_started_at AS "attemptStartedAt",
  (SELECT jsonb_build_object('state', j.state, 'startAfter', j.start_after) FROM herald_queue.job j
    WHERE j.name = m.method AND j.id = m.id) AS job,
  ${workersConnected} AS workers,
  pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS "readOnly",
  (SELECT jsonb_build_object('method', p.name, 'kind', p.pause_kind, 'reason', p.pause_reason, 'detail', p.pause_detail,
      'since', p.paused_at)
    FROM herald.method p WHERE p.name IN (m.method, '*') AND p.paused_at IS NOT NULL ORDER BY p.name LIMIT 1) AS paused,
  herald.message_quiet_hours(m.id) AS "quietHours",
  m.settled_at IS NOT NULL AND cardinality(v.secrets) > 0 AS "secretsWiped", m.endpoint_id AS "endpointId"
FROM herald.message m
JOIN herald.template t ON t.name = m.template
JOIN herald.template_version v ON v.template = m.template AND v.version = m.template_version
LEFT JOIN herald.notification n ON n.id = m.notification_id AND m.recipient_id <> 'erased'
WHERE m.id = $1`;

/**
 * One message with its attempts, its job and the pause of its method. Returns null if no message has this id, and for
 * what is not a UUID.
 */
export async function showMessage(client: Queryable, id: string): Promise<MessageDetails | null> {
  if (!isUuid(id)) return null;
  const result = await client.query<Omit<MessageDetails, 'data'> & { data: string | null }>(detailsQuery, [id]);
  const [message] = result.rows;
  if (message === undefined) return null;
  const { job, paused, quietHours: quiet } = message;
  return {
    ...message,
    data: exactJson(message.data),
    // Dates inside jsonb arrive as text.
    job: job && { ...job, startAfter: new Date(job.startAfter) },
    paused: paused && { ...paused, since: new Date(paused.since) },
    quietHours: quiet && withDates(quiet),
    item: await itemStateOf(client, message),
    attemptRecords: await attemptsOf(client, id),
    registeredWorkers: await readWorkers(client),
    operatorActions: (await listAudit(client, { subject: id })).reverse(),
    putBacks: await putBacksOf(client, message),
    reports: await reportsOf(client, id),
    steps: await stepsOf(client, message),
  };
}
