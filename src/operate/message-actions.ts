/**
 * What an operator does to messages: retry, release, hold, discard. Each takes ids; `findMessages` finds them. An id
 * that is not a UUID throws an InvalidNotificationError that names it.
 */
import * as v from 'valibot';
import type { MessageStatus } from '../vocabulary.ts';
import type { Queryable } from '../database/pool.ts';
import { type CancelAnswer, type CancelBy, cancel, checkedIds } from '../enqueue/cancel.ts';
import { checkInput, fields, operatorNote } from './input.ts';

/** What became of a request to deliver a message again. */
export interface RetryAnswer {
  /** Id of the message. */
  readonly messageId: string;
  /** Whether it is sent again. */
  readonly retried: boolean;
  /** The status now. If the message was not retried, it says why. */
  readonly status: MessageStatus;
}

/** Statuses that `retryMessages` accepts; `herald.retry` decides. */
export const retriedStatuses: readonly MessageStatus[] = ['failed', 'expired', 'inhibited', 'held'];

/**
 * Makes messages that failed, expired, were inhibited or are held pending again, with all their attempts ahead.
 * Returns one answer per message that exists.
 */
export async function retryMessages(client: Queryable, ids: readonly string[]): Promise<RetryAnswer[]> {
  const result = await client.query<RetryAnswer>(
    'SELECT message_id AS "messageId", retried, status FROM herald.retry($1)',
    [checkedIds(ids)],
  );
  return result.rows;
}

/** Who acts, and why: `pg-herald why` shows it. */
export interface OperatorNote {
  /** Who acts, for the audit log. */
  readonly by: string;
  /** Why, for the audit log. */
  readonly why?: string | undefined;
}

function noteText({ by, why }: OperatorNote): string {
  return `by ${by}${why ? ` (${why})` : ''}`.slice(0, 500);
}

/** Holds pending messages until an operator releases or discards them. Returns how many it held. */
export async function holdMessages(client: Queryable, ids: readonly string[], note?: OperatorNote): Promise<number> {
  checkInput('holdMessages', fields({ note: v.optional(operatorNote) }), { note });
  const result = await client.query(
    `UPDATE herald.message SET status = 'held', next_attempt_at = 'infinity', reason = NULL, detail = $2
     WHERE id = ANY ($1) AND status = 'pending'`,
    [checkedIds(ids), note === undefined ? null : noteText(note)],
  );
  return result.rowCount ?? 0;
}

/** Cancels messages on behalf of an operator. Returns one answer per message that exists. */
export async function cancelMessages(client: Queryable, by: CancelBy, note: OperatorNote): Promise<CancelAnswer[]> {
  checkInput('cancelMessages', fields({ note: operatorNote }), { note });
  const answers = await cancel(client, by);
  const cancelled = answers.filter(({ answer }) => answer === 'cancelled').map(({ messageId }) => messageId);
  const text = `UPDATE herald.message SET detail = $2 WHERE id = ANY ($1::uuid[]) AND status = 'cancelled'`;
  if (cancelled.length > 0) await client.query(text, [cancelled, noteText(note)]);
  return answers;
}

/** Delivers held messages, and returns how many. */
export async function releaseMessages(client: Queryable, ids: readonly string[]): Promise<number> {
  const answers = await client.query<{ retried: boolean }>(
    `SELECT r.retried FROM herald.retry(ARRAY(
       SELECT id FROM herald.message WHERE id = ANY ($1::uuid[]) AND status = 'held')) r`,
    [checkedIds(ids)],
  );
  return answers.rows.filter(({ retried }) => retried).length;
}

/** Cancels held messages without sending them; their reason stays. Returns how many it cancelled. */
export async function discardMessages(client: Queryable, ids: readonly string[], note?: OperatorNote): Promise<number> {
  checkInput('discardMessages', fields({ note: v.optional(operatorNote) }), { note });
  const { rowCount } = await client.query(
    `WITH discarded AS (
       UPDATE herald.message
       SET status = 'cancelled', reason = coalesce(reason, 'cancelled'), detail = $2, settled_at = now(),
         secrets = NULL
       WHERE id = ANY ($1::uuid[]) AND status = 'held' RETURNING id, method
     ), job AS (
       DELETE FROM herald_queue.job j USING discarded d WHERE j.name = d.method AND j.id = d.id AND j.state < 'active'
     ) SELECT FROM discarded`,
    [checkedIds(ids), note === undefined ? null : noteText(note)],
  );
  return rowCount ?? 0;
}
