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
  /**
   * Let so much time pass since the transaction began: what is due by then is delivered in that order, and the later
   * steps of a notification whose condition no longer holds are cancelled. In seconds; default 0.
   */
  readonly afterSeconds?: number;
}

const statement = `
WITH result AS (
  SELECT *, (r.status NOT IN ('inhibited', 'cancelled'))::int AS tried
  FROM jsonb_to_recordset($1::text::jsonb) AS r (id uuid, status text, reason text, detail text)
), settled AS (
  UPDATE herald.message m
  SET status = r.status, reason = r.reason, detail = left(r.detail, 500),
    attempts = m.attempts + r.tried, counted = m.counted + r.tried,
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
 * @returns the delivered messages with their results; not those that a guard refused, or that became needless.
 * @throws {RenderError} if a message cannot be rendered.
 */
export async function drain(tx: Connection, options: DrainOptions = {}): Promise<Drained[]> {
  const collecting = collectingDispatcher();
  const waiting = await writtenMessages(tx, { ...options, status: 'pending' });
  const drained: Drained[] = [];
  const stopped: SettledRow[] = [];
  for (const message of dueOf(waiting, options)) {
    const { content } = message;
    if (content === null) continue;
    const refusal = await stopOf(tx, message);
    if (refusal !== null) {
      stopped.push({ id: message.id, ...refusal });
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

/** In the order of their times, which for messages of one moment is that of the enqueue. */
function dueOf(waiting: readonly WrittenMessage[], { scheduled, afterSeconds = 0 }: DrainOptions): WrittenMessage[] {
  const until = Date.now() + afterSeconds * 1000;
  return waiting
    .filter(({ dueAt }) => scheduled === true || dueAt.getTime() <= until)
    .toSorted((a, b) => a.dueAt.getTime() - b.dueAt.getTime());
}

type Stop = Omit<SettledRow, 'id'>;

/** What a worker would ask before it sends: the condition of a step, and the guard of the template. */
async function stopOf(tx: Connection, { id, unless, guard }: WrittenMessage): Promise<Stop | null> {
  if (unless !== null && (await isNeedless(tx, id))) return { status: 'cancelled', reason: unless };
  const detail = guard === null ? null : await ask(tx, guard, id);
  return detail === null ? null : { status: 'inhibited', reason: 'guard', detail };
}

async function isNeedless(tx: Connection, id: string): Promise<boolean> {
  const text = `SELECT herald.is_needless(m.notification_id, m.recipient_id, m.unless)::text AS needless
FROM herald.message m WHERE m.id = $1::text::uuid`;
  const [row] = await run<{ needless: string }>(tx, { text, values: [id] });
  return row?.needless === 'true';
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
