/** Bounces, complaints and unsubscriptions of Mailgun. The signature covers only a time and a token. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { ConfigurationError } from '../../errors.ts';
import { type Claim, claimOf, enhancedIn, enhancedInReply, formsOf, hostIn, messageIn } from '../claim.ts';
import type { ReportFacts } from '../policy.ts';
import { at, isFresh, parseJson, type Provider, textAt } from '../provider.ts';

/** Options for Mailgun. */
export interface MailgunOptions {
  /** The HTTP webhook signing key of the account. */
  readonly signingKey: string;
}

/** @throws {ConfigurationError} if the key is empty. */
export function mailgun({ signingKey }: MailgunOptions): Provider {
  if (signingKey === '') throw new ConfigurationError('reports.mailgun.signingKey', 'is empty');
  return {
    name: 'mailgun',
    async read({ body, now }) {
      const given = parseJson(body);
      const [timestamp, token] = [textAt(given, 'signature', 'timestamp'), textAt(given, 'signature', 'token')];
      const expected = createHmac('sha256', signingKey)
        .update(timestamp + token)
        .digest();
      const signature = Buffer.from(textAt(given, 'signature', 'signature'), 'hex');
      // The signature has no separator: a digit of one field must not be read as part of the other.
      if (
        !/^\d{10}$/.test(timestamp) ||
        token === '' ||
        signature.length !== expected.length ||
        !timingSafeEqual(signature, expected)
      )
        return { refused: 'signature' };
      if (!isFresh(Number(timestamp) * 1000, now)) return { refused: 'replay' };
      return claimsOf(at(given, 'event-data'), token);
    },
  };
}

/**
 * The token is the report's id: whoever has seen a request could send its token again with another event, because the
 * event is not signed. An event that means nothing is not recorded, so that its token would count once.
 */
function claimsOf(event: unknown, token: string): Claim[] {
  const facts = factsOf(event);
  if (facts === null) return [];
  const claim = claimOf({
    ...facts,
    source: 'mailgun',
    sourceId: token,
    messageId: messageIn(at(event, 'message', 'headers', 'message-id')),
    addresses: formsOf(at(event, 'recipient')),
    said: textAt(event, 'delivery-status', 'message') || textAt(event, 'delivery-status', 'description') || null,
    reporter: hostIn(at(event, 'delivery-status', 'mx-host')),
  });
  return [claim];
}

function factsOf(event: unknown): ReportFacts | null {
  switch (textAt(event, 'event')) {
    case 'complained':
      return { kind: 'complaint', action: null, enhanced: null };
    case 'unsubscribed':
      return { kind: 'unsubscribe', action: null, enhanced: null };
    case 'failed':
      return textAt(event, 'severity') === 'temporary'
        ? { kind: 'delay', action: 'delayed', enhanced: codeOf(event) }
        : { kind: 'bounce', action: 'failed', enhanced: codeOf(event) };
    default:
      return null;
  }
}

function codeOf(event: unknown): string | null {
  const reason = textAt(event, 'reason');
  // Mailgun did not try: an earlier bounce or complaint is no evidence twice.
  if (reason.startsWith('suppress-')) return null;
  const code =
    enhancedIn(at(event, 'delivery-status', 'enhanced-code')) ??
    enhancedInReply(at(event, 'delivery-status', 'message'));
  return code ?? (reason === 'old' ? '4.4.7' : null);
}
