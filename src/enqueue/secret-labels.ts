/**
 * Which labels of a template are secret. The template in the database is the source of truth: what the code declares is
 * added to it, so that a label that either of them declares is encrypted.
 */
import { randomBytes } from 'node:crypto';
import type { EncryptLabels } from '../secrets.ts';
import type { Template } from '../templates/define.ts';
import type { StoredNotification } from './notification.ts';

/**
 * Moves the secret labels out of `labels` into `secrets`, encrypted. Without `encrypt` those that the code declares are
 * passed on as plain text, which the database refuses unless it is allowed.
 */
export function sealLabels(
  encrypt: EncryptLabels | undefined,
  template: Template,
  { stored, declared }: { readonly stored: StoredNotification; readonly declared: readonly string[] },
): StoredNotification {
  const names = encrypt === undefined ? template.secrets : [...template.secrets, ...declared];
  const all = Object.entries(stored['labels'] as Record<string, string>);
  const secrets = Object.fromEntries(all.filter(([name]) => names.includes(name)));
  if (Object.keys(secrets).length === 0) return stored;
  const labels = Object.fromEntries(all.filter(([name]) => !names.includes(name)));
  if (encrypt === undefined) return { ...stored, labels, secrets };
  const sealId = timeOrderedId();
  return { ...stored, labels, secrets: encrypt(secrets, template.name, sealId), sealId };
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
