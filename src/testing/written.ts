/** Reads the messages of a transaction, with the content that would be sent. */
import { type Connection, run } from '../database/caller-transaction.ts';
import { exactJson } from '../database/exact-json.ts';
import type { Action, Brand, JsonValue, MessageStatus, Reason, Recipient, RenderedContent } from '../vocabulary.ts';
import { createRenderer, type Renderer, type TemplateTexts } from '../templates/render.ts';
import { brandOf, readBrandFields } from '../tenants/tenant.ts';
import {
  acknowledgeActions,
  createLinks,
  type LinkOptions,
  type Links,
  type MessageLinks,
} from '../recipients/links.ts';
import type { StepCondition } from '../templates/steps.ts';
import { storedTextColumns } from '../templates/stored-texts.ts';
import type { DecryptLabels } from '../secrets.ts';

/** A message of the transaction. */
export interface WrittenMessage {
  /** The message's id, a UUID. */
  readonly id: string;
  /** Name of its template. */
  readonly template: string;
  /** Version of its template. */
  readonly version: number;
  /** Group of its template. */
  readonly group: string;
  /** For example `smtp`. */
  readonly method: string;
  /** Its status now. */
  readonly status: MessageStatus;
  /** Why it is `inhibited`, `expired` or `failed`; null for one that waits or was sent. */
  readonly reason: Reason | null;
  /** As `enqueue` stored it. */
  readonly recipient: Recipient;
  /** Without secret labels, which are in the content only. */
  readonly labels: Readonly<Record<string, string>>;
  /** Null if `enqueue` got none. */
  readonly data: JsonValue;
  /** Ids of the things that it is about. */
  readonly targets: readonly string[];
  /** Null if `enqueue` got none. */
  readonly dedupeKey: string | null;
  /** Higher is earlier. */
  readonly priority: number;
  /** `schema.function` of the database that `drain` and a worker ask before it is sent; null: none. */
  readonly guard: string | null;
  /** Name of the SMTP sender, of the template or the tenant; null: the first. */
  readonly sender: string | null;
  /** Null if `enqueue` got none. */
  readonly tenant: string | null;
  /** The brand that it has: that of the filter, with what its tenant has of its own. */
  readonly brand: Brand;
  /** Null if `enqueue` got none. */
  readonly groupKey: string | null;
  /** Whether its recipient cannot turn off its template. */
  readonly mandatory: boolean;
  /** What `enqueue` got, or the link that `links` makes; null: neither. */
  readonly unsubscribeUrl: string | null;
  /** The link to the recipient's preferences that `links` makes; null: none. */
  readonly preferencesUrl: string | null;
  /** The link that acknowledges it, which `links` makes where a later step waits for that; null: none. */
  readonly acknowledgeUrl: string | null;
  /** The same for all messages of one enqueue call. */
  readonly notificationId: string;
  /** Number of the template's step that it belongs to, from 1; null: it is one of the first messages. */
  readonly step: number | null;
  /** It is cancelled if the recipient has done this before it is due; null: nothing cancels it. */
  readonly unless: StepCondition | null;
  /** When its transaction began. */
  readonly createdAt: Date;
  /** It is not sent before this time. */
  readonly dueAt: Date;
  /** It is not sent after this time; null: no limit. */
  readonly expiresAt: Date | null;
  /** Null for a message that will not be sent, an erased one, and a settled one whose secret labels were deleted. */
  readonly content: RenderedContent | null;
}

/** Selects messages of the test's own transaction. Without any of the first five, all of them. */
export interface MessageFilter {
  /** Name of the template. */
  readonly template?: string;
  /** Id of the recipient. */
  readonly recipientId?: string;
  /** For example `smtp`. */
  readonly method?: string;
  /** Its status now. */
  readonly status?: MessageStatus;
  /** One of the message's targets. */
  readonly target?: string;
  /**
   * True: also the messages that other transactions have committed, for code that commits itself. Default false.
   */
  readonly committed?: boolean;
  /** The brand of the application to render with. Default: one named `Test App`. */
  readonly brand?: Brand;
  /** Decrypts secret labels. Needed if `createHerald` has `encryptLabels`; both come from `labelSecrets`. */
  readonly decryptLabels?: DecryptLabels;
  /** Makes the links to the recipient's pages. Use the worker's. Default: there are none. */
  readonly links?: LinkOptions;
}

/** The brand that tests render with unless they choose one. */
export const testBrand: Brand = { appName: 'Test App', baseUrl: 'https://app.example.com' };

/** Drivers parse timestamps differently, so they are read as text. */
interface Row
  extends Omit<
    WrittenMessage,
    'brand' | 'content' | 'createdAt' | 'data' | 'dueAt' | 'expiresAt' | 'preferencesUrl' | 'acknowledgeUrl'
  > {
  readonly tenantBrand: unknown;
  readonly acknowledgeable: boolean;
  readonly data: string | null;
  readonly texts: TemplateTexts;
  readonly actions: Action[] | null;
  readonly secrets: Record<string, string> | null;
  readonly sealId: string | null;
  readonly secretNames: string[];
  readonly createdMs: string;
  readonly dueMs: string;
  readonly expiresMs: string | null;
}

const statement = `
SELECT m.id, m.template, m.template_version AS version, t."group", t.mandatory, m.method, m.status, m.reason,
  m.recipient,
  coalesce(n.labels, '{}') AS labels, m.secrets, n.data::text AS data, m.targets, n.actions, n.seal_id AS "sealId",
  m.dedupe_key AS "dedupeKey", m.priority, coalesce(t.sender, o.sender) AS sender, t.guard, m.step, m.unless, m.tenant,
  o.brand AS "tenantBrand",
  m.notification_id AS "notificationId",
  coalesce(t.steps @> '[{"unless": "acknowledged"}]', false) AS acknowledgeable,
  m.group_key AS "groupKey",
  m.unsubscribe_url AS "unsubscribeUrl", (extract(epoch FROM m.created_at) * 1000)::text AS "createdMs",
  (extract(epoch FROM m.next_attempt_at) * 1000)::text AS "dueMs",
  (extract(epoch FROM m.expires_at) * 1000)::text AS "expiresMs",
  (SELECT to_jsonb(s) FROM (SELECT v.template AS name, ${storedTextColumns}) s) AS texts, v.secrets AS "secretNames"
FROM herald.message m
JOIN herald.template t ON t.name = m.template
JOIN herald.template_version v ON v.template = m.template AND v.version = m.template_version
LEFT JOIN herald.tenant o ON o.id = m.tenant
LEFT JOIN herald.notification n ON n.id = m.notification_id AND m.recipient_id <> 'erased'
WHERE ($1::text IS NULL OR m.template = $1::text) AND ($2::text IS NULL OR m.recipient_id = $2::text)
  AND ($3::text IS NULL OR m.method = $3::text) AND ($4::text IS NULL OR m.status = $4::text)
  AND ($5::text IS NULL OR m.targets @> ARRAY[$5::text])
  -- Not xmin: within a savepoint that is another one.
  AND ($6::text IS NOT NULL OR m.created_at = now())
ORDER BY m.created_at, m.id LIMIT 1000`;

/**
 * Returns the messages that were enqueued in this transaction, at most 1,000, in order.
 *
 * @throws {RenderError} if a message cannot be rendered.
 */
export async function writtenMessages(tx: Connection, filter: MessageFilter = {}): Promise<WrittenMessage[]> {
  const {
    template = null,
    recipientId = null,
    method = null,
    status = null,
    target = null,
    committed = false,
  } = filter;
  const values = [template, recipientId, method, status, target, committed ? 'true' : null];
  const rows = await run<Row>(tx, { text: statement, values });
  const services = { render: createRenderer(), links: filter.links === undefined ? null : createLinks(filter.links) };
  return rows.map((row) => toWrittenMessage(row, filter, services));
}

/** As in a worker: who receives webhooks must not act for the recipient. */
function linksOf(row: Row, links: Links | null): MessageLinks {
  const made = links === null || row.method === 'webhook' ? null : links.linksOf(row);
  return {
    unsubscribeUrl: row.unsubscribeUrl ?? made?.unsubscribeUrl ?? null,
    preferencesUrl: made?.preferencesUrl ?? null,
    acknowledgeUrl: made?.acknowledgeUrl ?? null,
  };
}

function toWrittenMessage(
  row: Row,
  filter: MessageFilter,
  { render, links }: { readonly render: Renderer; readonly links: Links | null },
): WrittenMessage {
  const {
    texts,
    actions,
    secrets,
    sealId,
    secretNames,
    createdMs,
    dueMs,
    expiresMs,
    tenantBrand,
    acknowledgeable: _,
    ...message
  } = row;
  const createdAt = new Date(Number(createdMs));
  const brand = brandOf(filter.brand ?? testBrand, readBrandFields(tenantBrand).own);
  const written = {
    ...message,
    ...linksOf(row, links),
    brand,
    data: exactJson(row.data),
    createdAt,
    dueAt: new Date(Number(dueMs)),
    expiresAt: expiresMs === null ? null : new Date(Number(expiresMs)),
  };
  // What was erased, or wiped when the message settled, cannot be rendered.
  const gone = row.recipient.id === 'erased' || (secretNames.length > 0 && secrets === null);
  if (gone || ['inhibited', 'expired', 'cancelled'].includes(row.status)) return { ...written, content: null };
  const decrypted = secrets === null ? {} : (filter.decryptLabels?.(secrets, row.template, sealId) ?? secrets);
  const content = render({
    template: texts,
    recipient: row.recipient,
    labels: { ...row.labels, ...decrypted },
    data: written.data,
    targets: row.targets,
    brand,
    createdAt,
  });
  const acknowledge = acknowledgeActions(written.acknowledgeUrl, row.recipient.locale);
  return { ...written, content: { ...content, actions: [...acknowledge, ...content.actions, ...(actions ?? [])] } };
}
