/**
 * The sealed part of a link to a recipient. A token holds everything that the page behind it needs, so that no row is
 * written for it, and it works after the message was purged or erased. It is encrypted, because ids and addresses must
 * not be readable in a URL, and deterministic, because every retry of an email has the same bytes.
 */
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { ConfigurationError } from '../errors.ts';
import { parseKey } from '../secrets.ts';

/** What the tokens of each purpose hold, in this order. */
const fieldsOf = {
  unsubscribe: ['recipientId', 'tenant', 'template', 'method'],
  preferences: ['recipientId', 'tenant'],
  acknowledge: ['recipientId', 'tenant', 'notificationId'],
} as const;

/** What a link does. A token for one purpose does not open as one for another. */
export type LinkPurpose = keyof typeof fieldsOf;

type FieldOf<Purpose extends LinkPurpose> = (typeof fieldsOf)[Purpose][number];

/** Whom a link is for, and what it is about. Only `tenant` may be null. */
export type LinkSubject<Purpose extends LinkPurpose> = {
  readonly [Field in FieldOf<Purpose>]: Field extends 'tenant' ? string | null : string;
};

/**
 * A token that was opened, or why it was not:
 * - `malformed`: it was cut off, changed, or made for another purpose
 * - `unknown_key`: it may be genuine, but its key is not configured any more
 */
export type OpenedToken<Purpose extends LinkPurpose> =
  | { readonly subject: LinkSubject<Purpose> }
  | { readonly problem: 'malformed' | 'unknown_key' };

/** Makes and opens tokens. See `createTokenBox`. */
export interface TokenBox {
  /** Returns the token, in characters that a URL may contain. The same subject always gives the same token. */
  seal<Purpose extends LinkPurpose>(purpose: Purpose, subject: LinkSubject<Purpose>): string;
  /** Opens what `seal` returned. Never throws. */
  open<Purpose extends LinkPurpose>(purpose: Purpose, token: string): OpenedToken<Purpose>;
}

/** The first byte of a token, for a later format. */
const format = 1;
const headLength = 5;
const nonceLength = 12;
const tagLength = 16;
/** Longest token that is opened, in characters. Bounds of ids and names keep ours below it. */
const maxLength = 3000;

/** What one key is used for. */
interface PurposeKeys {
  /** Format and key id: bytes 0 to 4 of its tokens, which the seal covers. */
  readonly head: Buffer;
  readonly nonceKey: KeyObject;
  readonly cipherKey: KeyObject;
}

/**
 * Creates a box for tokens. It encrypts with AES-256-GCM under a nonce that is an HMAC-SHA-256 of the text, cut to 96
 * bits: the synthetic nonce of RFC 8452, made of primitives that Node.js has. Two different texts share a nonce with a
 * probability of 2^-96; equal texts give equal tokens, which is wanted. Each purpose has keys of its own (HKDF, RFC
 * 5869).
 *
 * @param keys at least one; each is the base64 text of 32 random bytes. The first one seals, all of them open.
 * @param setting the name of the setting, for errors.
 * @throws {ConfigurationError} if there is no key, or if one is not 32 bytes in base64.
 */
export function createTokenBox(keys: readonly string[], setting = 'links.keys'): TokenBox {
  const known = keys.map((text) => keysOf(text, setting));
  const current = known[0];
  if (current === undefined)
    throw new ConfigurationError(setting, 'has no key; make one with: openssl rand -base64 32');
  return {
    seal: (purpose, subject) => sealed(current[purpose], textOf(purpose, subject)),
    open(purpose, token) {
      const bytes = bytesOf(token);
      if (bytes === null) return { problem: 'malformed' };
      const keysOfToken = known.find((candidate) => candidate[purpose].head.equals(bytes.subarray(0, headLength)));
      if (keysOfToken === undefined) return { problem: 'unknown_key' };
      const text = unsealed(keysOfToken[purpose], bytes);
      const subject = text === null ? null : subjectOf(purpose, text);
      return subject === null ? { problem: 'malformed' } : { subject };
    },
  };
}

function keysOf(text: string, setting: string): Readonly<Record<LinkPurpose, PurposeKeys>> {
  const { id, key } = parseKey(text, setting);
  const head = Buffer.concat([Buffer.of(format), Buffer.from(id, 'hex')]);
  const derived = (purpose: LinkPurpose): PurposeKeys => {
    const bytes = Buffer.from(hkdfSync('sha256', key, '', `pg-herald link ${purpose}`, 64));
    // As objects: Node.js would otherwise import the bytes for every token, which takes five times as long as the rest.
    const [nonceKey, cipherKey] = [createSecretKey(bytes.subarray(0, 32)), createSecretKey(bytes.subarray(32))];
    return { head, nonceKey, cipherKey };
  };
  return {
    unsubscribe: derived('unsubscribe'),
    preferences: derived('preferences'),
    acknowledge: derived('acknowledge'),
  };
}

function textOf<Purpose extends LinkPurpose>(purpose: Purpose, subject: LinkSubject<Purpose>): string {
  const values: Readonly<Record<string, string | null>> = subject;
  return JSON.stringify(fieldsOf[purpose].map((field) => values[field] ?? null));
}

function subjectOf<Purpose extends LinkPurpose>(purpose: Purpose, text: string): LinkSubject<Purpose> | null {
  const values = JSON.parse(text) as (string | null)[];
  const fields = fieldsOf[purpose];
  // A later release may have given the purpose another field.
  if (values.length !== fields.length) return null;
  return Object.fromEntries(fields.map((field, index) => [field, values[index]])) as LinkSubject<Purpose>;
}

function sealed({ head, nonceKey, cipherKey }: PurposeKeys, text: string): string {
  const nonce = createHmac('sha256', nonceKey).update(text).digest().subarray(0, nonceLength);
  const cipher = createCipheriv('aes-256-gcm', cipherKey, nonce, { authTagLength: tagLength });
  cipher.setAAD(head);
  return Buffer.concat([head, nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
    'base64url',
  );
}

/** Null if the text is no token of this format. Strict: Node.js ignores characters that are not base64. */
function bytesOf(token: string): Buffer | null {
  if (token.length > maxLength || !/^[\w-]+$/.test(token)) return null;
  const bytes = Buffer.from(token, 'base64url');
  const isWhole = bytes.length > headLength + nonceLength + tagLength && bytes[0] === format;
  return isWhole && bytes.toString('base64url') === token ? bytes : null;
}

function unsealed({ head, cipherKey }: PurposeKeys, bytes: Buffer): string | null {
  const nonce = bytes.subarray(headLength, headLength + nonceLength);
  const decipher = createDecipheriv('aes-256-gcm', cipherKey, nonce, { authTagLength: tagLength });
  decipher.setAAD(head);
  decipher.setAuthTag(bytes.subarray(-tagLength));
  try {
    const text = decipher.update(bytes.subarray(headLength + nonceLength, -tagLength));
    return Buffer.concat([text, decipher.final()]).toString('utf8');
  } catch {
    return null;
  }
}
