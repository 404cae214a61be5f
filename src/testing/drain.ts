/** Delivery without a worker: everything happens in the test's own transaction, so that a rollback undoes it. */
import { type Connection, run } from '../database/caller-transaction.ts';
import { createDelivery } from '../dispatch/delivery.ts';
import type { Delivery, Dispatcher, DispatchResult } from '../dispatch/dispatcher.ts';
import { type RenderedContent, silentLogger } from '../vocabulary.ts';
import { collectingDispatcher } from './dispatcher.ts';
import { type MessageFilter, testBrand, type WrittenMessage, writtenMessages } from './written.ts';

/** A message that `drain` delivered. */
export interface Drained extends Delivery {
  /** What the dispatcher returned. */
  readonly result: DispatchResult;
}

/** Which messages `drain` delivers, and how. */
export interface DrainOptions extends Omit<MessageFilter, 'status'> {
  /** By method. Default: a `collectingDispatcher`. */
  readonly dispatchers?: Readonly<Record<string, Dispatcher>>;
  /** Also deliver messages that are scheduled for later. Default false. */
  readonly scheduled?: boolean;
}

const statement = `
WITH result AS (
  SELECT * FROM jsonb_to_recordset($1::text::jsonb) AS r (id uuid, status text, reason text)
), settled AS (
  UPDATE herald.message m
  SET status = r.status, reason = r.reason, attempts = m.attempts + 1, counted = m.counted + 1,
    settled_at = CASE WHEN r.status <> 'pending' THEN now() END,
    secrets = CASE WHEN r.status = 'pending' THEN m.secrets END
  FROM result r WHERE m.id = r.id AND m.status = 'pending'
  RETURNING m.id, m.method, m.status
)
DELETE FROM herald_queue.job j USING settled s WHERE j.name = s.method AND j.id = s.id AND s.status <> 'pending'`;

/**
 * Renders every due message of this transaction, passes it to a dispatcher and settles its row: in order, and once
 * each. A message that its dispatcher wants to retry stays `pending`, for the next `drain`. Only a worker knows pauses
 * and leases and checks preferences a second time: to test those, start one with a `collectingDispatcher`.
 *
 * @returns the delivered messages with their results.
 * @throws {RenderError} if a message cannot be rendered.
 */
export async function drain(tx: Connection, options: DrainOptions = {}): Promise<Drained[]> {
  const collecting = collectingDispatcher();
  const waiting = await writtenMessages(tx, { ...options, status: 'pending' });
  const drained: Drained[] = [];
  for (const message of waiting) {
    const { content } = message;
    if (content === null || (options.scheduled !== true && message.dueAt.getTime() > Date.now())) continue;
    const delivery = deliveryOf(message, content, options);
    const dispatcher = options.dispatchers?.[message.method] ?? collecting;
    const result = await dispatcher.dispatch(delivery, { signal: new AbortController().signal, logger: silentLogger });
    drained.push({ ...delivery, result });
  }
  if (drained.length > 0) await run(tx, { text: statement, values: [JSON.stringify(drained.map(settledRow))] });
  return drained;
}

function deliveryOf(message: WrittenMessage, content: RenderedContent, options: DrainOptions): Delivery {
  const { id, template: name, version, group, mandatory } = message;
  const brand = options.brand ?? testBrand;
  return createDelivery({ ...message, messageId: id, template: { name, version, group, mandatory }, content, brand });
}

function settledRow({ messageId, result }: Drained): { id: string; status: string; reason: string | null } {
  if (result.outcome === 'sent') return { id: messageId, status: 'sent', reason: null };
  return { id: messageId, status: result.outcome === 'failed' ? 'failed' : 'pending', reason: result.reason };
}
