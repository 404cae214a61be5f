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
  const { recipient, content, labels, data, targets, tenant, groupKey, messageId } = delivery;
  const texts = [
    ...recipientTexts(to, recipient),
    content.title,
    ...content.actions.flatMap(({ label, url }) => [label, url]),
    ...Object.values(labels),
    ...targets,
    tenant,
    groupKey,
    delivery.unsubscribeUrl,
    delivery.preferencesUrl,
    messageId,
  ].filter((text) => typeof text === 'string');
  return {
    texts: [...texts, ...stringsOf(data).slice(0, mostTexts)],
    secrets: [...secrets, ...(delivery.secrets ?? [])],
  };
}

function recipientTexts(to: Address, { email, name, id }: Delivery['recipient']) {
  return [formatAddress(to), email, to.local, to.domain, domainToUnicode(to.domain), name, id];
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
