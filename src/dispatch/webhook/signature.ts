/**
 * Signatures of Standard Webhooks 1.0.0 (https://www.standardwebhooks.com): `v1` is HMAC-SHA256, `v1a` is Ed25519. One
 * header has a signature per key, so that a receiver can verify with the old or the new key during a rotation.
 */
import { createHmac, createPrivateKey, createSecretKey, randomBytes, sign, type KeyObject } from 'node:crypto';

/** What is signed: id, time and the bytes of the body. */
export interface SignedContent {
  /** Must not contain a full stop, which delimits the signed text. */
  readonly id: string;
  /** Time of the attempt in seconds since the epoch; receivers accept a difference of five minutes. */
  readonly timestamp: number;
  readonly body: Buffer;
}

const hmacPrefix = 'whsec_';
const ed25519Prefix = 'whsk_';
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** The PKCS #8 prefix of a 32-byte Ed25519 seed (RFC 8410). */
const pkcs8Ed25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A parsed key: parsing costs several times as much as signing. */
export interface SigningKey {
  readonly version: 'v1' | 'v1a';
  readonly key: KeyObject;
}

/** Parses secrets that were checked; `v1` keys come first, because some verifiers look only at the first. */
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

/** Why a `whsec_` secret is not valid, without the secret; null if it is. */
export function secretProblem(secret: string): string | null {
  if (!secret.startsWith(hmacPrefix)) return 'must start with whsec_';
  const encoded = secret.slice(hmacPrefix.length);
  if (!base64.test(encoded)) return 'must be base64 after whsec_';
  const { length } = Buffer.from(encoded, 'base64');
  return length >= 24 && length <= 64 ? null : `must encode 24 to 64 bytes, not ${length}`;
}

/** Why a `whsk_` key (the seed, or seed and public key) is not valid, without the key; null if it is. */
export function signingKeyProblem(key: string): string | null {
  if (!key.startsWith(ed25519Prefix)) return 'must start with whsk_';
  const encoded = key.slice(ed25519Prefix.length);
  if (!base64.test(encoded)) return 'must be base64 after whsk_';
  const { length } = Buffer.from(encoded, 'base64');
  return length === 32 || length === 64 ? null : `must encode 32 or 64 bytes, not ${length}`;
}

/** Generates a `whsec_` secret of 32 random bytes. */
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
