/** What a report claims, before anybody has checked whether it is about a message of ours. */
import { createHash } from 'node:crypto';
import { domainToASCII, domainToUnicode } from 'node:url';
import type { ReportFacts } from './policy.ts';

/** Why a report counts for no message. */
export type Unmatched =
  /** It names none of our messages, or with a forged token. */
  | 'no_message'
  /** It names one, but not its recipient. */
  | 'other_recipient'
  /** It reports nothing that came back: an automatic reply, or the confirmation of a delivery. */
  | 'no_return'
  /** Its signature, password or certificate is wrong. */
  | 'signature'
  /** It comes from another topic than those that were named. */
  | 'topic'
  /** It is too old, or was sent before. */
  | 'replay';

/** One claim about one recipient of one message. */
export interface Claim extends ReportFacts {
  /** The message; null: see `receiverId`. */
  readonly messageId: string | null;
  /** Id under which the receiver knows the message; null: the report has none. */
  readonly receiverId: string | null;
  /** Addresses that the report names. One of them must be the message's. */
  readonly addresses: readonly string[];
  /** Why it cannot count; null: it may. */
  readonly unmatched: Unmatched | null;
  /** Words of a server, not redacted. */
  readonly said: string | null;
  /** Host name of the server that reports. */
  readonly reporter: string | null;
  /** How it came: `mail` or a provider. */
  readonly source: string;
  /** Its id there: the same one counts once. */
  readonly sourceId: string;
}

/** What a part of a report says, and what surrounds it. */
export interface ReportPart {
  readonly text: string;
  /** The message that the token of a return address stands for. */
  readonly messageId: string | null;
  /** Where the report came from, and a hash of the part. */
  readonly source: 'mail';
  readonly sourceId: string;
  /** The header of the message that came back, if the report has it. */
  readonly returned: ReadonlyMap<string, readonly string[]>;
}

/** A claim that says nothing; `given` overrides its fields. */
export function claimOf(given: Pick<Claim, 'source' | 'sourceId'> & Partial<Claim>): Claim {
  return {
    messageId: null,
    receiverId: null,
    addresses: [],
    unmatched: null,
    kind: 'other',
    action: null,
    enhanced: null,
    said: null,
    reporter: null,
    ...given,
  };
}

/** A hash that stands for a report without an id of its own. */
export function hashOf(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('base64url');
}

/** The message id in a Message-ID of ours, `<uuid@domain>`; null if it is none. */
export function messageIn(messageId: unknown): string | null {
  if (typeof messageId !== 'string' || messageId.length > 1000) return null;
  return /^<?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:@[^@>]+)?>?$/i.exec(messageId.trim())?.[1] ?? null;
}

/** An RFC 3463 code at the start of a text, for example of a `Status` field. */
export function enhancedIn(text: unknown): string | null {
  return typeof text === 'string' ? (/^\s*([245]\.\d{1,3}\.\d{1,3})(?!\S)/.exec(text)?.[1] ?? null) : null;
}

/** The RFC 3463 code behind the reply code of an SMTP reply, for example `550 5.1.1 no such user`. */
export function enhancedInReply(text: unknown): string | null {
  if (typeof text !== 'string') return null;
  return /^\s*(?:\d{3}[ -])?\s*#?([245]\.\d{1,3}\.\d{1,3})(?!\d)/.exec(text.slice(0, 200))?.[1] ?? null;
}

/** A host name, in lower case; null for anything else. */
export function hostIn(text: unknown): string | null {
  if (typeof text !== 'string') return null;
  const [host = ''] = text.trim().split(/[\s(;]/, 1);
  return /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_.:[\]-]*[a-z0-9\]])?$/i.test(host) ? host.toLowerCase() : null;
}

/** An address in every form in which the message may have it: its domain in ASCII and in Unicode. */
export function formsOf(address: unknown): string[] {
  if (typeof address !== 'string') return [];
  const text = address.trim().replace(/^<|>$/g, '');
  const at = text.lastIndexOf('@');
  if (at < 1 || text.length > 320 || text.includes('\0') || !text.isWellFormed()) return [];
  const [local, domain] = [text.slice(0, at), text.slice(at + 1)];
  const ascii = domainToASCII(domain);
  return [...new Set([text, `${local}@${ascii}`, `${local}@${domainToUnicode(ascii)}`])];
}
