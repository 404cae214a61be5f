/** Delivery without a worker: everything in the test's own transaction, so that a rollback takes it back. */
import { run, type Transaction } from '../database/connection.ts';
import { createDelivery } from '../dispatch/delivery.ts';
import type { Delivery, Dispatcher, DispatchResult } from '../dispatch/dispatcher.ts';
import { type RenderedContent, silentLogger } from '../vocabulary.ts';
import { collectingDispatcher } from './dispatcher.ts';
import { type MessageFilter, testBrand, type WrittenMessage, writtenMessages } from './written.ts';

/** A message that was handed over, and what came of it. */
export interface Drained extends Delivery {
  readonly result: DispatchResult;
}

export interface DrainOptions extends Omit<MessageFilter, 'status'> {
  /** By method; default: one that accepts everything. */
  readonly dispatchers?: Readonly<Record<string, Dispatcher>>;
  /** Also what is scheduled for later. Default false. */
  readonly scheduled?: boolean;
}

const statement = `
WITH ended AS (
  SELECT * FROM jsonb_to_recordset($1::text::jsonb) AS e (id uuid, status text, reason text)
), settled AS (
  UPDATE herald.message m
  SET status = e.status, reason = e.reason, attempts = m.attempts + 1, charged = m.charged + 1,
    settled_at = CASE WHEN e.status <> 'pending' THEN now() END, secrets = CASE WHEN e.status = 'pending' THEN m.secrets END
  FROM ended e WHERE m.id = e.id AND m.status = 'pending'
  RETURNING m.id, m.method, m.status
)
DELETE FROM herald_queue.job j USING settled s WHERE j.name = s.method AND j.id = s.id AND s.status <> 'pending'`;

/**
 * Renders every message that waits in this transaction and is due, hands it to a dispatcher and settles its row, in order
 * and once each; answers with what was handed over. A retry stays `pending`, for the next `drain`. Pauses, leases and the
 * second look at preferences are a worker's: start one with a `collectingDispatcher` to test those.
 *
 * @throws {RenderError} for a message that cannot be rendered.
 */
export async function drain(tx: Transaction, options: DrainOptions = {}): Promise<Drained[]> {
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
  if (drained.length > 0) await run(tx, { text: statement, values: [JSON.stringify(drained.map(endOf))] });
  return drained;
}

function deliveryOf(message: WrittenMessage, content: RenderedContent, options: DrainOptions): Delivery {
  const { id, template: name, version, group } = message;
  const brand = options.brand ?? testBrand;
  return createDelivery({ ...message, messageId: id, template: { name, version, group }, content, brand });
}

function endOf({ messageId, result }: Drained): { id: string; status: string; reason: string | null } {
  if (result.outcome === 'sent') return { id: messageId, status: 'sent', reason: null };
  return { id: messageId, status: result.outcome === 'failed' ? 'failed' : 'pending', reason: result.reason };
}
