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
import { attempt } from './call-endpoint.ts';
import { failure, type Classification } from './classify-response.ts';
import { maxTimeoutSeconds } from './endpoint.ts';
import { createEndpoints, type Endpoints, type NoCall } from './endpoints/endpoints.ts';
import { notifyOwnerByEmail } from './endpoints/notify-owner.ts';
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
  return {
    concurrency: settings.concurrency,
    // A second call after a stale connection starts within a second; the rest is for cleaning up.
    timeoutSeconds: maxTimeoutSeconds + 10,
    retryDelaysSeconds: webhookRetryDelaysSeconds,
    withholdSecrets: !settings.includeSecrets,
    async start({ pool, logger }) {
      if (settings.endpoints === null) return;
      const { secrets: box, notifyOwner = notifyOwnerByEmail({ box, logger }) } = settings.endpoints;
      endpoints = createEndpoints({ pool, logger, box, notifyOwner, concurrency: settings.concurrency });
    },
    admit: async (messageIds) => (await endpoints?.admit(messageIds)) ?? new Map(),
    dispatch(delivery, given) {
      const context = settings.sendTraceContext ? given : { ...given, traceContext: null };
      return delivery.endpointId === null
        ? toDefaultEndpoint({ settings, egress, delivery, context })
        : toStoredEndpoint(delivery.endpointId, endpoints, { settings, egress, delivery, context });
    },
    async close() {
      await endpoints?.close();
      egress.close();
    },
  };
}

interface DispatchInput {
  readonly settings: WebhookSettings;
  readonly egress: Egress;
  readonly delivery: Delivery;
  readonly context: DispatchContext;
}

async function toDefaultEndpoint({ settings, egress, delivery, context }: DispatchInput): Promise<DispatchResult> {
  const { endpoint, userAgent } = settings;
  if (endpoint === null)
    return failure('failed', 'no_address', 'the message has no endpoint, and there is no default endpoint');
  return (await attempt({ endpoint, egress, userAgent, delivery, context })).result;
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
  const { egress, delivery, context } = input;
  let classification: Classification = { result: failure('retry', 'internal', 'the attempt threw'), endpoint: 'none' };
  try {
    classification = await attempt({ endpoint, egress, userAgent, delivery, context });
  } finally {
    call.done(classification, delivery.attempt);
  }
  return withoutPause(classification);
}

/** An unusable endpoint among many must not pause the method: the endpoint is switched off and its message requeued. */
function withoutPause({ result, endpoint }: Classification): DispatchResult {
  return endpoint === 'unusable' && result.outcome === 'retry' ? requeueUncounted(result, 5) : result;
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
