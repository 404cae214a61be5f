/** A delivery as nodemailer's message: the same bytes on every attempt. Pure. */
import { createHash } from 'node:crypto';
import type { SendMailOptions } from 'nodemailer';
import type { Address } from '../../address.ts';
import { formatAddress } from '../../address.ts';
import { renderEmail } from '../../templates/email.ts';
import type { Delivery } from '../dispatcher.ts';
import type { SmtpSettings } from './options.ts';

/** Headers as in RFC 3834, RFC 2919, RFC 8058; Message-ID, Date and boundary depend on the message alone. */
export function mailOf(delivery: Delivery, to: Address, settings: SmtpSettings): SendMailOptions {
  const domain = settings.from.address.split('@').at(-1) ?? 'localhost';
  const { content, brand, createdAt, unsubscribeUrl, groupKey, recipient } = delivery;
  const email = renderEmail({ content, brand, unsubscribeUrl, createdAt });
  return {
    envelope: { from: settings.envelopeFrom, to: [formatAddress(to)] },
    from: { name: settings.from.name ?? brand.appName, address: settings.from.address },
    to: { name: recipient.name ?? '', address: formatAddress(to) },
    ...(settings.replyTo && { replyTo: { name: settings.replyTo.name ?? '', address: settings.replyTo.address } }),
    subject: email.subject,
    text: email.text,
    html: email.html,
    messageId: `<${delivery.messageId}@${domain}>`,
    date: createdAt,
    baseBoundary: createHash('sha256').update(delivery.messageId).digest('hex').slice(0, 24),
    ...(groupKey !== null && {
      references: `<thread-${createHash('sha256').update(groupKey).digest('hex').slice(0, 16)}@${domain}>`,
    }),
    ...(delivery.attachments !== undefined &&
      delivery.attachments.length > 0 && {
        attachments: delivery.attachments.map(({ name, contentType, content }) => ({
          filename: name,
          contentType,
          content: Buffer.from(content),
          contentDisposition: 'attachment' as const,
        })),
      }),
    headers: {
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'All',
      'List-Id': `<${slug(delivery.template.group)}.${domain}>`,
      'Feedback-ID': `${delivery.template.name}:${slug(delivery.template.group)}:${slug(brand.appName)}`,
      ...(unsubscribeUrl !== null && {
        'List-Unsubscribe': `<${unsubscribeUrl}>`,
        'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
      }),
    },
    disableFileAccess: true,
    disableUrlAccess: true,
  };
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
