/** The recipients of a call: resolved where only the id is given, and checked before anything is written. */
import type { Connection } from '../database/caller-transaction.ts';
import { parseAddress } from '../email-address.ts';
import { InvalidNotificationError, type Issue } from '../errors.ts';
import type { Recipient } from '../vocabulary.ts';
import { isTimeZone } from '../templates/formatters.ts';
import { isLocale } from '../templates/locale.ts';
import { bounds, isLonger } from './bounds.ts';

/** Returns one recipient per id, in any order. Runs in the caller's transaction. */
export type RecipientResolver = (tx: Connection, ids: readonly string[]) => Promise<readonly Recipient[]>;

const maxIssues = 100;

/** The shape of nearly every address. Others are parsed. */
const usualAddress =
  /^(?=.{1,64}@)(?=.{1,254}$)[a-z0-9_+-]+(\.[a-z0-9_+-]+)*@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/i;

/** How recipients are looked up and checked. */
export interface ResolveOptions {
  readonly recipients?: RecipientResolver | undefined;
  /** Whether an invalid address is an error. */
  readonly strict?: boolean | undefined;
}

/**
 * Returns the recipients as they are stored: one, or an array, as the caller gave it.
 * @throws {InvalidNotificationError} that names the place of each wrong field and never its value.
 */
export async function resolveRecipients(
  tx: Connection,
  to: Recipient | string | readonly (Recipient | string)[],
  { recipients: resolver, strict = false }: ResolveOptions,
): Promise<Recipient | Recipient[]> {
  const given: readonly (Recipient | string)[] = Array.isArray(to) ? to : [to];
  const pathOf = (index: number) => (given === to ? `to[${index}]` : 'to');
  const found = await lookUp(tx, [...new Set(given.filter((entry) => typeof entry === 'string'))], resolver);
  const missing = given.flatMap((entry, index) =>
    typeof entry === 'string' && !found.has(entry)
      ? [{ path: pathOf(index), message: 'the resolver found no recipient with this id' }]
      : [],
  );
  if (missing.length > 0) throw new InvalidNotificationError(missing.slice(0, maxIssues));
  const recipients = given.map((entry) => (typeof entry === 'string' ? found.get(entry) : entry));
  const checked = checkRecipients(recipients, pathOf, strict);
  const [only] = checked;
  return given === to || only === undefined ? checked : only;
}

async function lookUp(
  tx: Connection,
  ids: readonly string[],
  resolver: RecipientResolver | undefined,
): Promise<ReadonlyMap<string, Recipient>> {
  if (ids.length === 0) return new Map();
  if (resolver === undefined)
    throw new InvalidNotificationError([
      { path: 'to', message: 'recipients are given by id, but createHerald was given no `recipients` resolver' },
    ]);
  return new Map((await resolver(tx, ids)).map((recipient) => [recipient.id, recipient]));
}

// By hand rather than by schema: there may be 100,000 of them.
function checkRecipients(
  recipients: readonly unknown[],
  pathOf: (index: number) => string,
  strict: boolean,
): Recipient[] {
  if (recipients.length === 0)
    throw new InvalidNotificationError([{ path: 'to', message: 'is empty; give at least one recipient' }]);
  if (recipients.length > bounds.recipients)
    throw new InvalidNotificationError([
      { path: 'to', message: `has ${recipients.length} recipients; ${bounds.recipients} is the limit of one call` },
    ]);
  const issues: Issue[] = [];
  for (const [index, recipient] of recipients.entries()) {
    if (issues.length < maxIssues) collectIssues(recipient, { path: pathOf(index), strict }, issues);
  }
  if (issues.length > 0) throw new InvalidNotificationError(issues);
  return recipients as Recipient[];
}

function collectIssues(
  recipient: unknown,
  { path, strict }: { readonly path: string; readonly strict: boolean },
  issues: Issue[],
): void {
  if (typeof recipient !== 'object' || recipient === null || Array.isArray(recipient)) {
    issues.push({ path, message: 'must be a recipient: an object with an id' });
    return;
  }
  if (!('id' in recipient)) issues.push({ path: `${path}.id`, message: 'is missing' });
  for (const [field, value] of Object.entries(recipient)) {
    const message = field === 'email' ? addressProblem(value, strict) : fieldProblem(value, field);
    const unknown = message === null && strict ? unknownProblem(value, field) : null;
    if (unknown !== null) issues.push({ path: `${path}.${field}`, message: unknown });
    if (message !== null) issues.push({ path: `${path}.${field}`, message });
  }
}

function addressProblem(value: unknown, strict: boolean): string | null {
  // As from a nullable column: such a recipient has no address, and its message says so.
  if (value === undefined || value === null || value === '') return null;
  if (typeof value !== 'string') return 'must be a string';
  if (/\p{Cc}/u.test(value.trim())) return 'holds control characters';
  if (!strict || usualAddress.test(value)) return null;
  const parsed = parseAddress(value.trim());
  return 'problem' in parsed ? parsed.problem : null;
}

const maxLengths: Readonly<Record<string, number>> = bounds.recipient;

function fieldProblem(value: unknown, field: string): string | null {
  if (field !== 'id' && (value === undefined || value === null)) return null;
  if (typeof value !== 'string') return 'must be a string';
  if (field === 'id' && value === '') return 'is empty';
  const maxLength = maxLengths[field] ?? bounds.recipient.other;
  if (isLonger(value, maxLength)) return `is longer than ${maxLength} characters`;
  return /\p{Cc}/u.test(value) ? 'holds control characters' : null;
}

/** A recipient with an unknown language or time zone gets English or UTC; a strict caller wants to know. */
function unknownProblem(value: unknown, field: string): string | null {
  if (typeof value !== 'string' || value === '') return null;
  if (field === 'locale' && !isLocale(value)) return 'is not a language tag such as de-AT';
  if (field === 'timeZone' && !isTimeZone(value)) return 'is not a time zone such as Europe/Vienna';
  return null;
}
