/**
 * The body of the `standard` format. A function of the message alone, so every attempt, replay and worker produces the
 * same bytes. Receivers have the JSON Schema `schemas/payload.v1.schema.json`, which is generated from the schema
 * below.
 */
import * as v from 'valibot';
import type { JsonValue } from '../../vocabulary.ts';
import type { Delivery } from '../dispatcher.ts';

const json: v.GenericSchema<JsonValue> = v.lazy(() =>
  v.union([v.string(), v.number(), v.boolean(), v.null(), v.array(json), v.record(v.string(), json)]),
);

const isoTimestamp = v.pipe(v.string(), v.isoTimestamp());
const described = (text: string) => v.pipe(v.string(), v.description(text));
const nullable = (text: string) => v.nullable(described(text));

/** What a receiver may rely on. Within a version, fields may be added; none is removed and none changes its meaning. */
export const payloadSchema = v.object({
  type: v.pipe(
    v.string(),
    v.regex(/^notification\.[a-z0-9_]+$/),
    v.description('`notification.` and the name of the template, with `_` for `-`.'),
  ),
  timestamp: v.pipe(isoTimestamp, v.description('When the notification was enqueued; the same on every attempt.')),
  data: v.object({
    version: v.pipe(v.literal(1), v.description('Version of this structure.')),
    messageId: v.pipe(v.string(), v.uuid(), v.description('The same as the header `webhook-id`: deduplicate by it.')),
    template: v.object({
      name: v.string(),
      version: v.pipe(v.number(), v.integer(), v.minValue(1)),
      group: v.string(),
    }),
    recipient: v.object({
      id: v.string(),
      name: v.optional(v.string()),
      email: v.optional(v.string()),
      locale: v.optional(described('BCP 47 language tag.')),
      timeZone: v.optional(described('IANA time zone.')),
    }),
    language: described('BCP 47 tag of the language of title, body and actions.'),
    title: described('One line of plain text.'),
    body: v.object({ markdown: v.string(), text: v.string() }),
    actions: v.array(v.object({ label: v.string(), url: v.string() })),
    labels: v.record(v.string(), v.string()),
    data: v.pipe(json, v.description('Whatever the application attached; any JSON.')),
    targets: v.pipe(v.array(v.string()), v.description('Ids of the things that the notification is about.')),
    tenant: nullable('Tenant of the application.'),
    groupKey: nullable('Notifications with one key belong together.'),
    dedupeKey: nullable('The key by which the application made the notification unique.'),
    expiresAt: v.nullable(v.pipe(isoTimestamp, v.description('After this time no further attempt is made.'))),
  }),
});

/** The parsed body. */
export type Payload = v.InferOutput<typeof payloadSchema>;

/** The payload of a message, with its fields in the order in which they are written. */
export function payloadOf(delivery: Delivery): Payload {
  const { template, recipient, content } = delivery;
  return {
    type: `notification.${template.name.replaceAll('-', '_')}`,
    timestamp: delivery.createdAt.toISOString(),
    data: {
      version: 1,
      messageId: delivery.messageId,
      template: { name: template.name, version: template.version, group: template.group },
      recipient: {
        id: recipient.id,
        ...(recipient.name === undefined ? {} : { name: recipient.name }),
        ...(recipient.email === undefined ? {} : { email: recipient.email }),
        ...(recipient.locale === undefined ? {} : { locale: recipient.locale }),
        ...(recipient.timeZone === undefined ? {} : { timeZone: recipient.timeZone }),
      },
      language: content.language,
      title: content.title,
      body: { markdown: content.markdown, text: content.text },
      actions: content.actions.map(({ label, url }) => ({ label, url })),
      labels: sorted(delivery.labels),
      data: delivery.data,
      targets: [...delivery.targets],
      tenant: delivery.tenant,
      groupKey: delivery.groupKey,
      dedupeKey: delivery.dedupeKey,
      expiresAt: delivery.expiresAt?.toISOString() ?? null,
    },
  };
}

/** The bytes that are signed and sent. */
export function payloadBytes(delivery: Delivery): Buffer {
  return Buffer.from(JSON.stringify(payloadOf(delivery)), 'utf8');
}

/** Secret labels are stored apart, so the order of labels depends on where they came from. */
function sorted(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}
