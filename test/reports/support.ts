/** Emails that report something, as mail servers write them. */
import { randomBytes } from 'node:crypto';
import { createReturnAddresses } from '../../src/return-address.ts';

export const key = randomBytes(32).toString('base64');
export const returns = createReturnAddresses([key]);

export interface DsnOptions {
  /** Where it comes to. */
  readonly to: string;
  /** One group of fields for each recipient. */
  readonly recipients: readonly string[];
  readonly type?: string;
  readonly statusType?: string;
  readonly returned?: string;
}

export interface RecipientFields {
  readonly address?: string;
  readonly original?: string;
  readonly action?: string;
  readonly status?: string;
  readonly said?: string;
  readonly mta?: string;
}

/** Fields of one recipient, as Postfix writes them. */
export function recipientFields({
  address = 'ada@example.com',
  original = address,
  action = 'failed',
  status = '5.1.1',
  said = `550 ${status} <${address}>: Recipient address rejected: User unknown`,
  mta = 'mx.example.com',
}: RecipientFields = {}): string {
  return [
    `Final-Recipient: rfc822; ${address}`,
    `Original-Recipient: rfc822;${original}`,
    `Action: ${action}`,
    `Status: ${status}`,
    `Remote-MTA: dns; ${mta}`,
    `Diagnostic-Code: smtp; ${said.replace(': ', ':\r\n    ')}`,
  ].join('\r\n');
}

/** A delivery status notification. */
export function dsn({
  to,
  recipients,
  type = 'multipart/report; report-type=delivery-status;\r\n\tboundary="B/mx.example"',
  statusType = 'message/delivery-status',
  returned = 'Return-Path: <noreply@acme.example>\r\nSubject: Hello\r\nTo: ada@example.com\r\n',
}: DsnOptions): string {
  return `Return-Path: <>
Delivered-To: ${to}
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: ${to}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: ${type}
Message-Id: <20261127.1@mx.example.org>

This is a MIME-encapsulated message.

--B/mx.example
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.org. 5.7.1 5.1.1 user unknown

--B/mx.example
Content-Description: Delivery report
Content-Type: ${statusType}

Reporting-MTA: dns; mx.example.org
X-Postfix-Queue-ID: 4F2C1
Arrival-Date: Fri, 27 Nov 2026 10:00:00 +0000 (UTC)

${recipients.join('\n\n')}

--B/mx.example
Content-Description: Undelivered Message
Content-Type: message/rfc822

${returned}
Hello Ada.

--B/mx.example--
`.replace(/\r?\n/g, '\r\n');
}

/** A complaint in the Abuse Reporting Format. */
export function arf({ to = 'fbl@acme.example', fields = [] as readonly string[], returned = '' } = {}): string {
  return `Return-Path: <>
From: <fbl@provider.example>
To: <${to}>
Subject: FW: Hello
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="part"

--part
Content-Type: text/plain; charset="US-ASCII"
Content-Transfer-Encoding: 7bit

This is an email abuse report.

--part
Content-Type: message/feedback-report

User-Agent: SomeGenerator/1.0
Version: 1
${fields.join('\n')}

--part
Content-Type: message/rfc822
Content-Disposition: inline

${returned}From: <noreply@acme.example>
Subject: Hello

Hello Ada.
--part--
`.replace(/\r?\n/g, '\r\n');
}
