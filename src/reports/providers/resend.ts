/** Bounces and complaints of Resend, signed as Standard Webhooks are. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { ConfigurationError } from '../../errors.ts';
import { type Claim, claimOf, enhancedInReply, formsOf, messageIn } from '../claim.ts';
import type { ReportFacts } from '../policy.ts';
import { at, isFresh, listAt, parseJson, type Provider, textAt } from '../provider.ts';

/** Options for Resend. */
export interface ResendOptions {
  /** The signing secret of the webhook, `whsec_...`. */
  readonly secret: string;
}

/** Every try is signed anew. */
const mostSignatureAgeSeconds = 5 * 60;
const mostSignatures = 10;

/** @throws {ConfigurationError} if the secret is not one. */
export function resend({ secret }: ResendOptions): Provider {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  if (!secret.startsWith('whsec_') || key.length < 16)
    throw new ConfigurationError('reports.resend.secret', 'must be whsec_ and base64 of 16 bytes or more');
  return {
    name: 'resend',
    async read({ headers, body, now }) {
      const header = (name: string) => headers.get(`svix-${name}`) ?? headers.get(`webhook-${name}`) ?? '';
      const [id, timestamp] = [header('id'), header('timestamp')];
      const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
      const given = header('signature').split(' ', mostSignatures);
      if (id === '' || !given.some((one) => isSignature(one, expected))) return { refused: 'signature' };
      if (!isFresh(Number(timestamp) * 1000, now, mostSignatureAgeSeconds)) return { refused: 'replay' };
      return claimsOf(parseJson(body), id);
    },
  };
}

function isSignature(text: string, expected: Buffer): boolean {
  const [version, value = ''] = text.split(',', 2);
  const signature = Buffer.from(value, 'base64');
  return version === 'v1' && signature.length === expected.length && timingSafeEqual(signature, expected);
}

function claimsOf(event: unknown, id: string): Claim[] {
  const facts = factsOf(event);
  if (facts === null) return [];
  const header = listAt(event, 'data', 'headers').find((one) => /^message-id$/i.test(textAt(one, 'name')));
  return listAt(event, 'data', 'to').map((address, index) =>
    claimOf({
      ...facts,
      source: 'resend',
      sourceId: `${id}:${index + 1}`,
      messageId: messageIn(at(header, 'value')) ?? messageIn(at(event, 'data', 'message_id')),
      receiverId: textAt(event, 'data', 'email_id') || null,
      addresses: formsOf(address),
      said: textAt(event, 'data', 'bounce', 'message') || null,
    }),
  );
}

/** Resend passes on no code of the server. A permanent bounce may be a policy: it counts as soft. */
const codes: ReadonlyMap<string, string> = new Map([
  ['NoEmail', '5.1.1'],
  ['General', '5.1.0'],
  ['MailboxFull', '4.2.2'],
  ['MessageTooLarge', '5.3.4'],
  ['ContentRejected', '5.6.0'],
  ['AttachmentRejected', '5.6.0'],
]);

function factsOf(event: unknown): ReportFacts | null {
  switch (textAt(event, 'type')) {
    case 'email.bounced':
      return { kind: 'bounce', action: 'failed', enhanced: codeOf(event) };
    case 'email.delivery_delayed':
      return { kind: 'delay', action: 'delayed', enhanced: null };
    case 'email.complained':
      return { kind: 'complaint', action: null, enhanced: null };
    default:
      return null;
  }
}

function codeOf(event: unknown): string | null {
  const [type, subType] = [textAt(event, 'data', 'bounce', 'type'), textAt(event, 'data', 'bounce', 'subType')];
  if (/suppress/i.test(subType)) return null;
  const quoted = enhancedInReply(textAt(event, 'data', 'bounce', 'message').replace(/^smtp;\s*/i, ''));
  if (quoted !== null) return quoted;
  return type === 'Transient' && subType !== 'MailboxFull' ? '4.0.0' : (codes.get(subType) ?? null);
}
