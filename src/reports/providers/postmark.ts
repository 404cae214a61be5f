/** Bounces, complaints and unsubscriptions of Postmark. Its webhooks have no signature, only a user and a password. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { ConfigurationError } from '../../errors.ts';
import { type Claim, claimOf, enhancedInReply, formsOf, hashOf, messageIn } from '../claim.ts';
import type { ReportFacts } from '../policy.ts';
import { at, parseJson, type Provider, textAt } from '../provider.ts';

/** Options for Postmark. */
export interface PostmarkOptions {
  /** User of the webhook's address: `https://user:password@...`. */
  readonly user: string;
  /** Password of the webhook's address, 16 characters at least. */
  readonly password: string;
}

/** @throws {ConfigurationError} if the password could be guessed. */
export function postmark({ user, password }: PostmarkOptions): Provider {
  if (user === '' || password.length < 16)
    throw new ConfigurationError('reports.postmark', 'needs a user, and a password of 16 characters or more');
  const expected = digest(`Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`);
  return {
    name: 'postmark',
    async read({ headers, body }) {
      if (!timingSafeEqual(digest(headers.get('authorization') ?? ''), expected)) return { refused: 'signature' };
      return claimsOf(parseJson(body), body);
    },
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function claimsOf(event: unknown, body: Buffer): Claim[] {
  const facts = factsOf(event);
  if (facts === null) return [];
  const type = textAt(event, 'RecordType');
  const id = textAt(event, 'ID');
  const claim = claimOf({
    ...facts,
    source: 'postmark',
    sourceId: id === '' ? hashOf(body) : `${type}:${id}`,
    messageId: messageIn(metadataOf(event)),
    receiverId: textAt(event, 'MessageID') || null,
    addresses: formsOf(at(event, 'Email') ?? at(event, 'Recipient')),
    said: textAt(event, 'Details').replace(/^smtp;\s*/i, '') || null,
  });
  return [claim];
}

/** What `smtp` sends along as `X-PM-Metadata-herald-message`. The name of a header may change its case on the way. */
function metadataOf(event: unknown): unknown {
  const metadata = at(event, 'Metadata');
  if (typeof metadata !== 'object' || metadata === null) return null;
  return Object.entries(metadata).find(([name]) => name.toLowerCase() === 'herald-message')?.[1];
}

/** Postmark's own kinds, where its details have no code. */
const codes: ReadonlyMap<string, string> = new Map([
  ['HardBounce', '5.1.1'],
  ['BadEmailAddress', '5.1.1'],
  ['SoftBounce', '4.0.0'],
  ['DnsError', '4.4.4'],
  ['Blocked', '5.7.1'],
  ['SpamNotification', '5.7.1'],
  ['DMARCPolicy', '5.7.1'],
  ['VirusNotification', '5.7.1'],
]);

function factsOf(event: unknown): ReportFacts | null {
  const [record, type] = [textAt(event, 'RecordType'), textAt(event, 'Type')];
  if (record === 'SpamComplaint' || type === 'SpamComplaint')
    return { kind: 'complaint', action: null, enhanced: null };
  if (record === 'SubscriptionChange')
    // A bounce or complaint is followed by such an event as well; only this reason is the person's own wish.
    return at(event, 'SuppressSending') === true && textAt(event, 'SuppressionReason') === 'ManualSuppression'
      ? { kind: 'unsubscribe', action: null, enhanced: null }
      : null;
  if (record !== 'Bounce') return null;
  if (type === 'Unsubscribe') return { kind: 'unsubscribe', action: null, enhanced: null };
  if (type === 'Transient') return { kind: 'delay', action: 'delayed', enhanced: null };
  const code = codes.get(type);
  if (code === undefined) return null;
  const details = textAt(event, 'Details').replace(/^smtp;\s*/i, '');
  return { kind: 'bounce', action: 'failed', enhanced: enhancedInReply(details) ?? code };
}
