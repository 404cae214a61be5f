/** Checks recipients before anything is written. By hand rather than by schema: there may be 100,000 of them. */
import { parseAddress } from '../email-address.ts';
import { InvalidNotificationError, type Issue } from '../errors.ts';
import type { Recipient } from '../vocabulary.ts';

/** Characters that the known fields may have. */
const longest: Readonly<Record<string, number>> = { id: 200, name: 200, locale: 35, timeZone: 64 };
const mostRecipients = 100_000;
const mostIssues = 100;

/** What nearly every address looks like; others are parsed. */
const usualAddress =
  /^(?=.{1,64}@)(?=.{1,254}$)[a-z0-9_+-]+(\.[a-z0-9_+-]+)*@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/i;

/**
 * Recipients as they are stored. Throws InvalidNotificationError that names the place of each wrong field and never its
 * value. `place`: the path to a recipient by its index.
 */
export function checkRecipients(recipients: readonly unknown[], place: (index: number) => string): Recipient[] {
  if (recipients.length === 0)
    throw new InvalidNotificationError([{ path: 'to', message: 'is empty; give at least one recipient' }]);
  if (recipients.length > mostRecipients)
    throw new InvalidNotificationError([
      { path: 'to', message: `has ${recipients.length} recipients; ${mostRecipients} is the limit of one call` },
    ]);
  const issues: Issue[] = [];
  for (const [index, recipient] of recipients.entries()) {
    if (issues.length < mostIssues) collectFaults(recipient, place(index), issues);
  }
  if (issues.length > 0) throw new InvalidNotificationError(issues);
  return recipients as Recipient[];
}

function collectFaults(recipient: unknown, path: string, issues: Issue[]): void {
  if (typeof recipient !== 'object' || recipient === null || Array.isArray(recipient)) {
    issues.push({ path, message: 'must be a recipient: an object with an id' });
    return;
  }
  if (!('id' in recipient)) issues.push({ path: `${path}.id`, message: 'is missing' });
  for (const [field, value] of Object.entries(recipient)) {
    const message = field === 'email' ? addressFault(value) : lineFault(value, field);
    if (message !== null) issues.push({ path: `${path}.${field}`, message });
  }
}

function addressFault(value: unknown): string | null {
  // As from a column that may be null: such a recipient has no address, and its message says so.
  if (value === undefined || value === null || value === '') return null;
  if (typeof value !== 'string') return 'must be a string';
  if (usualAddress.test(value)) return null;
  const parsed = parseAddress(value);
  return 'problem' in parsed ? parsed.problem : null;
}

function lineFault(value: unknown, field: string): string | null {
  if (field !== 'id' && (value === undefined || value === null)) return null;
  if (typeof value !== 'string') return 'must be a string';
  if (field === 'id' && value === '') return 'is empty';
  const most = longest[field] ?? 2000;
  if (value.length > most) return `is longer than ${most} characters`;
  return /\p{Cc}/u.test(value) ? 'holds control characters' : null;
}
