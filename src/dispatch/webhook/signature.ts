/**
 * Signatures of Standard Webhooks 1.0.0 (https://www.standardwebhooks.com): `v1` is HMAC-SHA256, `v1a` is Ed25519.
 * One header carries a signature per key, so that a receiver verifies with the old or the new key during a rotation.
 */
import { createHmac, createPrivateKey, randomBytes, sign, type KeyObject } from 'node:crypto';

/** What is signed: id, time and the very bytes of the body. */
export interface SignedContent {
  /** Without a full stop; the signed text is delimited by them. */
  readonly id: string;
  /** Of this attempt, in seconds since the epoch; receivers accept five minutes either way. */
  readonly timestamp: number;
  readonly body: Buffer;
}

const hmacPrefix = 'whsec_';
const ed25519Prefix = 'whsk_';
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** What PKCS #8 puts before the 32 bytes of an Ed25519 seed (RFC 8410). */
const pkcs8Ed25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The value of `webhook-signature`: all `v1` first, because some verifiers know nothing else. */
export function signatureHeader(content: SignedContent, keys: readonly string[]): string {
  const prefix = Buffer.from(`${content.id}.${content.timestamp}.`);
  const signed = Buffer.concat([prefix, content.body]);
  const hmacs = keys.filter((key) => key.startsWith(hmacPrefix)).map((key) => `v1,${hmac(key, signed)}`);
  const ed25519 = keys.filter((key) => key.startsWith(ed25519Prefix)).map((key) => `v1a,${edDsa(key, signed)}`);
  return [...hmacs, ...ed25519].join(' ');
}

/** Why a `whsec_` secret cannot be used, without the secret; null: it can. */
export function secretProblem(secret: string): string | null {
  if (!secret.startsWith(hmacPrefix)) return 'must start with whsec_';
  const encoded = secret.slice(hmacPrefix.length);
  if (!base64.test(encoded)) return 'must be base64 after whsec_';
  const { length } = Buffer.from(encoded, 'base64');
  return length >= 24 && length <= 64 ? null : `must hold 24 to 64 bytes, not ${length}`;
}

/** Why a `whsk_` key cannot be used, without the key; null: it can. Holds the seed, or the seed and the public key. */
export function signingKeyProblem(key: string): string | null {
  if (!key.startsWith(ed25519Prefix)) return 'must start with whsk_';
  const encoded = key.slice(ed25519Prefix.length);
  if (!base64.test(encoded)) return 'must be base64 after whsk_';
  const { length } = Buffer.from(encoded, 'base64');
  return length === 32 || length === 64 ? null : `must hold 32 or 64 bytes, not ${length}`;
}

/** A new `whsec_` secret of 32 random bytes. */
export function generateSecret(): string {
  return hmacPrefix + randomBytes(32).toString('base64');
}

function hmac(secret: string, content: Buffer): string {
  return createHmac('sha256', Buffer.from(secret.slice(hmacPrefix.length), 'base64'))
    .update(content)
    .digest('base64');
}

function edDsa(key: string, content: Buffer): string {
  return sign(null, content, ed25519Key(key)).toString('base64');
}

function ed25519Key(key: string): KeyObject {
  const seed = Buffer.from(key.slice(ed25519Prefix.length), 'base64').subarray(0, 32);
  return createPrivateKey({ key: Buffer.concat([pkcs8Ed25519, seed]), format: 'der', type: 'pkcs8' });
}
