/**
 * Signatures of Standard Webhooks 1.0.0 (https://www.standardwebhooks.com): `v1` is HMAC-SHA256, `v1a` is Ed25519.
 * One header carries a signature per key, so that a receiver verifies with the old or the new key during a rotation.
 */
import { createHmac, createPrivateKey, createSecretKey, randomBytes, sign, type KeyObject } from 'node:crypto';

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

/** A key that was read once: making one costs several times what signing with it does. */
export interface SigningKey {
  readonly version: 'v1' | 'v1a';
  readonly key: KeyObject;
}

/** The keys behind secrets that were checked, all `v1` first, because some verifiers know nothing else. */
export function signingKeysOf(secrets: readonly string[]): readonly SigningKey[] {
  const hmacs = secrets.filter((secret) => secret.startsWith(hmacPrefix));
  const ed25519 = secrets.filter((secret) => secret.startsWith(ed25519Prefix));
  return [
    ...hmacs.map((secret) => ({ version: 'v1', key: hmacKey(secret) }) as const),
    ...ed25519.map((secret) => ({ version: 'v1a', key: ed25519Key(secret) }) as const),
  ];
}

/** The value of `webhook-signature`. */
export function signatureHeader({ id, timestamp, body }: SignedContent, keys: readonly SigningKey[]): string {
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  return keys.map(({ version, key }) => `${version},${signatureOf(signed, { version, key })}`).join(' ');
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

function signatureOf(content: Buffer, { version, key }: SigningKey): string {
  return version === 'v1'
    ? createHmac('sha256', key).update(content).digest('base64')
    : sign(null, content, key).toString('base64');
}

function hmacKey(secret: string): KeyObject {
  return createSecretKey(secret.slice(hmacPrefix.length), 'base64');
}

function ed25519Key(key: string): KeyObject {
  const seed = Buffer.from(key.slice(ed25519Prefix.length), 'base64').subarray(0, 32);
  return createPrivateKey({ key: Buffer.concat([pkcs8Ed25519, seed]), format: 'der', type: 'pkcs8' });
}
