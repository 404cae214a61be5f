/** The dispatcher for HTTP receivers: programs that verify a signature, and chat services. */
import { ConfigurationError } from '../../errors.ts';
import {
  type Delivery,
  type DispatchContext,
  type Dispatcher,
  type DispatchResult,
  requeueUncounted,
} from '../dispatcher.ts';
import { createEgress, type Egress } from '../egress/egress.ts';
import { createEvidence, type Evidence } from '../evidence/evidence.ts';
import { attempt } from './call-endpoint.ts';
import { failure, type Classification } from './classify-response.ts';
import { maxTimeoutSeconds } from './endpoint.ts';
import { type Call, createEndpoints, type Endpoints, type NoCall } from './endpoints/endpoints.ts';
import { notifyOwnerByEmail } from './endpoints/notify-owner.ts';
import { evidenceNameOf, weighRefusal } from './weigh-refusal.ts';
import { parseWebhookOptions, type WebhookOptions, type WebhookSettings } from './webhook-options.ts';

/**
 * Waits between attempts in seconds, from the Standard Webhooks specification: short at first, then long, over three
 * days.
 */
export const webhookRetryDelaysSeconds = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400] as const;

/**
 * Delivers messages by HTTP: one signed POST per attempt, with the same id and the same bytes every time. It never
 * follows a redirect and never calls an address inside your network unless `egress` allows it.
 *
 * @throws {ConfigurationError} if an option is missing or wrong, or if the URL of the default endpoint may not be
 * called.
 */
export function webhook(options: WebhookOptions): Dispatcher {
  const settings = parseWebhookOptions(options);
  const egress = createEgress(settings.egress);
  requireAllowed(settings, egress);
  let endpoints: Endpoints | null = null;
  let evidence: Evidence | null = null;
  return {
    concurrency: settings.concurrency,
    // A second call after a stale connection starts within a second; the rest is for cleaning up.
    timeoutSeconds: maxTimeoutSeconds + 10,
    retryDelaysSeconds: webhookRetryDelaysSeconds,
    withholdSecrets: !settings.includeSecrets,
    async start(services) {
      const { pool, logger } = services;
      evidence = createEvidence(services, { accused: 'endpoint', putBackSeconds: 30 });
      await evidence.start();
      if (settings.endpoints === null) return;
      const { secrets: box, notifyOwner = notifyOwnerByEmail({ box, logger }) } = settings.endpoints;
      endpoints = createEndpoints({ pool, logger, box, notifyOwner, concurrency: settings.concurrency });
    },
    admit: async (messageIds) => (await endpoints?.admit(messageIds)) ?? new Map(),
    dispatch(delivery, given) {
      const context = settings.sendTraceContext ? given : { ...given, traceContext: null };
      const input = { settings, egress, evidence, delivery, context };
      return delivery.endpointId === null
        ? toDefaultEndpoint(input)
        : toStoredEndpoint(delivery.endpointId, endpoints, input);
    },
    async close() {
      await Promise.all([endpoints?.close(), evidence?.close()]);
      egress.close();
    },
  };
}

interface DispatchInput {
  readonly settings: WebhookSettings;
  readonly egress: Egress;
  /** Null before the start. */
  readonly evidence: Evidence | null;
  readonly delivery: Delivery;
  readonly context: DispatchContext;
}

async function toDefaultEndpoint(input: DispatchInput): Promise<DispatchResult> {
  const { settings, egress, evidence, delivery, context } = input;
  const { endpoint, userAgent } = settings;
  if (endpoint === null)
    return failure('failed', 'no_address', 'the message has no endpoint, and there is no default endpoint');
  const classification = await attempt({ endpoint, egress, userAgent, delivery, context });
  const { result, endpoint: effect } = await weighRefusal(classification, delivery, evidence);
  if (result.outcome === 'sent') evidence?.accepted(evidenceNameOf(null));
  // Where it is the only endpoint, the method pauses with it.
  return effect === 'at_fault' && settings.endpoints !== null ? withoutPause({ result, endpoint: effect }) : result;
}

async function toStoredEndpoint(
  id: string,
  endpoints: Endpoints | null,
  input: DispatchInput,
): Promise<DispatchResult> {
  const call = endpoints === null ? 'unreadable' : await endpoints.call(id);
  if (typeof call === 'string') return notCalled(call);
  const { endpoint } = call;
  const { userAgent } = input.settings;
  const { egress, evidence, delivery, context } = input;
  let classification: Classification = { result: failure('retry', 'internal', 'the attempt threw'), endpoint: 'none' };
  try {
    const unweighed = await attempt({ endpoint, egress, userAgent, delivery, context });
    classification = await weighRefusal(unweighed, delivery, evidence);
  } finally {
    call.done(classification, delivery.attempt);
  }
  noteAccepted(classification, call, input);
  return withoutPause(classification);
}

/** Most endpoints have refused nothing: a success is written where something speaks against the endpoint. */
function noteAccepted({ result }: Classification, { flawless }: Call, { delivery, evidence }: DispatchInput): void {
  const name = evidenceNameOf(delivery.endpointId);
  if (result.outcome === 'sent' && (!flawless || evidence?.suspects(name))) evidence?.accepted(name);
}

/**
 * One endpoint among many must not pause the method. An unusable one is switched off; one at fault has an open circuit.
 */
function withoutPause({ result, endpoint }: Classification): DispatchResult {
  if (result.outcome !== 'retry') return result;
  if (endpoint === 'unusable') return requeueUncounted(result, 5);
  return endpoint === 'at_fault' ? requeueUncounted(result, result.retryAfterSeconds ?? 0) : result;
}

function notCalled(reason: NoCall): DispatchResult {
  if (reason === 'deleted') return failure('failed', 'gone', 'endpoint deleted');
  const uncounted = { countAttempt: false, retryAfterSeconds: 60 } as const;
  return reason === 'disabled'
    ? { ...failure('retry', 'gone', 'endpoint disabled'), ...uncounted }
    : {
        ...failure('retry', 'misconfigured', 'cannot decrypt the settings of the endpoint'),
        ...uncounted,
        alert: true,
      };
}

function requireAllowed({ endpoint }: WebhookSettings, egress: Egress): void {
  const refusal = endpoint === null ? null : egress.refusal(endpoint.url);
  if (refusal === null) return;
  throw new ConfigurationError(
    'webhook.endpoint.url',
    `may not be called: ${refusal}; use a public https: URL, or allow it with egress.allowHosts or egress.allowCidrs`,
  );
}
