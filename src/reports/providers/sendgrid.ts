/** Bounces, complaints and unsubscriptions of SendGrid: the signed event webhook. */
import { createPublicKey, createVerify, type KeyObject } from 'node:crypto';
import { ConfigurationError } from '../../errors.ts';
import { type Claim, claimOf, enhancedIn, enhancedInReply, formsOf, messageIn } from '../claim.ts';
import type { ReportFacts } from '../policy.ts';
import { at, isFresh, parseJson, type Provider, textAt } from '../provider.ts';

/** Options for SendGrid. */
export interface SendGridOptions {
  /** The verification key of the signed event webhook: base64, as the settings of SendGrid show it. */
  readonly publicKey: string;
}

const signatureHeader = 'x-twilio-email-event-webhook-signature';
const timestampHeader = 'x-twilio-email-event-webhook-timestamp';

/** @throws {ConfigurationError} if the key is not one. */
export function sendgrid({ publicKey }: SendGridOptions): Provider {
  const key = keyOf(publicKey);
  return {
    name: 'sendgrid',
    async read({ headers, body, now }) {
      const timestamp = headers.get(timestampHeader) ?? '';
      const signature = Buffer.from(headers.get(signatureHeader) ?? '', 'base64');
      const verify = createVerify('sha256').update(timestamp).update(body);
      if (signature.length === 0 || !verify.verify(key, signature)) return { refused: 'signature' };
      if (!isFresh(Number(timestamp) * 1000, now)) return { refused: 'replay' };
      const events = parseJson(body);
      return Array.isArray(events) ? events.flatMap(claimsOf) : [];
    },
  };
}

function keyOf(text: string): KeyObject {
  try {
    const key = createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' });
    if (key.asymmetricKeyType === 'ec') return key;
  } catch {
    // It is reported below.
  }
  throw new ConfigurationError('reports.sendgrid.publicKey', 'is not the base64 text of an ECDSA public key');
}

function claimsOf(event: unknown): Claim[] {
  const facts = factsOf(event);
  const id = textAt(event, 'sg_event_id');
  if (facts === null || id === '') return [];
  const claim = claimOf({
    ...facts,
    source: 'sendgrid',
    sourceId: id,
    messageId: messageIn(at(event, 'smtp-id')),
    receiverId: textAt(event, 'sg_message_id').split('.', 1)[0] || null,
    addresses: formsOf(at(event, 'email')),
    said: textAt(event, 'reason') || textAt(event, 'response') || null,
  });
  return [claim];
}

function factsOf(event: unknown): ReportFacts | null {
  switch (textAt(event, 'event')) {
    case 'bounce':
      return { kind: 'bounce', action: 'failed', enhanced: codeOf(event, 'reason') };
    // SendGrid did not try: an earlier bounce or complaint is no evidence twice.
    case 'dropped':
      return { kind: 'bounce', action: 'failed', enhanced: null };
    case 'deferred':
      return { kind: 'delay', action: 'delayed', enhanced: codeOf(event, 'response') };
    case 'spamreport':
      return { kind: 'complaint', action: null, enhanced: null };
    case 'unsubscribe':
    case 'group_unsubscribe':
      return { kind: 'unsubscribe', action: null, enhanced: null };
    default:
      return null;
  }
}

/** The code in the words of the server is more exact than the status, which is often made up from three digits. */
function codeOf(event: unknown, words: string): string | null {
  return enhancedInReply(at(event, words)) ?? enhancedIn(at(event, 'status'));
}
