/** Records in the caller's transaction that a recipient has acknowledged a notification. */
import { type Connection, run } from '../database/caller-transaction.ts';
import { InvalidNotificationError } from '../errors.ts';
import { checkedIds } from './cancel.ts';

/** Who acknowledges what: exactly one of the last three. */
export interface AcknowledgeBy {
  /** Only notifications to this recipient are acknowledged. */
  readonly recipientId: string;
  /** Ids of messages, whichever of their notifications. */
  readonly ids?: readonly string[];
  /** Everything to this recipient about this thing. */
  readonly target?: string;
  /** One notification: the same for all messages of one enqueue call. */
  readonly notificationId?: string;
}

/** What an acknowledgement changed. */
export interface Acknowledged {
  /** Notifications that were not acknowledged before. */
  readonly acknowledged: number;
  /** Later steps that are not sent because of it. A step that a worker is dispatching at this moment is not counted. */
  readonly cancelled: number;
}

/**
 * Acknowledges notifications, which includes reading them.
 * @throws {InvalidNotificationError} if `by` names no recipient, or not exactly one selection, or an id is not a UUID.
 */
export async function acknowledge(tx: Connection, by: AcknowledgeBy): Promise<Acknowledged> {
  const [argument, value] = selectionOf(by);
  const [row] = await run<{ acknowledged: string; cancelled: string }>(tx, {
    text: `SELECT acknowledged::text, cancelled::text FROM herald.acknowledge($1::text, ${argument})`,
    values: [recipientOf(by), value],
  });
  return { acknowledged: Number(row?.acknowledged ?? 0), cancelled: Number(row?.cancelled ?? 0) };
}

function recipientOf({ recipientId }: AcknowledgeBy): string {
  if (isText(recipientId)) return recipientId;
  throw new InvalidNotificationError([{ path: 'recipientId', message: 'must be a string that is not empty' }]);
}

function selectionOf(by: AcknowledgeBy): readonly [argument: string, value: string] {
  const { ids, target, notificationId }: Omit<AcknowledgeBy, 'recipientId'> = by;
  if ([ids, target, notificationId].filter((each) => each !== undefined).length === 1) {
    if (ids !== undefined) return ['message_ids => $2::text::uuid[]', `{${checkedIds(ids).join(',')}}`];
    if (isText(target)) return ['target => $2::text', target];
    if (notificationId !== undefined)
      return ['notification_id => $2::text::uuid', checkedIds([notificationId]).join('')];
  }
  throw new InvalidNotificationError([{ path: 'by', message: 'must name one of ids, target, notificationId' }]);
}

/** A missing value would silently acknowledge nothing, and Postgres does not take a NUL byte. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !value.includes('\u0000');
}
