/** Cancels in the caller's transaction, with a definite answer. */
import { run, type Transaction } from '../database/connection.ts';
import { InvalidNotificationError } from '../errors.ts';

/** What to cancel: exactly one of these. */
export type CancelBy =
  | { readonly ids: readonly string[] }
  | { readonly dedupeKey: string }
  /** Every message about this thing. */
  | { readonly target: string };

export interface CancelAnswer {
  readonly messageId: string;
  /** `in_flight`: a worker is dispatching it at this moment, it may still arrive. */
  readonly answer: 'cancelled' | 'in_flight' | 'already_settled';
}

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Answers per message; ids that do not exist are left out. The row lock makes the answer final once the transaction commits. */
export async function cancel(tx: Transaction, by: CancelBy): Promise<CancelAnswer[]> {
  const [argument, value] = argumentOf(by);
  const rows = await run<{ message_id: string; answer: CancelAnswer['answer'] }>(tx, {
    text: `SELECT * FROM herald.cancel(${argument} => $1${argument === 'message_ids' ? '::text::uuid[]' : '::text'})`,
    values: [value],
  });
  return rows.map((row) => ({ messageId: row.message_id, answer: row.answer }));
}

function argumentOf(by: CancelBy): ['message_ids' | 'dedupe_key' | 'target', string] {
  if ('dedupeKey' in by) return ['dedupe_key', by.dedupeKey];
  if ('target' in by) return ['target', by.target];
  const wrong = by.ids.find((id) => !uuidPattern.test(id));
  if (wrong !== undefined)
    throw new InvalidNotificationError([{ path: 'ids', message: `"${wrong}" is no message id (a UUID)` }]);
  return ['message_ids', `{${by.ids.join(',')}}`];
}
