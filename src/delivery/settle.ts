/** The last statement of a delivery: records attempts and moves their messages, a batch at a time. */
import type { Database } from '../database/statements.ts';
import type { DispatchResult } from '../dispatch/dispatcher.ts';
import type { Verdict } from './decide.ts';

/** An attempt that ended. */
export interface Settlement {
  readonly messageId: string;
  readonly attempt: number;
  readonly token: string;
  readonly result: DispatchResult;
  readonly verdict: Verdict;
  readonly durationMs: number;
}

/** How the database took it. `lost`: the lease had passed to somebody else, nothing was overwritten. */
export type Settled = Moved | { readonly messageId: string; readonly status: 'lost' };

interface Moved {
  readonly messageId: string;
  readonly status: string;
  readonly priority: number;
  readonly nextAttemptAt: Date;
}

// The retry is due no later than the expiry, so that an expired message is settled when it expires, not at its next turn. (least() passes over a null, and so would greatest(): hence the CASE.)
const settleText = `
WITH input AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset($1::jsonb) AS i (id uuid, number smallint, token uuid, outcome text, reason text, detail text,
    code text, enhanced text, reply text, receiver text, status text, delay double precision, counted boolean, ms double precision)
), moved AS (
  UPDATE herald.message m
  SET status = i.status, reason = i.reason, detail = i.detail, counted = m.counted + i.counted::int, crashes = 0, lease_token = NULL,
    next_attempt_at = CASE WHEN i.status = 'pending' THEN least(now() + i.delay * interval '1 second', CASE WHEN m.expires_at IS NOT NULL THEN greatest(m.expires_at, now()) END) WHEN i.status = 'held' THEN 'infinity' ELSE m.next_attempt_at END,
    settled_at = CASE WHEN i.status IN ('sent', 'failed') THEN now() END,
    secrets = CASE WHEN i.status IN ('pending', 'held') THEN m.secrets END
  FROM input i
  WHERE m.id = i.id AND m.status = 'sending' AND m.lease_token = i.token
  RETURNING m.id, m.status, m.priority, m.next_attempt_at
), recorded AS (
  INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, reason, detail, reply_code, reply_enhanced,
    reply_text, receiver_id, counted)
  SELECT i.id, i.number, $2, clock_timestamp() - i.ms * interval '1 millisecond', clock_timestamp(), i.outcome, i.reason, i.detail,
    i.code, i.enhanced, i.reply, i.receiver, i.counted
  FROM input i JOIN moved USING (id)
  ON CONFLICT DO NOTHING
)
SELECT id AS "messageId", status, priority, next_attempt_at AS "nextAttemptAt" FROM moved`;

// A worker that lost its lease comes back with a success: the attempt was recorded as unknown, and is known now. The
// message becomes sent unless somebody else is dispatching it at this moment or it is settled otherwise.
const lateText = `
WITH known AS (
  UPDATE herald.attempt a
  SET outcome = 'sent', reason = NULL, detail = 'recorded late: the worker had lost its lease', finished_at = now(), reply_code = i.code,
    reply_enhanced = i.enhanced, reply_text = i.reply, receiver_id = i.receiver
  FROM jsonb_to_recordset($1::jsonb) AS i (id uuid, number smallint, code text, enhanced text, reply text, receiver text)
  WHERE a.message_id = i.id AND a.number = i.number AND a.outcome = 'unknown'
  RETURNING a.message_id
)
UPDATE herald.message m SET status = 'sent', reason = NULL, detail = NULL, settled_at = now(), secrets = NULL
FROM known k WHERE m.id = k.message_id AND m.status IN ('pending', 'held', 'failed')`;

/** Records what came of these attempts. Safe to repeat: a settlement that was recorded is not recorded again. */
export async function settle(
  settlements: readonly Settlement[],
  { database, worker }: { readonly database: Database; readonly worker: string },
): Promise<Settled[]> {
  const rows = await database.run<Moved>({ name: 'herald.settle', text: settleText }, [
    JSON.stringify(settlements.map(rowOf)),
    worker,
  ]);
  const moved = new Map(rows.map((row) => [row.messageId, row]));
  const late = settlements.filter((s) => !moved.has(s.messageId) && s.result.outcome === 'sent');
  if (late.length > 0) await database.pool.query(lateText, [JSON.stringify(late.map(rowOf))]);
  return settlements.map((s) => moved.get(s.messageId) ?? { messageId: s.messageId, status: 'lost' });
}

const unknownStatement = {
  name: 'herald.unknown',
  text: `SELECT count(*)::int AS n FROM herald.attempt WHERE message_id = $1 AND outcome = 'unknown' AND reason <> 'worker_lost'`,
};

/** How many attempts at a message ended without a word of the receiver. */
export async function countUnknown(database: Database, messageId: string): Promise<number> {
  const rows = await database.run<{ n: number }>(unknownStatement, [messageId]);
  return rows[0]?.n ?? 0;
}

/** What is undefined is left out of the JSON and null in the table: most attempts have little to say. */
function rowOf(settlement: Settlement) {
  const { result, verdict } = settlement;
  return {
    id: settlement.messageId,
    number: settlement.attempt,
    token: settlement.token,
    outcome: result.outcome,
    reason: result.outcome === 'sent' ? undefined : result.reason,
    detail: printable(result.detail, 500),
    code: printable(result.reply?.code, 20),
    enhanced: printable(result.reply?.enhanced, 20),
    reply: printable(result.reply?.text, 512),
    receiver: printable(result.reply?.receiverId, 200),
    status: verdict.status,
    delay: verdict.delaySeconds,
    counted: verdict.counted,
    ms: settlement.durationMs,
  };
}

/** One line that Postgres can store: jsonb refuses NUL, and a reply may hold anything. */
function printable(text: string | undefined, limit: number): string | undefined {
  return text === undefined
    ? undefined
    : text
        .replace(/[\u0000-\u001f\u007f]+/g, ' ')
        .slice(0, limit)
        .toWellFormed();
}
