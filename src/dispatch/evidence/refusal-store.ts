/** The refusals of one sender in herald.refusal, and when its server last accepted a message. */
import { createHash } from 'node:crypto';
import type { DispatcherServices } from '../dispatcher.ts';
import type { History, Observation, RefusedReply, Refusal } from './judge.ts';

/** What is stored of a refusal. */
export interface RefusalRecord extends Pick<Observation, 'messageId' | 'reply'> {
  readonly attempt: number;
  /** An address. It is stored as a hash. */
  readonly recipient: string;
}

/** The history before a refusal, and how it continues. */
export interface RecordedRefusal {
  readonly history: History;
  readonly recipient: string;
  /** How often this message was put back so far. */
  readonly putBacks: number;
}

/** Every call may reject when the database is unavailable. */
export interface RefusalStore {
  /** Records a refusal. @returns what is known of the sender, without this refusal. */
  record(refusal: RefusalRecord): Promise<RecordedRefusal>;
  /** Puts these messages back: they are pending again, and their attempts do not count. */
  putBack(messageIds: readonly string[], waitSeconds: number): Promise<void>;
  /** Puts back what was in flight when `putBack` was called. @returns how many messages. */
  putBackLate(waitSeconds: number): Promise<number>;
  /** Records that a message was accepted so long ago: the refusals before it are over. */
  accepted(secondsAgo: number): Promise<void>;
}

// The clock is read once: two readings may differ by a microsecond, and a first refusal would count as a repeated one.
const insertStatement = `
INSERT INTO herald.refusal AS r (method, sender, kind, message_id, attempt, recipient, reply, secrets, first_at, at)
SELECT $1, $2, 'refused', $3, $4, $5, $6, (SELECT m.secrets FROM herald.message m WHERE m.id = $3), clock.at, clock.at
FROM (SELECT clock_timestamp() AS at) clock
ON CONFLICT (method, sender, kind, message_id) DO UPDATE SET attempt = excluded.attempt, reply = excluded.reply,
  at = clock_timestamp(), put_back_at = NULL, secrets = coalesce(excluded.secrets, r.secrets)`;

const historyStatement = `
SELECT r.message_id AS "messageId", r.recipient, r.reply, r.put_backs AS "putBacks",
  r.put_back_at IS NOT NULL AS "putBack",
  r.first_at <= coalesce(s.succeeded_at, '-infinity') AS spent, r.first_at < r.at AS again
FROM herald.refusal r LEFT JOIN herald.sender s ON s.method = r.method AND s.name = r.sender
WHERE r.method = $1 AND r.sender = $2 AND r.kind = 'refused'
  AND (r.message_id = $3 OR r.at > coalesce(s.succeeded_at, '-infinity'))
ORDER BY r.message_id = $3 DESC, r.at DESC LIMIT 100`;

const markStatement = `
UPDATE herald.refusal SET put_back_at = now(), waiting = true, put_backs = least(put_backs + 1, 20)
WHERE method = $1 AND sender = $2 AND kind = 'refused' AND message_id = ANY ($3::uuid[]) AND put_back_at IS NULL`;

interface StoredRefusal extends Refusal {
  readonly reply: RefusedReply;
  readonly putBacks: number;
  /** Refused before this refusal, too. */
  readonly again: boolean;
}

/** The refusals of `sender`. */
export function createRefusalStore({ pool, method }: DispatcherServices, sender: string): RefusalStore {
  async function putBackLate(waitSeconds: number): Promise<number> {
    const { rows } = await pool.query<{ n: string }>('SELECT herald.put_back_refused($1, $2, $3) AS n', [
      method,
      sender,
      waitSeconds,
    ]);
    return Number(rows[0]?.n ?? 0);
  }

  return {
    async record({ messageId, attempt, recipient, reply }) {
      const hash = createHash('sha256').update(recipient.toLowerCase()).digest('base64url').slice(0, 22);
      await pool.query(insertStatement, [method, sender, messageId, attempt, hash, JSON.stringify(reply)]);
      const { rows } = await pool.query<StoredRefusal>(historyStatement, [method, sender, messageId]);
      const own = rows.find((row) => row.messageId === messageId);
      return {
        history: {
          others: rows.filter((row) => row !== own),
          earlier: own?.again !== true ? 'none' : own.spent ? 'spent' : 'open',
        },
        recipient: hash,
        putBacks: own?.putBacks ?? 0,
      };
    },
    async putBack(messageIds, waitSeconds) {
      await pool.query(markStatement, [method, sender, messageIds]);
      await putBackLate(waitSeconds);
    },
    putBackLate,
    async accepted(secondsAgo) {
      await pool.query('SELECT herald.record_accepted($1, $2, $3)', [method, sender, secondsAgo]);
    },
  };
}
