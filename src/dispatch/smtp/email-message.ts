/** A delivery as an email: the same bytes on every attempt. */
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { SendMailOptions } from 'nodemailer';
import DKIM from 'nodemailer/lib/dkim';
import MailComposer from 'nodemailer/lib/mail-composer';
import type { Address } from '../../email-address.ts';
import { formatAddress } from '../../email-address.ts';
import { ConfigurationError } from '../../errors.ts';
import { renderEmail } from '../../templates/email.ts';
import type { Attachment } from '../../vocabulary.ts';
import type { Delivery } from '../dispatcher.ts';
import { displayName, encodeLookalikes, fileName, subjectHeader, unsubscribeHeader } from './header-values.ts';
import { serializeMime } from './serialize-mime.ts';
import type { SmtpSettings } from './smtp-settings.ts';

/** What an email is made of. */
export interface MailInput {
  readonly delivery: Delivery;
  readonly to: Address;
  readonly settings: SmtpSettings;
  /** The domain of Message-ID and thread, the same whichever sender sends the message. */
  readonly idDomain: string;
}

/**
 * What the signature covers, as far as an email has it: RFC 6376, 5.4.1, with List-Unsubscribe-Post (RFC 8058, 4) and
 * Feedback-ID, which count for nothing when they are not signed.
 */
const signedFields = [
  'From',
  'Reply-To',
  'Subject',
  'Date',
  'Message-ID',
  'To',
  'MIME-Version',
  'Content-Type',
  'Content-Transfer-Encoding',
  'In-Reply-To',
  'References',
  'List-Id',
  'List-Unsubscribe',
  'List-Unsubscribe-Post',
  'Auto-Submitted',
  'X-Auto-Response-Suppress',
  'Feedback-ID',
].join(':');

/** Lines end as on the wire: signed and measured are the bytes that travel. Nothing is read from outside. */
const composing = { newline: 'windows', disableFileAccess: true, disableUrlAccess: true } as const;

/**
 * The complete email, signed if a key is given.
 *
 * @throws {ConfigurationError} if it could not be signed: it is never sent without the signature.
 */
export async function writeEmail(input: MailInput, dkimKey: string | undefined): Promise<Buffer> {
  const parts = new MailComposer(mailOf(input)).compile();
  encodeLookalikes(parts);
  // Attachments are large: as a stream they are encoded piece by piece.
  const mail = input.delivery.attachments?.length ? await parts.build() : serializeMime(parts);
  const { dkim } = input.settings;
  if (dkim === undefined) return mail;
  const signer = new DKIM({
    domainName: dkim.domain,
    keySelector: dkim.selector,
    privateKey: dkimKey ?? '',
    headerFieldNames: signedFields,
  });
  const signed = await buffer(signer.sign(mail));
  // nodemailer returns an email unsigned if the key does not work.
  if (!signed.subarray(0, 15).equals(Buffer.from('DKIM-Signature:')))
    throw new ConfigurationError(`${input.settings.place}.dkim.keyFile`, 'did not sign the email');
  return signed;
}

/** Message-ID, Date and boundary depend on the message alone. Pure. */
function mailOf({ delivery, to, settings, idDomain }: MailInput): SendMailOptions {
  const {
    content,
    brand,
    createdAt,
    unsubscribeUrl,
    preferencesUrl = null,
    groupKey,
    recipient,
    attachments = [],
  } = delivery;
  const email = renderEmail({ content, brand, unsubscribeUrl, preferencesUrl, createdAt });
  const thread = groupKey === null ? null : threadOf(groupKey, idDomain);
  return {
    from: { name: displayName(settings.from.name ?? brand.appName), address: settings.from.address },
    to: { name: displayName(recipient.name ?? ''), address: formatAddress(to) },
    ...(settings.replyTo && { replyTo: { name: settings.replyTo.name ?? '', address: settings.replyTo.address } }),
    text: email.text,
    html: email.html,
    messageId: messageIdOf(delivery, idDomain),
    date: createdAt,
    baseBoundary: createHash('sha256').update(delivery.messageId).digest('hex').slice(0, 24),
    ...(thread !== null && { inReplyTo: thread, references: thread }),
    ...(attachments.length > 0 && { attachments: attachments.map(fileOf) }),
    headers: {
      Subject: subjectHeader(email.subject),
      ...headersOf(delivery, idDomain),
      ...providerHeaders(delivery, settings),
    },
    ...composing,
  };
}

/** Every email of a thread refers to a root that was never sent, so that it does not matter which of them arrive. */
function threadOf(groupKey: string, idDomain: string): string {
  return `<thread-${createHash('sha256').update(groupKey).digest('hex').slice(0, 16)}@${idDomain}>`;
}

function fileOf({ name, contentType, content }: Attachment) {
  // nodemailer would write these as they are: lines of any length, 8-bit, and parts of a `multipart` as parts of the
  // email.
  const asFile = /^(message|multipart)\//i.test(contentType);
  return {
    filename: fileName(name),
    contentType: asFile ? 'application/octet-stream' : contentType,
    content: Buffer.from(content),
    contentDisposition: 'attachment' as const,
    ...(asFile && { contentTransferEncoding: 'base64' as const }),
  };
}

/**
 * RFC 3834, RFC 3282, RFC 2919, RFC 8058. Exchange is asked for no automatic replies, but for reports of failed
 * delivery.
 */
function headersOf(delivery: Delivery, idDomain: string) {
  const { unsubscribeUrl, template, content } = delivery;
  const unsubscribe = unsubscribeUrl === null ? null : unsubscribeHeader(unsubscribeUrl);
  return {
    'Auto-Submitted': 'auto-generated',
    'Content-Language': content.language,
    'X-Auto-Response-Suppress': 'DR, RN, NRN, OOF, AutoReply',
    ...(!template.mandatory && { 'List-Id': `<${slug(template.group)}.${idDomain}>` }),
    'Feedback-ID': feedbackIdOf(delivery, idDomain),
    ...(unsubscribe !== null && {
      'List-Unsubscribe': unsubscribe,
      'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
    }),
  };
}

/** Postmark replaces the Message-ID, and removes this header: its reports have the value. */
function providerHeaders({ messageId }: Delivery, { host }: SmtpSettings): Readonly<Record<string, string>> {
  return /(^|\.)postmarkapp\.com$/i.test(host) ? { 'X-PM-Metadata-herald-message': messageId } : {};
}

/** The Message-ID, the same on every attempt. */
export function messageIdOf({ messageId }: Pick<Delivery, 'messageId'>, idDomain: string): string {
  return `<${messageId}@${idDomain}>`;
}

/** `category:tenant:template:sender`; Gmail wants a sender of 5 to 15 characters that never changes. */
function feedbackIdOf({ template, tenant }: Delivery, idDomain: string): string {
  const sender = slug(idDomain).slice(0, 15).padEnd(5, '0');
  return [slug(template.group), tenant === null ? 'all' : slug(tenant), slug(template.name), sender].join(':');
}

function slug(text: string): string {
  return (
    text
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 40) || 'general'
  );
}
