/** What a message says, and what we log in with: removed from a relay's reply before any rule looks at it. Pure. */
import { domainToUnicode } from 'node:url';
import { type Address, formatAddress } from '../../email-address.ts';
import type { JsonValue } from '../../vocabulary.ts';
import type { Delivery } from '../dispatcher.ts';
import type { KnownTexts } from '../redact.ts';
import type { SmtpFiles } from './smtp-files.ts';
import type { SmtpSettings } from './smtp-settings.ts';

/** Strings of `data` beyond these are not looked for. */
const mostTexts = 2000;
const deepest = 20;

/** @param secrets of the sender; those of the message are added. */
export function knownTextsOf(delivery: Delivery, to: Address, secrets: readonly string[]): KnownTexts {
  const { content } = delivery;
  const texts = [
    ...recipientTexts(to),
    content.title,
    ...content.actions.flatMap(({ label, url }) => [label, url]),
    delivery.unsubscribeUrl,
    delivery.preferencesUrl,
  ].filter((text) => typeof text === 'string');
  return {
    texts: [...texts, ...messageTexts(delivery)],
    secrets: [...secrets, ...(delivery.secrets ?? [])],
  };
}

/** What is known of a message without rendering it. */
export type MessageTexts = Pick<
  Delivery,
  'recipient' | 'labels' | 'data' | 'targets' | 'tenant' | 'groupKey' | 'messageId'
>;

/** What a message says, as far as it is stored: removed from what servers say about it. */
export function messageTexts({
  recipient,
  labels,
  data,
  targets,
  tenant,
  groupKey,
  messageId,
}: MessageTexts): string[] {
  const { email, name, id } = recipient;
  const texts = [email, name, id, ...Object.values(labels), ...targets, tenant, groupKey, messageId];
  return [...texts.filter((text) => typeof text === 'string'), ...stringsOf(data).slice(0, mostTexts)];
}

function recipientTexts(to: Address): string[] {
  return [formatAddress(to), to.local, to.domain, domainToUnicode(to.domain)];
}

/** The credentials of a sender. */
export function secretsOf({ auth, proxy }: SmtpSettings, files: SmtpFiles): string[] {
  const proxyPassword = proxy === undefined ? undefined : URL.parse(proxy)?.password;
  return [auth?.password, files.password, auth?.oauth2?.clientSecret, auth?.oauth2?.refreshToken, proxyPassword].filter(
    (text): text is string => typeof text === 'string' && text !== '',
  );
}

function stringsOf(value: JsonValue, depth = 0): string[] {
  if (typeof value === 'string') return [value];
  if (value === null || typeof value !== 'object' || depth > deepest) return [];
  return Object.values(value).flatMap((part: JsonValue) => stringsOf(part, depth + 1));
}
