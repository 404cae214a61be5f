/**
 * `pg-herald/reports`: what comes back about sent emails. `acceptReport` takes an email that a mail server hands over,
 * `createReports` the webhooks of providers. A report counts only if it names a message of ours and its recipient.
 */
export { type AcceptOptions, acceptReport } from './accept.ts';
export { policyOf, type ReportEffect, type ReportFacts, type ReportKind } from './policy.ts';
export type { MailgunOptions } from './providers/mailgun.ts';
export type { PostmarkOptions } from './providers/postmark.ts';
export type { ResendOptions } from './providers/resend.ts';
export type { SendGridOptions } from './providers/sendgrid.ts';
export type { SesOptions } from './providers/ses.ts';
export type { RecordedReport } from './record.ts';
export { createReports, type Reports, type ReportsOptions } from './reports.ts';
