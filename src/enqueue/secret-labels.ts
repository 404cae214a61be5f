/**
 * Which labels of a template are secret. The template in the database is the source of truth: what the code declares is
 * added to it, so that a label that either of them declares is encrypted.
 */
import { randomBytes } from 'node:crypto';
import { type Connection, run } from '../database/caller-transaction.ts';
import { InvalidNotificationError } from '../errors.ts';
import type { EncryptLabels } from '../secrets.ts';
import type { Template } from '../templates/define.ts';
import type { StoredNotification } from './notification.ts';

/** Encrypts the secret labels of notifications. */
export interface SecretLabels {
  /** Moves the secret labels out of `labels` into `secrets`, encrypted. */
  encrypt(tx: Connection, template: Template, stored: StoredNotification): Promise<StoredNotification>;
  /** Runs an enqueue. If it is refused, the names are read again by the next one: a sync may have changed them. */
  whileKnown<T>(template: Template, enqueue: () => Promise<T>): Promise<T>;
}

/** How long the names of a template are used before they are read again, in milliseconds. */
const maxAgeMs = 60_000;
/** Templates whose names are remembered. */
const maxTemplates = 1_000;

// As text, because drivers differ in what they make of arrays and JSON.
const statement = 'SELECT to_json(herald.secret_labels($1))::text AS names';

/** Without `encrypt`, secret labels are passed on as plain text, which the database refuses unless it is allowed. */
export function createSecretLabels(encrypt: EncryptLabels | undefined): SecretLabels {
  const known = new Map<string, { readonly names: readonly string[]; readonly readAt: number }>();

  async function declaredNames(tx: Connection, template: string): Promise<readonly string[]> {
    const cached = known.get(template);
    if (cached !== undefined && performance.now() - cached.readAt < maxAgeMs) return cached.names;
    const [row] = await run<{ names: string | null }>(tx, { text: statement, values: [template] });
    // Without such a template, the enqueue is refused anyway.
    if (row === undefined || row.names === null) return [];
    const names = JSON.parse(row.names) as string[];
    if (known.size >= maxTemplates) known.clear();
    known.set(template, { names, readAt: performance.now() });
    return names;
  }

  return {
    async encrypt(tx, template, stored) {
      const declared = encrypt === undefined ? [] : await declaredNames(tx, template.name);
      const names = [...template.secrets, ...declared];
      const all = Object.entries(stored['labels'] as Record<string, string>);
      const secrets = Object.fromEntries(all.filter(([name]) => names.includes(name)));
      if (Object.keys(secrets).length === 0) return stored;
      const labels = Object.fromEntries(all.filter(([name]) => !names.includes(name)));
      if (encrypt === undefined) return { ...stored, labels, secrets };
      const sealId = timeOrderedId();
      return { ...stored, labels, secrets: encrypt(secrets, template.name, sealId), sealId };
    },
    async whileKnown(template, enqueue) {
      try {
        return await enqueue();
      } catch (error) {
        if (error instanceof InvalidNotificationError) known.delete(template.name);
        throw error;
      }
    },
  };
}

/** Returns a UUID of version 7 (RFC 9562, section 5.7): milliseconds since 1970, then random bits. */
function timeOrderedId(): string {
  const time = Date.now().toString(16).padStart(12, '0');
  const random = randomBytes(10).toString('hex');
  const variant = ((Number.parseInt(random.charAt(3), 16) & 3) | 8).toString(16);
  return [
    time.slice(0, 8),
    time.slice(8),
    `7${random.slice(0, 3)}`,
    variant + random.slice(4, 7),
    random.slice(8),
  ].join('-');
}
