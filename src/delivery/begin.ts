/**
 * The first statement of a delivery: for a batch of leased jobs it decides, row by row and under a lock, whether to go
 * on, and opens the attempts. The row decides; the job only wakes.
 */
import type { Database } from '../database/statements.ts';
import type { Action, JsonValue, Recipient } from '../vocabulary.ts';

/** A message whose attempt is open. */
export interface OpenMessage {
  readonly id: string;
  readonly attempt: number;
  /** Charged attempts before this one. */
  readonly counted: number;
  readonly maxAttempts: number | null;
  readonly unknown: 'retry' | 'hold';
  readonly template: string;
  readonly templateVersion: number;
  readonly group: string;
  readonly sender: string | null;
  readonly recipient: Recipient;
  readonly labels: Record<string, string>;
  readonly secrets: Record<string, string> | null;
  readonly data: JsonValue;
  readonly actions: readonly Action[] | null;
  readonly targets: string[];
  readonly endpointId: string | null;
  readonly tenant: string | null;
  readonly groupKey: string | null;
  readonly unsubscribeUrl: string | null;
  readonly dedupeKey: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly notificationId: string;
  /** How many files travel along. */
  readonly attachments: number;
  readonly traceContext: Record<string, string> | null;
  /** From when it was due to this attempt, in milliseconds of the database's clock. */
  readonly queuedMs: number;
  /** From this attempt's start to its expiry, likewise; null: it has none. */
  readonly expiresInMs: number | null;
}

/**
 * `go`: the attempt is open. `later`: not yet due. `apart`: may only be begun alone, because it has outlived two workers.
 * `settled`: nothing to do, the job can go; this includes messages that expired, were inhibited, ran out of attempts or wait
 * for an operator, which the statement has just recorded.
 */
export type Begun =
  | { readonly verdict: 'go'; readonly message: OpenMessage }
  | {
      readonly verdict: 'later' | 'apart';
      readonly id: string;
      readonly priority: number;
      /** When to look at it again, by the database's clock. */
      readonly nextAttemptAt: Date;
    }
  | {
      readonly verdict: 'settled';
      readonly id: string;
      readonly status: string;
      /** Why it was settled just now; null: it had been before. */
      readonly reason: string | null;
    };

export interface BeginOptions {
  readonly database: Database;
  readonly worker: string;
  /** Fences off every other lease of these messages. */
  readonly token: string;
  /** Limit of counted attempts for messages whose template names none. */
  readonly maxAttempts: number;
  /** Nothing else is in flight in this worker: a single message that outlived two workers may be begun. */
  readonly alone: boolean;
}

/** Deaths of workers after which a message is tried alone, and after which it is given up. */
const deathsInCompany = 2;
const deathsInAll = 5;
/** When a message that has to be tried alone, and cannot be now, is looked at again. */
const apartSeconds = 2;

// A row that is still `sending` belonged to a worker whose lease ran out: its attempt ended nobody knows how. With our own token it is
// ours: this statement went through before, and its answer was lost.
// That costs it no attempt as long as others were in flight beside it, since any of them may be what killed the worker; alone it was
// the one, or had very bad luck.
// A job that comes back more than a second early (its move to a later time was lost) is moved again.
const text = `
WITH locked AS MATERIALIZED (
  SELECT m.id, m.status, m.template, m.method, m.recipient_id, m.unknown, m.priority, m.attempts, m.counted, m.max_attempts, m.send_at,
    m.expires_at, m.next_attempt_at, m.leased_by, m.attempt_started_at, m.crashes,
    m.status = 'sending' AND m.lease_token IS DISTINCT FROM $2 AS lost
  FROM herald.message m WHERE m.id = ANY ($1::uuid[]) ORDER BY m.id FOR UPDATE
), judged AS MATERIALIZED (
  SELECT l.id, l.status, l.priority, l.next_attempt_at, t."group", t.sender, l.counted + (l.lost AND l.crashes >= ${deathsInCompany})::int AS counted,
    l.crashes + l.lost::int AS crashes, CASE
      WHEN l.status NOT IN ('pending', 'sending') THEN 'settled'
      WHEN l.lost AND l.unknown = 'hold' THEN 'held'
      WHEN l.expires_at <= now() THEN 'expired'
      WHEN l.counted + (l.lost AND l.crashes >= ${deathsInCompany})::int >= coalesce(l.max_attempts, $4) THEN 'failed'
      WHEN l.lost AND l.crashes + 1 >= ${deathsInAll} THEN 'failed'
      WHEN l.status = 'pending' AND l.next_attempt_at > now() + interval '1 second' THEN 'later'
      WHEN NOT t.enabled THEN 'template_disabled'
      WHEN NOT d.enabled THEN 'method_disabled'
      WHEN (l.send_at IS NOT NULL OR l.attempts > 0) AND NOT t.mandatory
        AND herald.preference_of(l.recipient_id, l.template, t."group", l.method) IS FALSE THEN 'preference'
      WHEN l.crashes + l.lost::int >= ${deathsInCompany} AND NOT $5 THEN 'apart'
      ELSE 'go' END AS verdict
  FROM locked l JOIN herald.template t ON t.name = l.template JOIN herald.method d ON d.name = l.method
), broken AS (
  INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, reason, detail, counted)
  SELECT l.id, l.attempts, l.leased_by, l.attempt_started_at, now(), 'unknown', 'worker_lost',
    'the worker stopped before it could record what came of this attempt', l.crashes >= ${deathsInCompany}
  FROM locked l WHERE l.lost
  ON CONFLICT DO NOTHING
), stopped AS (
  UPDATE herald.message m
  SET status = CASE j.verdict WHEN 'held' THEN 'held' WHEN 'expired' THEN 'expired' WHEN 'failed' THEN 'failed' ELSE 'inhibited' END,
    reason = CASE j.verdict WHEN 'held' THEN 'worker_lost' WHEN 'failed' THEN coalesce(CASE WHEN m.status = 'sending' THEN 'worker_lost' END, m.reason, 'attempts_spent')
      ELSE j.verdict END,
    counted = j.counted, crashes = j.crashes, lease_token = NULL, next_attempt_at = CASE WHEN j.verdict = 'held' THEN 'infinity' ELSE m.next_attempt_at END,
    settled_at = CASE WHEN j.verdict <> 'held' THEN now() END,
    secrets = CASE WHEN j.verdict = 'held' THEN m.secrets END
  FROM judged j
  WHERE m.id = j.id AND j.verdict IN ('held', 'expired', 'failed', 'template_disabled', 'method_disabled', 'preference')
  RETURNING m.id, m.status, m.reason
), parted AS (
  UPDATE herald.message m SET status = 'pending', reason = 'worker_lost', counted = j.counted, crashes = j.crashes, lease_token = NULL
  FROM judged j WHERE m.id = j.id AND j.verdict = 'apart' AND m.status = 'sending'
), opened AS (
  UPDATE herald.message m
  SET status = 'sending', attempts = m.attempts + (m.lease_token IS DISTINCT FROM $2)::int, counted = j.counted, crashes = j.crashes, lease_token = $2, leased_by = $3,
    attempt_started_at = clock_timestamp()
  FROM judged j
  WHERE m.id = j.id AND j.verdict = 'go'
  RETURNING m.id, m.attempts, m.counted, m.max_attempts, m.unknown, m.template, m.template_version, j."group", j.sender, m.recipient, m.labels,
    m.secrets, m.data, m.actions, m.targets, m.endpoint_id, m.tenant, m.group_key, m.unsubscribe_url, m.dedupe_key, m.created_at, m.expires_at,
    m.trace_context, m.notification_id, m.attachments, greatest(extract(epoch FROM m.attempt_started_at - m.next_attempt_at), 0) AS queued,
    extract(epoch FROM m.expires_at - m.attempt_started_at) AS expires
)
SELECT 'go' AS verdict, id, NULL AS status, NULL AS priority, NULL AS "nextAttemptAt", attempts AS attempt, counted, max_attempts AS "maxAttempts",
  unknown, template, template_version AS "templateVersion", "group", sender, recipient, labels, secrets, data, actions, targets,
  endpoint_id AS "endpointId", tenant, group_key AS "groupKey", unsubscribe_url AS "unsubscribeUrl", dedupe_key AS "dedupeKey",
  created_at AS "createdAt", expires_at AS "expiresAt", trace_context AS "traceContext",
  notification_id AS "notificationId", attachments, (queued * 1000)::float8 AS "queuedMs", (expires * 1000)::float8 AS "expiresInMs", NULL AS reason
FROM opened
UNION ALL
SELECT CASE WHEN j.verdict IN ('later', 'apart') THEN j.verdict ELSE 'settled' END, j.id, coalesce(s.status, j.status), j.priority,
  CASE WHEN j.verdict = 'apart' THEN now() + interval '${apartSeconds} seconds' ELSE j.next_attempt_at END, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, s.reason
FROM judged j LEFT JOIN stopped s USING (id)
WHERE j.verdict <> 'go'`;

type Row = OpenMessage & {
  verdict: Begun['verdict'];
  status: string;
  priority: number;
  nextAttemptAt: Date;
  reason: string | null;
};

/** Opens an attempt for every message that may go, and settles those that must not. Ids without a row are left out. Safe to repeat. */
export async function begin(ids: readonly string[], options: BeginOptions): Promise<Begun[]> {
  const values = [ids, options.token, options.worker, options.maxAttempts, options.alone];
  const rows = await options.database.run<Row>({ name: 'herald.begin', text }, values);
  return rows.map((row) => {
    switch (row.verdict) {
      case 'go':
        return { verdict: 'go', message: row };
      case 'later':
      case 'apart':
        return { verdict: row.verdict, id: row.id, priority: row.priority, nextAttemptAt: row.nextAttemptAt };
      case 'settled':
        return { verdict: 'settled', id: row.id, status: row.status, reason: row.reason };
      default:
        return row.verdict satisfies never;
    }
  });
}
