/** The later steps of a notification, as the explanation of each of its messages shows them. */
import type { Queryable } from '../database/pool.ts';
import type { StepCondition } from '../templates/steps.ts';
import type { MessageStatus, Reason } from '../vocabulary.ts';

/** A later message of a notification, as the explanation of each of its messages shows it. */
export interface StepLine {
  /** Id of the message, a UUID. */
  readonly id: string;
  /** From 1. */
  readonly step: number;
  /** For example `smtp`. */
  readonly method: string;
  /** Its status now. */
  readonly status: MessageStatus;
  /** Why it is in its status; null: no reason is needed. */
  readonly reason: Reason | null;
  /** It is cancelled if the recipient has done this by then; null: it is sent in any case. */
  readonly unless: StepCondition | null;
  /** When it may be sent. */
  readonly sendAt: Date;
  /** When it reached its final status; null: not yet. */
  readonly settledAt: Date | null;
}

/** The later steps of a notification for one recipient, in order; 100 at most. */
export async function stepsOf(
  client: Queryable,
  { notificationId, recipientId }: { readonly notificationId: string; readonly recipientId: string },
): Promise<StepLine[]> {
  const result = await client.query<StepLine>(
    `SELECT id, step, method, status, reason, unless, send_at AS "sendAt", settled_at AS "settledAt"
     FROM herald.message WHERE notification_id = $1 AND recipient_id = $2 AND step IS NOT NULL ORDER BY step, id
     LIMIT 100`,
    [notificationId, recipientId],
  );
  return result.rows;
}
