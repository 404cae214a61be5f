/** The attempts to deliver a message, as they ended. */
import type { Queryable } from '../database/pool.ts';
import type { Outcome, Reason } from '../vocabulary.ts';

/** One attempt to deliver a message, as it ended. */
export interface AttemptRecord {
  /** From 1. */
  readonly number: number;
  /** Name of the worker that made it. */
  readonly worker: string;
  /** When it began. */
  readonly startedAt: Date;
  /** When it ended. */
  readonly finishedAt: Date;
  /** How it ended. */
  readonly outcome: Outcome;
  /** Why; null for one that was sent. */
  readonly reason: Reason | null;
  /** One redacted line for an operator. */
  readonly detail: string | null;
  /** Code of the receiver, for example `250` or `503`. */
  readonly replyCode: string | null;
  /** Enhanced status code (RFC 3463), for example `4.2.0`. */
  readonly replyEnhanced: string | null;
  /** Words of the receiver, redacted. */
  readonly replyText: string | null;
  /** Id that the receiver gave the message. */
  readonly receiverId: string | null;
  /** Whether it counts against the limit of attempts. */
  readonly counted: boolean;
}

/** Every attempt at a message that ended, oldest first. */
export async function attemptsOf(client: Queryable, id: string): Promise<AttemptRecord[]> {
  const result = await client.query<AttemptRecord>(
    `SELECT number, worker, started_at AS "startedAt", finished_at AS "finishedAt", outcome, reason, detail,
       reply_code AS "replyCode", reply_enhanced AS "replyEnhanced", reply_text AS "replyText",
       receiver_id AS "receiverId", counted
     FROM herald.attempt WHERE message_id = $1 ORDER BY number`,
    [id],
  );
  return result.rows;
}
