/**
 * Secrets at rest: AES-256-GCM with a key from outside the database, so that a dump alone reveals nothing. Several keys
 * may be known at once: the first one encrypts, the others still decrypt (rotation).
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { ConfigurationError } from './errors.ts';

/** Encrypts and decrypts secrets. See `createSecretBox`. */
export interface SecretBox {
  /**
   * Encrypts a text. The result can only be decrypted with the same `context`, which says what the secret belongs to.
   */
  encrypt(plain: string, context: string): string;
  /**
   * Decrypts what `encrypt` returned.
   *
   * @throws {ConfigurationError} if the key is not known.
   * @throws {DecryptionError} if the text or its context was changed.
   */
  decrypt(sealed: string, context: string): string;
}

const prefix = 'herald1';
/** Bytes of a GCM authentication tag. A shorter tag would be easier to guess, so it is refused. */
const authTagLength = 16;

/**
 * Creates a secret box, which encrypts with AES-256-GCM. Webhook endpoints and secret labels use it.
 *
 * @param keys at least one; each is the base64 text of 32 random bytes (`openssl rand -base64 32`). The first one
 * encrypts; all of them decrypt, so that a key can be replaced.
 * @throws {ConfigurationError} if there is no key, or if one is not 32 bytes in base64.
 */
export function createSecretBox(keys: readonly string[]): SecretBox {
  const known = keys.map((key) => parseKey(key, 'secret key'));
  const current = known[0];
  if (current === undefined)
    throw new ConfigurationError('secret key', 'is missing; make one with: openssl rand -base64 32');
  return {
    encrypt(plain, context) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', current.key, nonce, { authTagLength });
      cipher.setAAD(Buffer.from(context));
      const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return [prefix, current.id, nonce.toString('base64url'), sealed.toString('base64url')].join('.');
    },
    decrypt(sealed, context) {
      const [text = '', id, nonce, bytes] = sealedPattern.exec(sealed) ?? [];
      if (text === '') throw new DecryptionError();
      const found = known.find((candidate) => candidate.id === id);
      if (found === undefined)
        throw new ConfigurationError(
          'secret key',
          `the key "${id}" that encrypted a secret is not configured; add it beside the current one`,
        );
      return opened(found.key, { nonce: decoded(nonce), bytes: decoded(bytes), context });
    },
  };
}

/** A text that its key does not decrypt: it was changed, or belongs to something else. Trying again cannot help. */
export class DecryptionError extends ConfigurationError {
  constructor() {
    super('secret key', 'a secret cannot be decrypted: it was changed, or moved to another place');
  }
}

const sealedPattern = /^herald1\.([0-9a-f]{8})\.([\w-]{16})\.([\w-]{22,})$/;

function decoded(text = ''): Buffer {
  return Buffer.from(text, 'base64url');
}

function opened(key: Buffer, sealed: { nonce: Buffer; bytes: Buffer; context: string }): string {
  const { nonce, bytes, context } = sealed;
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength });
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(bytes.subarray(-authTagLength));
    return Buffer.concat([decipher.update(bytes.subarray(0, -authTagLength)), decipher.final()]).toString('utf8');
  } catch {
    throw new DecryptionError();
  }
}

/** A key of 32 bytes, and the eight hexadecimal digits that identify it without telling anything about it. */
export interface ParsedKey {
  readonly id: string;
  readonly key: Buffer;
}

/**
 * Reads a key from base64. Strict: Node.js skips characters that are not base64, so a key with a typing error would be
 * another key.
 *
 * @throws {ConfigurationError} if it is not 32 bytes in base64; it names `setting`.
 */
export function parseKey(text: string, setting: string): ParsedKey {
  const key = Buffer.from(text.trim(), 'base64');
  if (key.length !== 32 || key.toString('base64') !== text.trim())
    throw new ConfigurationError(
      setting,
      `must be base64 of 32 bytes${key.length === 32 ? '' : `, not of ${key.length}`}; ` +
        'make one with: openssl rand -base64 32',
    );
  // The id identifies the key in rows and errors and reveals nothing about it.
  return { id: createHash('sha256').update('pg-herald key id').update(key).digest('hex').slice(0, 8), key };
}

/**
 * Encrypts the secret labels of one notification of `template`. The result can only be decrypted with the same
 * `sealId`, a random UUID of version 7 that is stored with the notification, that no other notification can take, and
 * that no notification can take a day later. See `labelSecrets`.
 */
export type EncryptLabels = (
  secrets: Readonly<Record<string, string>>,
  template: string,
  sealId: string,
) => Record<string, string>;

/**
 * Decrypts the secret labels of a message of `template`. `sealId` is null if they are stored in clear, because who
 * enqueued them had no key: then they are returned unchanged. See `labelSecrets`.
 */
export type DecryptLabels = (
  secrets: Readonly<Record<string, string>>,
  template: string,
  sealId: string | null,
) => Record<string, string>;

/**
 * Returns the two hooks for labels that a template declares secret: `encryptLabels` for `createHerald`, `decryptLabels`
 * for `createWorker` and for `writtenMessages` in tests.
 *
 * `decryptLabels` throws what `SecretBox.decrypt` throws.
 */
export function labelSecrets(box: SecretBox): {
  readonly encryptLabels: EncryptLabels;
  readonly decryptLabels: DecryptLabels;
} {
  const each = (secrets: Readonly<Record<string, string>>, turn: (value: string, name: string) => string) =>
    Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, turn(value, name)]));
  const contextOf = (template: string, name: string, sealId: string) => `label:${template}:${name}:${sealId}`;
  return {
    encryptLabels: (secrets, template, sealId) =>
      each(secrets, (value, name) => box.encrypt(value, contextOf(template, name, sealId))),
    decryptLabels: (secrets, template, sealId) =>
      sealId === null
        ? { ...secrets }
        : each(secrets, (value, name) => box.decrypt(value, contextOf(template, name, sealId))),
  };
}
