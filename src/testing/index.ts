/**
 * For an application's own tests. Nothing is faked: enqueue runs every real decision (preferences, dedupe, defaults) in
 * the test's own transaction, and what comes back is rendered from the pinned template version, so that a broken
 * template fails the test. Roll the transaction back and nothing was there.
 */
import { run, type Transaction } from '../database/connection.ts';
import type { Delivery, Dispatcher } from '../dispatch/dispatcher.ts';
import type { Action, Brand, JsonValue, MessageStatus, Reason, Recipient, RenderedContent } from '../notification.ts';
import { createRenderer } from '../templates/render.ts';

/** A message as it stands in the transaction, with the content that would be sent. */
export interface WrittenMessage {
  readonly id: string;
  readonly template: string;
  readonly version: number;
  readonly method: string;
  readonly status: MessageStatus;
  readonly reason: Reason | null;
  readonly recipient: Recipient;
  readonly labels: Readonly<Record<string, string>>;
  readonly data: JsonValue;
  readonly targets: readonly string[];
  readonly dedupeKey: string | null;
  /** null for messages that were inhibited. */
  readonly content: RenderedContent | null;
}

interface Row extends Omit<WrittenMessage, 'content'> {
  title: string;
  body: string;
  templateActions: Action[];
  actions: Action[] | null;
  secrets: Record<string, string> | null;
  createdAt: string;
}

const testBrand: Brand = { appName: 'Test App', baseUrl: 'https://app.example.com' };

/**
 * The messages that are visible in this transaction, oldest first, at most 1,000. Throws RenderError for a message
 * that could not be rendered.
 */
export async function writtenMessages(
  tx: Transaction,
  filter: { readonly template?: string; readonly recipientId?: string; readonly brand?: Brand } = {},
): Promise<WrittenMessage[]> {
  const rows = await run<Row>(tx, {
    text: `SELECT m.id, m.template, m.template_version AS version, m.method, m.status, m.reason, m.recipient, m.labels, m.secrets, m.data, m.targets,
      m.actions, m.dedupe_key AS "dedupeKey", m.created_at::text AS "createdAt", v.title, v.body, v.actions AS "templateActions"
      FROM herald.message m JOIN herald.template_version v ON v.template = m.template AND v.version = m.template_version
      WHERE ($1::text IS NULL OR m.template = $1::text) AND ($2::text IS NULL OR m.recipient_id = $2::text)
      ORDER BY m.created_at, m.id LIMIT 1000`,
    values: [filter.template ?? null, filter.recipientId ?? null],
  });
  const render = createRenderer();
  return rows.map(({ title, body, templateActions, actions, secrets, createdAt, ...row }) => {
    if (row.status === 'inhibited') return { ...row, content: null };
    const content = render({
      template: { name: row.template, version: row.version, title, body, actions: templateActions },
      recipient: row.recipient,
      labels: { ...row.labels, ...secrets },
      data: row.data,
      targets: row.targets,
      brand: filter.brand ?? testBrand,
      createdAt: new Date(createdAt),
    });
    return { ...row, content: { ...content, actions: [...content.actions, ...(actions ?? [])] } };
  });
}

/** A dispatcher that keeps what it is given and accepts everything, for tests that run a real worker. */
export function collectingDispatcher(): Dispatcher & { readonly deliveries: readonly Delivery[] } {
  const deliveries: Delivery[] = [];
  return {
    concurrency: 10,
    timeoutSeconds: 30,
    retryDelaysSeconds: [1],
    deliveries,
    async dispatch(delivery) {
      deliveries.push(delivery);
      return { outcome: 'sent' };
    },
  };
}
