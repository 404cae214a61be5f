/** From a stored message to its `Delivery`, and on to the dispatcher. No failure throws: each is a result. */
import type { Database } from '../database/database.ts';
import { createDelivery } from '../dispatch/delivery.ts';
import type { Delivery, DispatchResult, FailedDispatch } from '../dispatch/dispatcher.ts';
import { ConfigurationError } from '../errors.ts';
import { LruCache } from '../lru.ts';
import { acknowledgeActions, type MessageLinks } from '../recipients/links.ts';
import { DecryptionError } from '../secrets.ts';
import { RenderError, type TemplateTexts } from '../templates/render.ts';
import type { TenantSettings } from '../tenants/tenant.ts';
import { storedTextColumns } from '../templates/stored-texts.ts';
import { type Attachment, outcomes } from '../vocabulary.ts';
import type { Attempt, OpenMessage } from './attempt.ts';
import { ownResult } from './decide.ts';
import type { DeliveryServices, TemplateVersions } from './services.ts';

const versionStatement = {
  name: 'herald.version',
  text: `SELECT v.template AS name, ${storedTextColumns}
FROM herald.template_version v WHERE v.template = $1 AND v.version = $2`,
};

const attachmentsStatement = {
  name: 'herald.attachments',
  text: `SELECT name, content_type AS "contentType", content
FROM herald.attachment WHERE notification_id = $1 ORDER BY position`,
};

/** Versions in the cache; the messages in flight are of few. */
const maxVersions = 500;
/** When a message that could not be read is tried again, in seconds. */
const unreadableRetrySeconds = 5;
/** When a message that this worker is not configured for is tried again: another worker may be. */
const misconfiguredRetrySeconds = 60;
/** What replaces secret labels for a receiver that must not see them. */
const redactedLabel = '••••••';

/** Creates a cache of template versions. */
export function createTemplateVersions(database: Pick<Database, 'run'>): TemplateVersions {
  const cache = new LruCache<Promise<TemplateTexts>>(maxVersions);

  async function read(template: string, version: number): Promise<TemplateTexts> {
    const [texts] = await database.run<TemplateTexts>(versionStatement, [template, version]);
    if (texts === undefined) throw new Error(`template "${template}" has no version ${version}`);
    return texts;
  }

  return {
    textsOf(template, version) {
      const key = `${version} ${template}`;
      return cache.get(key, () => {
        const reading = read(template, version);
        reading.catch(() => cache.delete(key));
        return reading;
      });
    },
  };
}

/** What `render` returns: the delivery, or why there is none. */
export type Rendered = { readonly delivery: Delivery } | { readonly failure: FailedDispatch };

/** Reads what a message is made of and renders it. */
export async function render({ message }: Attempt, services: DeliveryServices): Promise<Rendered> {
  const { dispatcher, versions, tenants, database, errors } = services;
  let template: TemplateTexts;
  let tenant: TenantSettings;
  let attachments: readonly Attachment[] = [];
  try {
    template = await versions.textsOf(message.template, message.templateVersion);
    tenant = await tenants.settingsOf(message.tenant);
    if (message.attachments > 0 && dispatcher.takesAttachments)
      attachments = await database.run<Attachment>(attachmentsStatement, [message.notificationId]);
  } catch (error) {
    errors.report(error, 'cannot read what a message is rendered from', { messageId: message.id });
    const detail = 'the template version, the tenant or an attachment could not be read';
    return { failure: uncounted('internal', detail, unreadableRetrySeconds) };
  }
  if (dispatcher.takesAttachments && attachments.length < message.attachments)
    return { failure: { outcome: 'failed', reason: 'internal', detail: 'an attachment is gone' } };
  try {
    return { delivery: deliveryOf(message, { template, tenant, attachments }, services) };
  } catch (error) {
    return { failure: failureOf(error, message, services) };
  }
}

/** Calls the dispatcher. */
export async function dispatch(
  rendered: Rendered,
  attempt: Attempt,
  services: DeliveryServices,
): Promise<DispatchResult> {
  if ('failure' in rendered) return rendered.failure;
  const { delivery } = rendered;
  const { message, signal, telemetry, timedOut } = attempt;
  const { dispatcher, logger } = services;
  const { faultIsOwn } = message;
  try {
    const result = await telemetry.dispatch((traceContext) =>
      Promise.race([dispatcher.dispatch(delivery, { signal, logger, traceContext, faultIsOwn }), timedOut]),
    );
    return ownResult(requireResult(result), message);
  } catch (error) {
    return failureOf(error, message, services);
  }
}

/** A dispatcher may be written in JavaScript. */
function requireResult(result: DispatchResult | undefined): DispatchResult {
  if (result !== undefined && outcomes.includes(result.outcome)) return result;
  throw new TypeError('the dispatcher returned no result');
}

/** What was read to render a message. */
interface Sources {
  readonly template: TemplateTexts;
  readonly tenant: TenantSettings;
  readonly attachments: readonly Attachment[];
}

function deliveryOf(
  message: OpenMessage,
  { template, tenant, attachments }: Sources,
  services: DeliveryServices,
): Delivery {
  const { method, renderer } = services;
  const { brand, sender } = tenant;
  const { expiresAtMs } = message;
  const createdAt = new Date(message.createdAtMs);
  const secretLabels = secretLabelsOf(message, services);
  const content = renderer({
    template,
    recipient: message.recipient,
    labels: { ...message.labels, ...secretLabels },
    data: message.data,
    targets: message.targets,
    brand,
    createdAt,
  });
  const { unsubscribeUrl, preferencesUrl, acknowledgeUrl } = linksOf(message, services);
  const acknowledge = acknowledgeActions(acknowledgeUrl, message.recipient.locale);
  // Secret labels are in the content only: `labels` are those of the message without them.
  return createDelivery({
    messageId: message.id,
    attempt: message.attempt,
    method,
    template: {
      name: message.template,
      version: message.templateVersion,
      group: message.group,
      mandatory: message.mandatory,
    },
    recipient: message.recipient,
    labels: message.labels,
    data: message.data,
    targets: message.targets,
    content: acknowledge.length === 0 ? content : { ...content, actions: [...acknowledge, ...content.actions] },
    actions: message.actions,
    brand,
    createdAt,
    expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs),
    sender: message.sender ?? sender,
    tenant: message.tenant,
    groupKey: message.groupKey,
    dedupeKey: message.dedupeKey,
    unsubscribeUrl,
    preferencesUrl,
    endpointId: message.endpointId,
    attachments,
    secrets: services.dispatcher.withholdSecrets ? [] : Object.values(secretLabels),
  });
}

/** The caller's own link has precedence. Who receives webhooks and chat posts must not act for the recipient. */
function linksOf(message: OpenMessage, { links, dispatcher, method }: DeliveryServices): MessageLinks {
  const { unsubscribeUrl, recipient, tenant, template, mandatory, notificationId, acknowledgeable } = message;
  if (links === null || dispatcher.withholdSecrets)
    return { unsubscribeUrl, preferencesUrl: null, acknowledgeUrl: null };
  const made = links.linksOf({ recipient, tenant, template, method, mandatory, notificationId, acknowledgeable });
  return { ...made, unsubscribeUrl: unsubscribeUrl ?? made.unsubscribeUrl };
}

function secretLabelsOf(message: OpenMessage, services: DeliveryServices): Record<string, string> {
  if (message.secrets === null) return {};
  if (!services.dispatcher.withholdSecrets)
    return services.decryptLabels(message.secrets, message.template, message.sealId);
  return Object.fromEntries(Object.keys(message.secrets).map((name) => [name, redactedLabel]));
}

function failureOf(error: unknown, message: OpenMessage, { logger, method }: DeliveryServices): FailedDispatch {
  if (error instanceof RenderError) return { outcome: 'failed', reason: 'render_failed', detail: error.message };
  // The key is known, but the text was changed or belongs to another notification: trying again gives the same.
  if (error instanceof DecryptionError) return { outcome: 'failed', reason: 'render_failed', detail: error.message };
  // This replica lacks a key; another one may have it.
  if (error instanceof ConfigurationError) return uncounted('misconfigured', error.message, misconfiguredRetrySeconds);
  // A bug, ours or the dispatcher's. The error's message may hold anything, so only the frames of its stack are logged.
  logger.error({ messageId: message.id, method, stack: framesOf(error) }, 'a delivery threw');
  const name = error instanceof Error ? error.name : 'Error';
  return { outcome: 'retry', reason: 'internal', detail: `${name} in the worker; see its log` };
}

function uncounted(reason: FailedDispatch['reason'], detail: string, retryAfterSeconds: number): FailedDispatch {
  return { outcome: 'retry', reason, detail, countAttempt: false, retryAfterSeconds };
}

function framesOf(error: unknown): string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  return error.stack.split('\n').filter((line) => line.trimStart().startsWith('at '));
}
