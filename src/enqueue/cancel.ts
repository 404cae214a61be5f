/** Cancels in the caller's transaction. */
import { type Connection, run } from '../database/caller-transaction.ts';
import { InvalidNotificationError } from '../errors.ts';
import { isUuid } from '../vocabulary.ts';

/** What to cancel: exactly one of these. A dedupe key selects the messages of all its windows. */
export type CancelBy =
  | { readonly ids: readonly string[] }
  | { readonly dedupeKey: string }
  /** Every message about this thing. */
  | { readonly target: string }
  /** Every message to this person that is not settled yet, for example when an account is suspended. */
  | { readonly recipientId: string };

/** What became of one message. */
export interface CancelAnswer {
  /** Id of the message. */
  readonly messageId: string;
  /**
   * `cancelled`: it is not sent, once this transaction commits. `in_flight`: a worker is dispatching it at this moment,
   * it may still arrive. `already_settled`: it was sent, failed, expired, inhibited or cancelled before.
   */
  readonly answer: 'cancelled' | 'in_flight' | 'already_settled';
}

/**
 * Returns the result per message; ids that do not exist are left out. The row lock makes it final once the transaction
 * commits.
 * @throws {InvalidNotificationError} if an id is not a UUID, or a key or target is empty.
 */
export async function cancel(tx: Connection, by: CancelBy): Promise<CancelAnswer[]> {
  const [argument, value] = argumentOf(by);
  const rows = await run<{ message_id: string; answer: CancelAnswer['answer'] }>(tx, {
    text: `SELECT * FROM herald.cancel(${argument} => $1${argument === 'message_ids' ? '::text::uuid[]' : '::text'})`,
    values: [value],
  });
  return rows.map((row) => ({ messageId: row.message_id, answer: row.answer }));
}

/** The arguments of the SQL function by the names of ours. */
const sqlArguments = { dedupeKey: 'dedupe_key', target: 'target', recipientId: 'recipient_id' } as const;

function argumentOf(by: CancelBy): ['message_ids' | 'dedupe_key' | 'target' | 'recipient_id', string] {
  const given: unknown = by;
  const named = Object.entries(typeof given === 'object' && given !== null ? given : {});
  const [name, value] = named.find((each) => each[1] !== undefined) ?? [];
  if (named.filter((each) => each[1] !== undefined).length === 1) {
    if (name === 'ids') return ['message_ids', `{${checkedIds(value).join(',')}}`];
    if (name === 'dedupeKey' || name === 'target' || name === 'recipientId')
      return [sqlArguments[name], requireText(value, name)];
  }
  throw new InvalidNotificationError([{ path: 'by', message: 'must name one of ids, dedupeKey, target, recipientId' }]);
}

/** Returns the ids of messages. @throws {InvalidNotificationError} that names the first that is not a UUID. */
export function checkedIds(ids: unknown): readonly string[] {
  if (!Array.isArray(ids))
    throw new InvalidNotificationError([{ path: 'ids', message: 'must be an array of message ids' }]);
  const wrong = ids.findIndex((id) => typeof id !== 'string' || !isUuid(id));
  if (wrong < 0) return ids as string[];
  throw new InvalidNotificationError([{ path: `ids[${wrong}]`, message: 'is not a message id (a UUID)' }]);
}

/** A missing value would silently cancel nothing, and Postgres does not take a NUL byte. */
function requireText(value: unknown, path: string): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\u0000')) return value;
  throw new InvalidNotificationError([{ path, message: 'must be a string that is not empty' }]);
}
