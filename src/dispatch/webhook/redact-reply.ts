/** What a receiver said, as it may be stored and shown. Pure. */
import type { JsonValue } from '../../vocabulary.ts';
import type { Delivery } from '../dispatcher.ts';
import { redactKnown } from '../redact.ts';
import type { Endpoint } from './endpoint.ts';

const maxLength = 512;
/** Shorter parts of a URL or header are ordinary words. */
const minPartLength = 4;

/** The body of a response: its start, and whether there was more. */
export interface ReplyBody {
  readonly body: string;
  readonly truncated: boolean;
}

/**
 * Returns one line of at most 512 characters without URLs, addresses, or anything of the endpoint or the message, in
 * whatever way the receiver escaped it.
 */
export function redactReply({ body, truncated }: ReplyBody, endpoint: Endpoint, delivery: Delivery): string {
  const secrets = secretsOf(endpoint, delivery);
  // The last word of a truncated body may be the start of a secret that is too short to be recognised in part.
  const ownSecrets = [...endpoint.secrets, ...Object.values(endpoint.headers), ...(delivery.secrets ?? [])];
  const mayBeCut = truncated && ownSecrets.some((secret) => secret.length < 2 * minPartLength);
  const text = mayBeCut ? body.replace(/[^\s]{1,64}$/, '') : body;
  return redactKnown(text, { secrets, texts: textsOf(delivery) })
    .replace(/\b[a-z][a-z0-9+.-]{0,30}:\/\/[^\s"'<>]+/gi, '[url]')
    .replace(/[^\s"'<>@]{1,100}@[^\s"'<>@]+/g, '[address]')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, maxLength);
}

/** Whether a receiver's id of a message may be stored: it repeats no credential and no secret label. */
export function isSafeId(id: string, endpoint: Endpoint, delivery: Delivery): boolean {
  return redactKnown(id, { secrets: secretsOf(endpoint, delivery), texts: [] }) === id;
}

function secretsOf(endpoint: Endpoint, delivery: Delivery): string[] {
  const { pathname, searchParams, search } = new URL(endpoint.url);
  const ofUrl = [...pathname.split('/'), ...searchParams.values(), ...searchParams.keys(), `${pathname}${search}`];
  const ofHeaders = Object.values(endpoint.headers).flatMap(partsOfHeader);
  return [
    ...endpoint.secrets.flatMap((secret) => [secret, secret.replace(/^wh(sec|sk)_/, '')]),
    ...[...ofUrl, ...ofHeaders].filter((part) => part.length >= minPartLength),
    ...(delivery.secrets ?? []),
  ];
}

/**
 * The value, what follows its scheme, its parameters, and the user name and password of Basic (RFC 9110, section 11).
 */
function partsOfHeader(value: string): string[] {
  const parts = value.split(/[\s,;="']+/);
  const basic = /^basic\s+(\S+)$/i.exec(value)?.[1];
  const credentials = basic === undefined ? '' : Buffer.from(basic, 'base64').toString('utf8');
  const colon = credentials.indexOf(':');
  return [value, ...parts, credentials, credentials.slice(0, Math.max(colon, 0)), credentials.slice(colon + 1)];
}

function textsOf(delivery: Delivery): string[] {
  const { recipient, content, labels, data, targets, tenant, groupKey, dedupeKey } = delivery;
  const { unsubscribeUrl, preferencesUrl = null } = delivery;
  return [
    ...Object.values(recipient),
    ...[content.title, content.text, content.markdown],
    ...content.actions.flatMap(({ label, url }) => [label, url]),
    ...Object.values(labels),
    ...valuesOf(data),
    ...targets,
    ...[tenant, groupKey, dedupeKey, unsubscribeUrl, preferencesUrl].filter((text) => text !== null),
  ];
}

/** Strings and numbers, wherever they are. */
function valuesOf(data: JsonValue): string[] {
  const values: string[] = [];
  const open: JsonValue[] = [data];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value === 'string') values.push(value);
    else if (typeof value === 'number') values.push(String(value));
    else if (value !== null && typeof value === 'object') for (const each of Object.values(value)) open.push(each);
  }
  return values;
}
