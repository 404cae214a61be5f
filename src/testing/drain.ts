/** Delivery without a worker: everything happens in the test's own transaction, so that a rollback undoes it. */
import { type Connection, run } from '../database/caller-transaction.ts';
import { createDelivery } from '../dispatch/delivery.ts';
import type { Delivery, Dispatcher, DispatchResult } from '../dispatch/dispatcher.ts';
import { quotedGuard } from '../guard/guard-name.ts';
import { type RenderedContent, silentLogger } from '../vocabulary.ts';
import { collectingDispatcher } from './dispatcher.ts';
import { type MessageFilter, type WrittenMessage, writtenMessages } from './written.ts';

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
  SELECT * FROM jsonb_to_recordset($1::text::jsonb) AS r (id uuid, status text, reason text, detail text)
), settled AS (
  UPDATE herald.message m
  SET status = r.status, reason = r.reason, detail = left(r.detail, 500),
    attempts = m.attempts + (r.status <> 'inhibited')::int, counted = m.counted + (r.status <> 'inhibited')::int,
    settled_at = CASE WHEN r.status <> 'pending' THEN now() END,
    secrets = CASE WHEN r.status = 'pending' THEN m.secrets END
  FROM result r WHERE m.id = r.id AND m.status = 'pending'
  RETURNING m.id, m.method, m.status, m.recipient_id, m.tenant
), items AS (
  INSERT INTO herald.inbox (message_id, recipient_id, tenant)
  SELECT s.id, s.recipient_id, s.tenant FROM settled s WHERE s.method = 'inbox' AND s.status = 'sent'
  ON CONFLICT DO NOTHING
)
DELETE FROM herald_queue.job j USING settled s WHERE j.name = s.method AND j.id = s.id AND s.status <> 'pending'`;

/**
 * Renders every due message of this transaction, passes it to a dispatcher and settles its row: in order, and once
 * each. A message that its dispatcher wants to retry stays `pending`, for the next `drain`. The guards of templates are
 * asked, and an error of one is thrown. Only a worker knows pauses and leases and checks preferences a second time: to
 * test those, start one with a `collectingDispatcher`.
 *
 * @returns the delivered messages with their results; not those that a guard refused.
 * @throws {RenderError} if a message cannot be rendered.
 */
export async function drain(tx: Connection, options: DrainOptions = {}): Promise<Drained[]> {
  const collecting = collectingDispatcher();
  const waiting = await writtenMessages(tx, { ...options, status: 'pending' });
  const drained: Drained[] = [];
  const stopped: SettledRow[] = [];
  for (const message of waiting) {
    const { content } = message;
    if (content === null || (options.scheduled !== true && message.dueAt.getTime() > Date.now())) continue;
    const refusal = message.guard === null ? null : await ask(tx, message.guard, message.id);
    if (refusal !== null) {
      stopped.push({ id: message.id, status: 'inhibited', reason: 'guard', detail: refusal });
      continue;
    }
    const delivery = deliveryOf(message, content);
    const dispatcher = options.dispatchers?.[message.method] ?? collecting;
    const result = await dispatcher.dispatch(delivery, { signal: new AbortController().signal, logger: silentLogger });
    drained.push({ ...delivery, result });
  }
  const settled = [...drained.map(settledRow), ...stopped];
  if (settled.length > 0) await run(tx, { text: statement, values: [JSON.stringify(settled)] });
  return drained;
}

async function ask(tx: Connection, guard: string, id: string): Promise<string | null> {
  const text = `SELECT ${quotedGuard(guard)}(m.recipient_id, m.targets, coalesce(n.labels, '{}'), n.data) AS detail
FROM herald.message m LEFT JOIN herald.notification n ON n.id = m.notification_id WHERE m.id = $1::text::uuid`;
  const [row] = await run<{ detail: string | null }>(tx, { text, values: [id] });
  return row?.detail ?? null;
}

function deliveryOf(message: WrittenMessage, content: RenderedContent): Delivery {
  const { id, template: name, version, group, mandatory } = message;
  return createDelivery({ ...message, messageId: id, template: { name, version, group, mandatory }, content });
}

interface SettledRow {
  readonly id: string;
  readonly status: string;
  readonly reason: string | null;
  readonly detail?: string;
}

function settledRow({ messageId, result }: Drained): SettledRow {
  if (result.outcome === 'sent') return { id: messageId, status: 'sent', reason: null };
  return { id: messageId, status: result.outcome === 'failed' ? 'failed' : 'pending', reason: result.reason };
}
