/**
 * Asks functions of the application about a batch of messages, in one statement with a timeout of its own, on the
 * worker's connection and in a transaction that cannot write. An error is never an answer.
 */
import type { Pool } from 'pg';
import { withClient } from '../database/pool.ts';
import { isUuid } from '../vocabulary.ts';
import { quotedGuard } from './guard-name.ts';
import { type Answers, askInParts } from './parts.ts';

/** What a template's guard said against a message. There is none for a message that may be sent. */
export interface Refusal {
  readonly id: string;
  readonly detail: string;
}

/** What a recipient guard said about the recipient of a message. There is none where nothing is to be done. */
export interface RecipientNow {
  readonly id: string;
  /** Why nothing must be sent to it; null: nothing is against it. */
  readonly reason: string | null;
  /** Null: as the message has it. */
  readonly email: string | null;
  readonly name: string | null;
  readonly locale: string | null;
}

/** How long the server works on one question, in milliseconds. */
export const guardTimeoutMs = 500;
/** How long it waits for a lock: less, so that the code of the error tells the two apart. */
const lockTimeoutMs = 400;

/** Asks a template's guard about messages by their ids, which must be UUIDs. Never rejects. */
export function askGuard(pool: Pool, name: string, ids: readonly string[]): Promise<Answers<Refusal>> {
  return askInParts(ids, (some) => question<Refusal>(pool, guardText(name, some)));
}

/** Asks the recipient guard about the recipients of messages, by the ids of the messages. Never rejects. */
export function askRecipients(pool: Pool, name: string, ids: readonly string[]): Promise<Answers<RecipientNow>> {
  return askInParts(ids, (some) => question<RecipientNow>(pool, recipientsText(name, some)));
}

// The CTE keeps the planner from calling the function twice.
function guardText(name: string, ids: readonly string[]): string {
  return `
WITH answers AS MATERIALIZED (
  SELECT m.id, ${quotedGuard(name)}(m.recipient_id, m.targets, coalesce(n.labels, '{}'), n.data) AS detail
  FROM herald.message m LEFT JOIN herald.notification n ON n.id = m.notification_id AND m.recipient_id <> 'erased'
  WHERE m.id = ANY (${listOf(ids)})
)
SELECT a.id, left(a.detail, 2000) AS detail FROM answers a WHERE a.detail IS NOT NULL`;
}

function recipientsText(name: string, ids: readonly string[]): string {
  return `
WITH asked AS MATERIALIZED (
  SELECT m.id, m.recipient_id, m.recipient FROM herald.message m
  WHERE m.id = ANY (${listOf(ids)}) AND m.recipient_id <> 'erased'
), answers AS MATERIALIZED (
  SELECT DISTINCT ON (r.id) r.id, r.reason, r.email, r.name, r.locale
  FROM ${quotedGuard(name)}(ARRAY(SELECT DISTINCT a.recipient_id FROM asked a)) r ORDER BY r.id, r.reason
)
SELECT a.id, left(r.reason, 2000) AS reason, r.email, r.name, r.locale
FROM asked a JOIN answers r ON r.id = a.recipient_id
WHERE r.reason IS NOT NULL OR r.email <> coalesce(a.recipient ->> 'email', '')
  OR r.name <> coalesce(a.recipient ->> 'name', '') OR r.locale <> coalesce(a.recipient ->> 'locale', '')`;
}

/** Several statements in one query take no parameters, so the ids are part of the text. */
function listOf(ids: readonly string[]): string {
  if (!ids.every(isUuid)) throw new TypeError('a message id must be a UUID');
  return `'{${ids.join(',')}}'::uuid[]`;
}

const before = `BEGIN READ ONLY; SET LOCAL search_path = ''; SET LOCAL enable_seqscan = off; SET LOCAL jit = off;
SET LOCAL statement_timeout = ${guardTimeoutMs}; SET LOCAL lock_timeout = ${lockTimeoutMs};`;

/** One round trip. Whatever a pooler does, the transaction has its own settings. */
async function question<Row>(pool: Pool, text: string): Promise<readonly Row[]> {
  return withClient(pool, async (client) => {
    try {
      // The driver returns one result for each statement of the text.
      const results = (await client.query(`${before}${text};\nCOMMIT`)) as unknown as readonly { rows: Row[] }[];
      return results.find(({ rows }) => rows.length > 0)?.rows ?? [];
    } catch (error) {
      // A failed question is not the connection's fault. If this fails as well, the connection is closed.
      await client.query('ROLLBACK');
      throw error;
    }
  });
}
