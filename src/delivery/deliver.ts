/** One message's way through a worker, once its attempt is open: render -> dispatch, then verdict -> settle. */
import type { Database } from '../database/statements.ts';
import { createDelivery } from '../dispatch/delivery.ts';
import type { Delivery, Dispatcher, DispatchResult } from '../dispatch/dispatcher.ts';
import { ConfigurationError } from '../errors.ts';
import type { Attachment, Brand, Logger } from '../vocabulary.ts';
import type { LeasedJob } from '../queue/queue.ts';
import { RenderError, type Renderer, type TemplateTexts } from '../templates/render.ts';
import { attachmentsOf } from './attachments.ts';
import type { OpenMessage } from './begin.ts';
import type { Outage } from './database-errors.ts';
import { countUnknown } from './settle.ts';
import type { Settler } from './settler.ts';
import type { AttemptTelemetry, DeliveryTelemetry } from './telemetry.ts';
import { type Verdict, verdictOf } from './decide.ts';
import type { TemplateVersions } from './versions.ts';

export interface DeliveryServices {
  readonly method: string;
  readonly worker: string;
  readonly dispatcher: Dispatcher;
  readonly database: Database;
  readonly versions: TemplateVersions;
  readonly renderer: Renderer;
  readonly settler: Settler;
  readonly brand: Brand;
  readonly logger: Logger;
  readonly telemetry: DeliveryTelemetry;
  readonly outage: Outage;
  /** Turns stored secret labels into plain ones. */
  readonly decryptLabels: (message: OpenMessage) => Record<string, string>;
}

/** An open attempt and what fences it. */
export interface Attempt {
  readonly message: OpenMessage;
  readonly job: LeasedJob;
  readonly token: string;
  readonly signal: AbortSignal;
  /** Settles when the dispatcher did not end although it was aborted long ago. */
  readonly gaveUp: Promise<DispatchResult>;
}

/** What came of an attempt, not recorded yet. */
export interface Ended {
  readonly result: DispatchResult;
  readonly durationMs: number;
  readonly telemetry: AttemptTelemetry;
}

/** Renders a message and hands it over. Never throws: failure is a value. */
export async function handOver(attempt: Attempt, services: DeliveryServices): Promise<Ended> {
  const startedAt = performance.now();
  const telemetry = services.telemetry.begin(attempt.message);
  const result = await renderAndDispatch(attempt, services, telemetry);
  return { result, durationMs: performance.now() - startedAt, telemetry };
}

/** Decides what the outcome means for the message, and resolves when that is in the database. Never throws. */
export async function record(attempt: Attempt, ended: Ended, services: DeliveryServices): Promise<void> {
  const { message } = attempt;
  const { result, durationMs } = ended;
  const verdict = verdictOf(result, {
    counted: message.counted,
    unknowns: result.outcome === 'unknown' && message.counted > 0 ? await unknownsBefore(message, services) : 0,
    maxAttempts: message.maxAttempts ?? services.dispatcher.retryDelaysSeconds.length + 1,
    unknown: message.unknown,
    retryDelaysSeconds: services.dispatcher.retryDelaysSeconds,
    random: Math.random(),
  });
  const { id: messageId, attempt: number } = message;
  const settlement = { messageId, attempt: number, token: attempt.token, result, verdict, durationMs };
  await services.settler.add(settlement, attempt.job);
  ended.telemetry.end(result, verdict);
  logAttempt(services, message, { ...ended, verdict });
}

/** A count that cannot be had is none: then there is one more copy at worst. */
async function unknownsBefore({ id }: OpenMessage, { database, outage }: DeliveryServices): Promise<number> {
  try {
    return await countUnknown(database, id);
  } catch (error) {
    outage.report(error, 'cannot count the unknown attempts', { messageId: id });
    return 0;
  }
}

async function renderAndDispatch(
  attempt: Attempt,
  services: DeliveryServices,
  telemetry: AttemptTelemetry,
): Promise<DispatchResult> {
  const { message, signal } = attempt;
  let template: TemplateTexts;
  let attachments: readonly Attachment[] = [];
  try {
    template = await services.versions.textsOf(message.template, message.templateVersion);
    if (message.attachments > 0 && services.dispatcher.takesAttachments)
      attachments = await attachmentsOf(services.database, message.notificationId);
  } catch (error) {
    services.outage.report(error, 'cannot read what a message is made of', { messageId: message.id });
    const detail = 'the template version or an attachment could not be read';
    return { outcome: 'retry', reason: 'internal', detail, countAttempt: false, retryAfterSeconds: 5 };
  }
  try {
    const delivery = deliveryOf(message, { template, attachments }, services);
    if (services.dispatcher.takesAttachments && attachments.length < message.attachments)
      return { outcome: 'failed', reason: 'internal', detail: 'an attachment is gone' };
    return await telemetry.dispatch((traceContext) =>
      Promise.race([
        services.dispatcher.dispatch(delivery, { signal, logger: services.logger, traceContext }),
        attempt.gaveUp,
      ]),
    );
  } catch (error) {
    if (error instanceof RenderError) return { outcome: 'failed', reason: 'render_failed', detail: error.message };
    // The key is missing here, perhaps not in another replica: the message is given back, uncharged.
    if (error instanceof ConfigurationError)
      return {
        outcome: 'retry',
        reason: 'misconfigured',
        detail: error.message,
        countAttempt: false,
        retryAfterSeconds: 60,
      };
    // A bug, ours or a dispatcher's. Its message may hold anything, so only the stack's frames are logged.
    services.logger.error(
      { messageId: message.id, method: services.method, stack: framesOf(error) },
      'a delivery threw',
    );
    return {
      outcome: 'retry',
      reason: 'internal',
      detail: `${error instanceof Error ? error.name : 'Error'} in the worker; see its log`,
    };
  }
}

function deliveryOf(
  message: OpenMessage,
  { template, attachments }: { readonly template: TemplateTexts; readonly attachments: readonly Attachment[] },
  services: DeliveryServices,
): Delivery {
  const labels = message.secrets === null ? message.labels : { ...message.labels, ...secretsFor(message, services) };
  const content = services.renderer({
    template,
    recipient: message.recipient,
    labels,
    data: message.data,
    targets: message.targets,
    brand: services.brand,
    createdAt: message.createdAt,
  });
  // Secret labels are in the content and nowhere else: `labels` are those without them.
  return createDelivery({
    ...message,
    messageId: message.id,
    method: services.method,
    template: { name: message.template, version: message.templateVersion, group: message.group },
    content,
    brand: services.brand,
    attachments,
  });
}

/** What a receiver that must not see them gets in place of secret labels. */
const blackedOut = '••••••';

function secretsFor(message: OpenMessage, services: DeliveryServices): Record<string, string> {
  if (!services.dispatcher.withholdSecrets) return services.decryptLabels(message);
  return Object.fromEntries(Object.keys(message.secrets ?? {}).map((name) => [name, blackedOut]));
}

/** One wide line per attempt. Ids, names and numbers only: no address, label or body. */
function logAttempt(
  { logger, method, worker }: DeliveryServices,
  message: OpenMessage,
  { result, verdict, durationMs, telemetry }: Ended & { readonly verdict: Verdict },
): void {
  const fields = {
    messageId: message.id,
    method,
    template: message.template,
    version: message.templateVersion,
    attempt: message.attempt,
    outcome: result.outcome,
    reason: result.outcome === 'sent' ? undefined : result.reason,
    replyCode: result.reply?.code,
    status: verdict.status,
    retryInSeconds: verdict.status === 'pending' ? Math.round(verdict.delaySeconds) : undefined,
    /** From when it was due to this attempt; then render and dispatch; the dispatch alone; all since it was enqueued. */
    queuedMs: Math.round(message.queuedMs),
    durationMs: Math.round(durationMs),
    dispatchMs: telemetry.dispatchMs === undefined ? undefined : Math.round(telemetry.dispatchMs),
    ageMs: Date.now() - message.createdAt.getTime(),
    tenant: message.tenant ?? undefined,
    endpointId: message.endpointId ?? undefined,
    trace_id: telemetry.traceId,
    worker,
  };
  if (result.outcome === 'sent') logger.info(fields, 'attempt');
  else logger.warn(fields, 'attempt');
}

function framesOf(error: unknown): string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  return error.stack.split('\n').filter((line) => line.trimStart().startsWith('at '));
}
