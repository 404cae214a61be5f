/**
 * pg-herald: notifications inside the application's own Postgres. If your transaction commits, the notification will be
 * delivered; if it rolls back, it never existed.
 *
 * The map of the house, in the order in which a notification travels:
 *   notification.ts   the vocabulary
 *   templates/        files -> versions in the database -> rendered content
 *   enqueue/          the typed wrapper of the SQL function that writes messages and jobs in the caller's transaction
 *   database/         tables, migrations, and what a transaction may be
 *   pool.ts           how a connection to the database is borrowed
 *   queue.ts          the only user of pg-boss
 *   delivery/         the worker: begin -> render -> dispatch -> settle
 *   telemetry/        what both ends of that way tell: spans, metrics, and the trace context in between
 *   dispatch/         one folder per delivery method
 *   operate/          what an operator asks and does
 *   cli/              the same from a terminal
 *   console/          the operator's web page (exported as pg-herald/console)
 *   testing/          for an application's own tests
 */
import './node-version.ts';

export type { Transaction } from './database/connection.ts';
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
export { createWorker, type Worker } from './delivery/worker.ts';
export type {
  Delivery,
  Dispatcher,
  DispatchContext,
  DispatcherServices,
  DispatchResult,
  Reply,
} from './dispatch/dispatcher.ts';
export { type SmtpOptions, type SmtpSender, type SmtpSendersOptions, smtp } from './dispatch/smtp/smtp.ts';
export type { TlsMaterial } from './dispatch/egress/connector.ts';
export type { EgressOptions } from './dispatch/egress/egress-options.ts';
export type { EndpointSettings } from './dispatch/webhook/endpoint.ts';
export type { DisabledReason } from './dispatch/webhook/endpoints/circuit.ts';
export type { EndpointEvent, NotifyOwner } from './dispatch/webhook/endpoints/notify-owner.ts';
export type { FormatName } from './dispatch/webhook/formats/formats.ts';
export type { WebhookEndpointsOptions, WebhookOptions } from './dispatch/webhook/webhook-options.ts';
export { webhook } from './dispatch/webhook/webhook.ts';
export type { CancelAnswer, CancelBy } from './enqueue/cancel.ts';
export {
  createHerald,
  type EnqueuedCount,
  type EnqueuedMessage,
  type FromQuery,
  type Herald,
  type HeraldOptions,
} from './enqueue/enqueue.ts';
export type { Notification, NotificationOptions } from './enqueue/notification.ts';
export type { EffectivePreference, Preference } from './enqueue/preferences.ts';
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
export { type PauseState, pauseMethod, listPauses, resumeMethod } from './operate/pause.ts';
export { createSecretBox, labelSecrets, type SecretBox } from './secrets.ts';
export type { TelemetryOptions } from './telemetry/options.ts';
export { type CatalogEntry, listTemplates, syncTemplates, type TemplateChange } from './templates/catalog.ts';
export { type DataOf, defineTemplate, type LabelsOf, type Template } from './templates/define.ts';
export { readTemplates, shippedTemplatesFolder } from './templates/files.ts';
export type { TemplateIssue, TemplateSource } from './templates/template-file.ts';
