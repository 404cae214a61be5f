/**
 * pg-herald: notifications inside the application's own Postgres. If your transaction commits, the notification will be
 * delivered; if it rolls back, it never existed.
 *
 * The map of the source, in the order in which a notification travels:
 *   vocabulary.ts     the words: message statuses, outcomes, reasons, recipients, brands
 *   templates/        template files, their versions in the database, and rendering
 *   guard/            the application's last word before a message is sent: functions of its own, and its triggers
 *   tenants/          the brand and the sender of each tenant
 *   enqueue/          the typed wrapper of the SQL function that writes messages and jobs in the caller's transaction
 *   database/         tables, SQL functions, migrations, connections, and what a transaction may be
 *   queue/            the only user of pg-boss: leases and wake-ups
 *   delivery/         the worker: admit, begin, render, dispatch, decide, settle, react
 *   recipients/       links to unsubscribe, and the pages behind them (exported as pg-herald/recipients)
 *   reports/          what comes back: bounces, complaints (exported as pg-herald/reports)
 *   dispatch/         how a message leaves: the dispatcher contract, smtp, webhook, inbox, and guarded HTTP (egress)
 *   inbox/            items, marks, and the handler of the reader's pages (exported as pg-herald/inbox)
 *   operate/          what an operator asks and does, each callable from code
 *   telemetry/        spans, metrics, and the trace context between enqueue and delivery
 *   cli/              the program `pg-herald`
 *   console/          the operator's web page (exported as pg-herald/console)
 *   inbox-client/     a person's inbox in the browser (exported as pg-herald/inbox-client)
 *   development/      `pg-herald dev`: a local database, catchers of email and webhooks, templates synced on save
 *   testing/          for an application's own tests (exported as pg-herald/testing)
 *   secrets.ts        encryption of secret labels and endpoints
 *   email-address.ts  the rule for email addresses
 *   return-address.ts  addresses that say which message comes back
 *   errors.ts         the errors that are thrown
 *   batcher.ts        batched writing
 *   lru.ts            a bounded cache
 *   bounded-body.ts   reads the body of a request or response within a bound
 *   printable.ts      text of strangers, made safe to print and to store
 *   node-listener.ts  fetch-style handlers on node:http
 *   optional-package.ts  packages that only some applications install
 *   node-version.ts   refuses versions of Node that are too old
 */
import './node-version.ts';

export type {
  AdapterTransaction,
  Connection,
  DrizzleTransaction,
  QueryTransaction,
  Transaction,
  UnsafeTransaction,
} from './database/caller-transaction.ts';
export type { DrizzleQuery } from './database/drizzle-sql.ts';
export type { Queryable } from './database/pool.ts';
export {
  installScript,
  type MigrateOptions,
  type MigrationReport,
  migrate,
  migrationPlan,
  migrationScript,
} from './database/migrate.ts';
export type { HealthCheck, WorkerHealth } from './delivery/health.ts';
export type { WorkerOptions } from './delivery/options.ts';
export type { LinkOptions } from './recipients/links.ts';
export { createWorker, type Worker } from './delivery/worker.ts';
export type {
  Deferral,
  Delivery,
  Dispatcher,
  DispatchContext,
  DispatcherServices,
  DeliveredTemplate,
  DispatchResult,
  Reply,
} from './dispatch/dispatcher.ts';
export type { Mailbox, OAuth2Options } from './dispatch/smtp/smtp-options.ts';
export { type SmtpOptions, type SmtpSender, type SmtpSendersOptions, smtp } from './dispatch/smtp/smtp.ts';
export type { TlsMaterial } from './dispatch/egress/connector.ts';
export type { EgressOptions } from './dispatch/egress/egress-options.ts';
export type { EndpointSettings } from './dispatch/webhook/endpoint.ts';
export type { DisabledReason } from './dispatch/webhook/endpoints/circuit.ts';
export type { EndpointEvent, NotifyOwner } from './dispatch/webhook/endpoints/notify-owner.ts';
export { type FormatName, formatNames } from './dispatch/webhook/formats/formats.ts';
export type { WebhookEndpointsOptions, WebhookOptions } from './dispatch/webhook/webhook-options.ts';
export { webhook } from './dispatch/webhook/webhook.ts';
export type { Acknowledged, AcknowledgeBy } from './enqueue/acknowledge.ts';
export type { CancelAnswer, CancelBy } from './enqueue/cancel.ts';
export {
  type Committing,
  createHerald,
  type EnqueuedMessage,
  type Herald,
  type HeraldOptions,
} from './enqueue/enqueue.ts';
export type { EnqueuedCount, FromQuery } from './enqueue/from-query.ts';
export type { Notification, NotificationOptions } from './enqueue/notification.ts';
export type { EffectivePreference, Preference } from './enqueue/preferences.ts';
export type { EffectiveHours, HoursQuestion, OpenWindow, QuietHours } from './enqueue/quiet-hours.ts';
export type { RecipientResolver } from './enqueue/recipients.ts';
export { ConfigurationError, InvalidNotificationError, type Issue } from './errors.ts';
export {
  type Action,
  type Attachment,
  type Brand,
  type JsonValue,
  type Logger,
  type MessageStatus,
  messageStatuses,
  type Outcome,
  outcomes,
  type Reason,
  type Recipient,
  type RenderedContent,
  reasons,
} from './vocabulary.ts';
export type { EndpointDetails, EndpointFilter, EndpointSummary } from './operate/endpoint-details.ts';
export type { ResealReport } from './operate/endpoint-secrets.ts';
export { endpoints, type Endpoints, type EndpointsOptions } from './operate/endpoints.ts';
export type { AddedEndpoint, NewEndpoint } from './operate/new-endpoint.ts';
export type { PingResult } from './operate/ping-endpoint.ts';
export { type AuditEntry, type AuditRecord, listAudit, recordAudit } from './operate/audit.ts';
export { setMethodEnabled, setTemplateEnabled, setTemplateMethods } from './operate/enablement.ts';
export { erase as erasePerson, type EraseReport, type Person } from './operate/erase.ts';
export {
  cancelMessages,
  discardMessages,
  holdMessages,
  type OperatorNote,
  releaseMessages,
  type RetryAnswer,
  retryMessages,
} from './operate/message-actions.ts';
export type { MessageFilter } from './operate/message-filter.ts';
export type { AttemptRecord } from './operate/attempt-records.ts';
export {
  countMessages,
  type Cursor,
  findMessages,
  listMessages,
  type MessageDetails,
  type MessageLine,
  type MessageState,
  showMessage,
} from './operate/messages.ts';
export type { MessageReport } from './operate/returns.ts';
export type { StepLine } from './operate/steps.ts';
export { type PauseState, pauseMethod, listPauses, resumeMethod } from './operate/pause.ts';
export { type DecidingPreference, preferenceAt, type PreferenceQuestion } from './operate/preference-history.ts';
export { purge as purgeMessages, type PurgeOptions } from './operate/purge.ts';
export { listQuietHours, type QuietWait, setMethodQuietHours, type StoredHours } from './operate/quiet-hours.ts';
export {
  readInboxRetention,
  readRetention,
  type RetentionPolicy,
  setInboxRetention,
  setRetention,
} from './operate/retention.ts';
export type { ItemState } from './operate/item-state.ts';
export type { SenderState } from './operate/senders.ts';
export { type MethodStatus, type ReadOnly, readStatus, type Status } from './operate/status.ts';
export {
  listSuppressions,
  suppress as suppressAddress,
  type Suppression,
  type SuppressionCause,
  unsuppress as unsuppressAddress,
} from './operate/suppressions.ts';
export { listTenants, removeTenant, setTenant, showTenant, type Tenant, type TenantChange } from './operate/tenants.ts';
export type { BrandChange } from './templates/brand.ts';
export type { OperatorActions } from './operate/remedy.ts';
export { type Explanation, explain as explainMessage, type TimelineEvent } from './operate/why.ts';
export type { RegisteredWorker } from './operate/workers.ts';
export {
  createSecretBox,
  DecryptionError,
  labelSecrets,
  type DecryptLabels,
  type EncryptLabels,
  type SecretBox,
} from './secrets.ts';
export type { TelemetryOptions } from './telemetry/options.ts';
export { type CatalogEntry, listTemplates, syncTemplates, type TemplateChange } from './templates/catalog.ts';
export {
  type DataOf,
  defineTemplate,
  type LabelsOf,
  type LabelsSchema,
  type RequiredData,
  type Template,
} from './templates/define.ts';
export { type FileLabels, type FileTemplate, templateFromFile, typeOfData } from './templates/generated.ts';
export { readTemplates, shippedTemplatesFolder } from './templates/files.ts';
export type {
  TemplateExample,
  TemplateIssue,
  TemplateOrigin,
  TemplateSource,
  TemplateTranslation,
} from './templates/template-file.ts';
export { type StepCondition, stepConditions, type TemplateStep } from './templates/steps.ts';
export type { Position } from './templates/syntax.ts';
