/** Loads and renders messages and examples as their recipients get them, with secret labels blacked out. */
import { createDelivery } from '../dispatch/delivery.ts';
import type { Delivery } from '../dispatch/dispatcher.ts';
import { rawMessage } from '../dispatch/smtp/raw-message.ts';
import { type FormatName, formatNames, formats } from '../dispatch/webhook/formats/formats.ts';
import { payloadOf } from '../dispatch/webhook/payload.ts';
import { type MessageSource, readMessageSource } from '../operate/message-source.ts';
import { type MessageDetails, showMessage } from '../operate/messages.ts';
import { type DecidingPreference, preferenceAt } from '../operate/preference-history.ts';
import { type Email, renderEmail } from '../templates/email.ts';
import { RenderError } from '../templates/render.ts';
import type { TenantSettings } from '../tenants/tenant.ts';
import { isUuid } from '../vocabulary.ts';
import type { Settings } from './options.ts';
import type { Services } from './services.ts';

/** Takes the place of a secret label. */
export const blackedOut = '••••••';

/** A message as it is delivered, and as an email. */
export interface Rendering {
  readonly delivery: Delivery;
  readonly email: Email;
}

/** A message with what it is rendered from. */
export interface LoadedMessage {
  readonly message: MessageDetails;
  readonly source: MessageSource;
  /** What stopped it, if a preference did; as it was then. */
  readonly preference: DecidingPreference | null;
  readonly tenant: TenantSettings;
}

/** Null if the id is not valid or there is no such message. */
export async function loadMessage({ pool, tenants }: Services, id: string): Promise<LoadedMessage | null> {
  if (!isUuid(id)) return null;
  const [message, source] = await Promise.all([showMessage(pool, id), readMessageSource(pool, id)]);
  if (message === null || source === null) return null;
  const stoppedAt = message.reason === 'preference' ? message.settledAt : null;
  const preference = stoppedAt && (await preferenceAt(pool, message, stoppedAt));
  return { message, source, preference, tenant: await tenants.settingsOf(message.tenant) };
}

/** Renders a stored message. `problem` says why it cannot be rendered. */
export function renderMessage(
  { render, settings }: Services,
  { message, source, tenant: { brand, sender: ownSender } }: LoadedMessage,
): Rendering | { readonly problem: string } {
  const { createdAt, recipient, data, targets } = message;
  const secrets = Object.fromEntries(message.secretLabels.map((name) => [name, blackedOut]));
  return tryRender(() => {
    const labels = { ...message.labels, ...secrets };
    const content = render({ template: source.texts, recipient, labels, data, targets, brand, createdAt });
    const { endpointId, actions, mandatory } = source;
    const { unsubscribeUrl, preferencesUrl } = shownLinks(settings, source);
    const delivery = createDelivery({
      ...message,
      messageId: message.id,
      attempt: Math.max(message.attempts, 1),
      template: { name: message.template, version: message.version, group: message.group, mandatory },
      ...{ content, actions, brand, unsubscribeUrl, preferencesUrl, endpointId },
      sender: source.sender ?? ownSender,
    });
    const links = { unsubscribeUrl, preferencesUrl };
    return { delivery, email: renderEmail({ content: delivery.content, brand, ...links, createdAt }) };
  });
}

/** Whoever has a link acts for its recipient, so an operator sees its address without the token. */
export function shownLinks(
  { linksUrl }: Settings,
  { mandatory, unsubscribeUrl = null }: { readonly mandatory: boolean; readonly unsubscribeUrl?: string | null },
): { readonly unsubscribeUrl: string | null; readonly preferencesUrl: string | null } {
  if (linksUrl === null || mandatory) return { unsubscribeUrl, preferencesUrl: null };
  const url = linksUrl.replace(/\/+$/, '');
  return { unsubscribeUrl: unsubscribeUrl ?? `${url}/u/${shownToken}`, preferencesUrl: `${url}/p/${shownToken}` };
}

const shownToken = 'token-of-the-recipient';

/** A template error becomes a `problem`: it names the place and the label, never a value. */
export function tryRender<T>(work: () => T): T | { readonly problem: string } {
  try {
    return work();
  } catch (error) {
    if (error instanceof RenderError) return { problem: error.message };
    throw error;
  }
}

/** The color schemes of an email. */
export const schemes = ['light', 'dark'] as const;
/** One of the color schemes. */
export type Scheme = (typeof schemes)[number];

/**
 * An email's HTML in one color scheme, whatever the browser prefers. A frame cannot choose what `prefers-color-
 * scheme` matches, so the dark rules are rewritten to match always or never.
 */
export function inScheme(document: string, scheme: Scheme): string {
  return document
    .replaceAll('@media (prefers-color-scheme:dark)', scheme === 'dark' ? '@media all' : '@media not all')
    .replaceAll('color-scheme:light dark', `color-scheme:${scheme}`)
    .replace('name="color-scheme" content="light dark"', `name="color-scheme" content="${scheme}"`);
}

/** The email as it would be on the wire. Null if the recipient has no usable address. */
export function rawMail({ settings }: Services, delivery: Delivery): Promise<string | null> {
  return rawMessage(delivery, settings.from);
}

/** Whether the text names a format of webhook calls or chat posts. */
export function isFormat(name: string): name is FormatName {
  return formatNames.some((known) => known === name);
}

/** The body of a webhook call or chat post, indented. */
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
