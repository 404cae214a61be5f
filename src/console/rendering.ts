/** Messages and examples as their recipients get them, with secret labels blacked out. */
import { createDelivery } from '../dispatch/delivery.ts';
import type { Delivery } from '../dispatch/dispatcher.ts';
import { rawMessage } from '../dispatch/smtp/raw-message.ts';
import { type FormatName, formatNames, formats } from '../dispatch/webhook/formats/formats.ts';
import { payloadOf } from '../dispatch/webhook/payload.ts';
import type { MessageSource } from '../operate/message-source.ts';
import type { MessageDetails } from '../operate/messages.ts';
import { type Email, renderEmail } from '../templates/email.ts';
import { RenderError } from '../templates/render.ts';
import type { Services } from './services.ts';

export const blackedOut = '••••••';

export interface Rendering {
  readonly delivery: Delivery;
  readonly email: Email;
}

/** The stored message; `problem` says why there is no content. */
export function renderMessage(
  { render, settings }: Services,
  message: MessageDetails,
  source: MessageSource,
): Rendering | { readonly problem: string } {
  const { brand } = settings;
  const { createdAt, recipient, data, targets } = message;
  const secrets = Object.fromEntries(message.secretLabels.map((name) => [name, blackedOut]));
  return caught(() => {
    const labels = { ...message.labels, ...secrets };
    const content = render({ template: source.texts, recipient, labels, data, targets, brand, createdAt });
    const { sender, unsubscribeUrl, endpointId, actions } = source;
    const delivery = createDelivery({
      ...message,
      messageId: message.id,
      attempt: Math.max(message.attempts, 1),
      template: { name: message.template, version: message.version, group: message.group },
      ...{ content, actions, brand, sender, unsubscribeUrl, endpointId },
    });
    return { delivery, email: renderEmail({ content: delivery.content, brand, unsubscribeUrl, createdAt }) };
  });
}

/** Errors of a template name place and label, never a value. */
export function caught<T>(work: () => T): T | { readonly problem: string } {
  try {
    return work();
  } catch (error) {
    if (error instanceof RenderError) return { problem: error.message };
    throw error;
  }
}

export const schemes = ['light', 'dark'] as const;
export type Scheme = (typeof schemes)[number];

/**
 * A mail's HTML in one colour scheme, whatever the reader's own: a frame cannot choose what `prefers-color-scheme` says, so the
 * rules for the dark are made to hold always or never.
 */
export function inScheme(document: string, scheme: Scheme): string {
  return document
    .replaceAll('@media (prefers-color-scheme:dark)', scheme === 'dark' ? '@media all' : '@media not all')
    .replaceAll('color-scheme:light dark', `color-scheme:${scheme}`)
    .replace('name="color-scheme" content="light dark"', `name="color-scheme" content="${scheme}"`);
}

/** The mail as it would be on the wire; null without a usable address. */
export function rawMail({ settings }: Services, delivery: Delivery): Promise<string | null> {
  return rawMessage(delivery, settings.from);
}

export function isFormat(name: string): name is FormatName {
  return formatNames.some((known) => known === name);
}

/** The body of a webhook call or chat post, indented for reading. */
export function webhookBody(delivery: Delivery, format: FormatName): string {
  if (format === 'standard') return JSON.stringify(payloadOf(delivery), null, 2);
  const endpoint = { url: 'https://receiver.example/topic', secrets: ['credential of the endpoint'] };
  const { body } = formats[format].build(delivery, endpoint, delivery.createdAt);
  try {
    return JSON.stringify(JSON.parse(body.toString('utf8')), null, 2);
  } catch {
    return body.toString('utf8');
  }
}
