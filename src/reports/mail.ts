/** Reads an email that came to a return address: a delivery status (RFC 3464), a complaint (RFC 5965), or neither. */
import type { Attachment } from 'postal-mime';
import type { ReturnAddresses } from '../return-address.ts';
import { type Claim, claimOf, hashOf, type ReportPart } from './claim.ts';
import { deliveryStatusClaims } from './delivery-status.ts';
import { feedbackClaims } from './feedback-report.ts';
import { fieldGroups } from './fields.ts';

/** Bytes of an email that are read. What follows is the returned message, which adds nothing. */
export const mostBytes = 1_000_000;
/** Parts that are read. */
const mostParts = 50;
const mostDepth = 20;

/** An email as it was handed over. */
export interface ReturnedMail {
  /** The first `mostBytes` of the email. */
  readonly raw: Buffer;
  /** The addresses it was delivered to, as the mail server says. */
  readonly recipients: readonly string[];
}

const statusTypes = ['message/delivery-status', 'message/global-delivery-status'];
const headerTypes = ['text/rfc822-headers', 'message/rfc822', 'message/global', 'message/global-headers'];

/** The claims of an email: at least one, which says why nothing counts where nothing does. Never rejects. */
export async function claimsOfMail({ raw, recipients }: ReturnedMail, returns: ReturnAddresses): Promise<Claim[]> {
  const nothing = claimOf({ source: 'mail', sourceId: hashOf(raw), unmatched: 'no_return' });
  const email = await parsed(raw);
  if (email === null || !/^multipart\/report\b/i.test(headerOf(email.headers, 'content-type'))) return [nothing];
  const returned = returnedHeader(email.parts);
  const to = [...recipients, ...email.headers.filter(({ key }) => addressFields.has(key)).map(({ value }) => value)];
  for (const { mimeType, content } of email.parts) {
    const isStatus = statusTypes.includes(mimeType);
    if (!isStatus && mimeType !== 'message/feedback-report') continue;
    const text = textOf(content);
    const named = [...to, ...(isStatus ? [] : mailFromOf(text)), ...(returned.get('return-path') ?? [])];
    const messageId = messageNamed(named, returns);
    const part: ReportPart = { text, messageId, source: 'mail', sourceId: hashOf(messageId ?? '', text), returned };
    const claims = isStatus ? deliveryStatusClaims(part) : feedbackClaims(part);
    if (claims.length > 0) return claims.map((claim) => withoutForged(claim));
  }
  return [nothing];
}

const addressFields = new Set(['delivered-to', 'x-original-to', 'envelope-to', 'to']);

/** Without a token the report is not about a message that we know to be ours. */
function withoutForged(claim: Claim): Claim {
  return claim.messageId === null && claim.unmatched === null ? { ...claim, unmatched: 'no_message' } : claim;
}

function messageNamed(addresses: readonly string[], returns: ReturnAddresses): string | null {
  for (const text of addresses)
    for (const word of text.slice(0, 4096).split(/[\s<>,;"]+/)) {
      const found = word.includes('@') ? returns.messageIn(word) : null;
      if (found !== null) return found;
    }
  return null;
}

function mailFromOf(text: string): readonly string[] {
  return fieldGroups(text)[0]?.get('original-mail-from') ?? [];
}

interface ParsedMail {
  readonly headers: readonly { readonly key: string; readonly value: string }[];
  readonly parts: readonly Attachment[];
}

/** Null for what is no email. The parser is loaded when it is first needed. */
async function parsed(raw: Buffer): Promise<ParsedMail | null> {
  const { default: PostalMime } = await import('postal-mime');
  try {
    const { headers, attachments } = await PostalMime.parse(bounded(raw), {
      forceRfc822Attachments: true,
      maxNestingDepth: mostDepth,
      maxRfc822NestingDepth: 0,
    });
    return { headers, parts: attachments.slice(0, mostParts) };
  } catch {
    return null;
  }
}

function headerOf(headers: ParsedMail['headers'], name: string): string {
  return headers.find(({ key }) => key === name)?.value ?? '';
}

/**
 * The email up to its fiftieth line that may begin a part: a parser makes an object of each. Lines that begin with two
 * hyphens for another reason count as well, but the report comes first.
 */
function bounded(raw: Buffer): Buffer {
  const read = raw.subarray(0, mostBytes);
  let lines = 0;
  for (let at = read.indexOf('\n--'); at >= 0; at = read.indexOf('\n--', at + 1)) {
    lines += 1;
    if (lines > mostParts) return read.subarray(0, at + 1);
  }
  return read;
}

/** The header of the returned message: its own lines, whatever they claim. */
function returnedHeader(parts: readonly Attachment[]): ReportPart['returned'] {
  const part = parts.find(({ mimeType }) => headerTypes.includes(mimeType));
  return (part === undefined ? undefined : fieldGroups(textOf(part.content).slice(0, 64_000))[0]) ?? new Map();
}

function textOf(content: Attachment['content']): string {
  if (typeof content === 'string') return content;
  return new TextDecoder().decode(content instanceof Uint8Array ? content : new Uint8Array(content));
}
