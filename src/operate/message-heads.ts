/** What tells one message from another in a list: its title, and who it is for. */
import { exactJson } from '../database/exact-json.ts';
import type { Queryable } from '../database/pool.ts';
import type { JsonValue, Recipient } from '../vocabulary.ts';

/** What the title of a message is rendered from, without the values of secret labels. */
export interface MessageHead {
  readonly id: string;
  readonly template: string;
  readonly version: number;
  /** Of the version, in its default language. */
  readonly title: string;
  /** BCP 47 tag of the default language. */
  readonly language: string;
  /** In the further languages of the version; null: there are none. */
  readonly titles: readonly { readonly language: string; readonly title: string }[] | null;
  readonly recipient: Recipient;
  /** Where it goes, in lower case. */
  readonly address: string | null;
  /** Name of the endpoint that it goes to; null: none, or it was deleted. */
  readonly endpoint: string | null;
  /** Null if the message was erased, or if they are too large for a list. */
  readonly labels: Readonly<Record<string, string>> | null;
  /** Names only. */
  readonly secretLabels: readonly string[];
  /** Null if the title does not mention it, or if it is too large for a list. */
  readonly data: JsonValue;
  readonly targets: readonly string[];
  readonly tenant: string | null;
  readonly createdAt: Date;
}

/** Larger labels and data are not read for a list, in bytes as stored. */
const maxStoredBytes = 32_768;

/** Reads the heads of at most some hundred messages, in no order. */
export async function readMessageHeads(client: Queryable, ids: readonly string[]): Promise<MessageHead[]> {
  if (ids.length === 0) return [];
  const result = await client.query<Omit<MessageHead, 'data'> & { data: string | null }>(
    `SELECT m.id, m.template, m.template_version AS version, v.title, v.language, m.recipient, m.address, m.targets,
       m.tenant, x.titles,
       e.name AS endpoint, v.secrets AS "secretLabels", m.created_at AS "createdAt",
       CASE WHEN pg_column_size(n.labels) <= ${maxStoredBytes} THEN n.labels END AS labels,
       CASE WHEN v.title || coalesce(x.titles::text, '') LIKE '%data%'
         AND pg_column_size(n.data) <= ${maxStoredBytes} THEN n.data::text END AS data
     FROM herald.message m
     JOIN herald.template_version v ON v.template = m.template AND v.version = m.template_version
     LEFT JOIN LATERAL (
       SELECT jsonb_agg(jsonb_build_object('language', x.language, 'title', x.title)) AS titles
       FROM herald.template_text x WHERE x.template = v.template AND x.version = v.version) x ON true
     LEFT JOIN herald.notification n ON n.id = m.notification_id AND m.recipient_id <> 'erased'
     LEFT JOIN herald.endpoint e ON e.id = m.endpoint_id
     WHERE m.id = ANY ($1::uuid[])`,
    [ids],
  );
  return result.rows.map((row) => ({ ...row, data: exactJson(row.data) }));
}
