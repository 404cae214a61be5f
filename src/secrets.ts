/**
 * Secrets at rest: AES-256-GCM with a key from outside the database, so that a dump alone reveals nothing. Several keys may
 * be known at once; the first one encrypts, the others still decrypt (rotation).
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { ConfigurationError } from './errors.ts';

export interface SecretBox {
  /** `context` binds the result to its place: it decrypts only with the same context. */
  encrypt(plain: string, context: string): string;
  /** Throws ConfigurationError when the key is not among ours, and when the text was changed or moved. */
  decrypt(sealed: string, context: string): string;
}

const prefix = 'herald1';

/** `keys`: base64 of 32 random bytes each (`openssl rand -base64 32`), the current one first; at least one. */
export function createSecretBox(keys: readonly string[]): SecretBox {
  const known = keys.map(parseKey);
  const current = known[0];
  if (current === undefined)
    throw new ConfigurationError('secret key', 'is missing; make one with: openssl rand -base64 32');
  return {
    encrypt(plain, context) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', current.key, nonce);
      cipher.setAAD(Buffer.from(context));
      const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return [prefix, current.id, nonce.toString('base64url'), sealed.toString('base64url')].join('.');
    },
    decrypt(sealed, context) {
      const [, id, nonce = '', text = ''] = sealed.split('.');
      const found = known.find((candidate) => candidate.id === id);
      if (found === undefined)
        throw new ConfigurationError(
          'secret key',
          `the key "${id}" that encrypted a secret is not configured; add it beside the current one`,
        );
      const bytes = Buffer.from(text, 'base64url');
      try {
        const decipher = createDecipheriv('aes-256-gcm', found.key, Buffer.from(nonce, 'base64url'));
        decipher.setAAD(Buffer.from(context));
        decipher.setAuthTag(bytes.subarray(-16));
        return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString('utf8');
      } catch {
        throw new ConfigurationError(
          'secret key',
          'a secret cannot be decrypted: it was changed, or moved to another place',
        );
      }
    },
  };
}

/** Whether a stored text is one of ours, rather than a secret that was stored without a key. */
export function isSealed(text: string): boolean {
  return text.startsWith(`${prefix}.`) && text.split('.').length === 4;
}

function parseKey(text: string): { id: string; key: Buffer } {
  const key = Buffer.from(text.trim(), 'base64');
  if (key.length !== 32)
    throw new ConfigurationError(
      'secret key',
      `must be base64 of 32 bytes, not of ${key.length}; make one with: openssl rand -base64 32`,
    );
  // The id names the key in rows and errors without telling anything about it.
  return { id: createHash('sha256').update('pg-herald key id').update(key).digest('hex').slice(0, 8), key };
}

/** Turns the secret labels of one template into stored text, or back. */
export type TransformLabels = (secrets: Readonly<Record<string, string>>, template: string) => Record<string, string>;

/** The two hooks for labels that a template declares secret: `createHerald({ encryptLabels })` and `createWorker({ decryptLabels })`. */
export function labelSecrets(box: SecretBox): {
  readonly encryptLabels: TransformLabels;
  readonly decryptLabels: TransformLabels;
} {
  const each = (secrets: Readonly<Record<string, string>>, turn: (value: string, name: string) => string) =>
    Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, turn(value, name)]));
  return {
    encryptLabels: (secrets, template) =>
      each(secrets, (value, name) => box.encrypt(value, `label:${template}:${name}`)),
    // Callers of the SQL function have no key: what they stored in clear is used as it is.
    decryptLabels: (secrets, template) =>
      each(secrets, (value, name) => (isSealed(value) ? box.decrypt(value, `label:${template}:${name}`) : value)),
  };
}
