/** What a stored message is rendered from: everything but the values of its secret labels. */
import type { TemplateTexts } from '../templates/render.ts';
import { storedTextColumns } from '../templates/stored-texts.ts';
import type { Action } from '../vocabulary.ts';
import type { Queryable } from '../database/pool.ts';

/** Everything that the content of a message is made of. */
export interface MessageSource {
  /** The pinned version of the template. */
  readonly texts: TemplateTexts;
  /** Further actions of this message, after those of the template. */
  readonly actions: readonly Action[];
  readonly sender: string | null;
  /** Whether recipients cannot turn off the template. */
  readonly mandatory: boolean;
  readonly unsubscribeUrl: string | null;
  readonly endpointId: string | null;
  /** Name of the endpoint; null if there is no endpoint, or it was deleted. */
  readonly endpoint: string | null;
  /** Format of the endpoint; null if there is no endpoint, or it was deleted. */
  readonly format: string | null;
  /** Where it goes, in lower case. */
  readonly address: string | null;
  readonly attachments: readonly { readonly name: string; readonly contentType: string; readonly bytes: number }[];
}

/** Returns null if there is no such message. */
export async function readMessageSource(client: Queryable, messageId: string): Promise<MessageSource | null> {
  const result = await client.query<Omit<MessageSource, 'texts'> & Required<TemplateTexts> & { more: Action[] | null }>(
    `SELECT m.template AS name, ${storedTextColumns}, n.actions AS more, t.sender,
       t.mandatory,
       m.unsubscribe_url AS "unsubscribeUrl", m.endpoint_id AS "endpointId", e.name AS endpoint, e.format,
       m.address,
       CASE WHEN m.attachments = 0 THEN '[]'::jsonb ELSE coalesce((
         SELECT jsonb_agg(jsonb_build_object('name', a.name, 'contentType', a.content_type, 'bytes', a.bytes)
           ORDER BY a.position)
         FROM herald.attachment a WHERE a.notification_id = m.notification_id), '[]') END AS attachments
     FROM herald.message m
     JOIN herald.template t ON t.name = m.template
     JOIN herald.template_version v ON v.template = m.template AND v.version = m.template_version
     LEFT JOIN herald.notification n ON n.id = m.notification_id AND m.recipient_id <> 'erased'
     LEFT JOIN herald.endpoint e ON e.id = m.endpoint_id
     WHERE m.id = $1`,
    [messageId],
  );
  const [row] = result.rows;
  if (row === undefined) return null;
  const { name, version, language, title, body, actions, words, texts, more, ...source } = row;
  return { ...source, texts: { name, version, language, title, body, actions, words, texts }, actions: more ?? [] };
}
