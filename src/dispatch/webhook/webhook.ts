/** The dispatcher of HTTP receivers: programs that verify a signature, and chat services. */
import { ConfigurationError } from '../../errors.ts';
import type { Delivery, DispatchContext, Dispatcher, DispatchResult } from '../dispatcher.ts';
import { createEgress, type Egress, type EgressRequest, type EgressResult } from '../egress/egress.ts';
import { classifyRefusal, classifyResponse, classifyTransportError, failure, type Verdict } from './classify.ts';
import { maxTimeoutSeconds, type Endpoint } from './endpoint.ts';
import { formats } from './formats/formats.ts';
import { parseWebhookOptions, type WebhookOptions, type WebhookSettings } from './options.ts';
import { redactReply } from './redact.ts';

/**
 * Waits between attempts in seconds, from the Standard Webhooks specification: three days, dense where an outage is
 * short and thin where it is long.
 */
export const webhookRetryDelaysSeconds = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400] as const;

/** A reset this soon on a connection that was used before means that the receiver had closed it meanwhile. */
const staleConnectionMs = 1_000;

/**
 * Delivers messages by HTTP: one signed POST per attempt, the same id and the same bytes every time. Never follows a
 * redirect, never calls an address inside your network unless `egress` allows it.
 *
 * @throws {ConfigurationError} when an option is missing or wrong, or when the endpoint's URL may not be called.
 */
export function webhook(options: WebhookOptions): Dispatcher {
  const settings = parseWebhookOptions(options);
  const egress = createEgress(settings.egress);
  const refusal = egress.refusal(settings.endpoint.url);
  if (refusal !== null) {
    throw new ConfigurationError(
      'webhook.endpoint.url',
      `may not be called: ${refusal}; use a public https: URL, or allow it with egress.allowHosts or egress.allowCidrs`,
    );
  }
  return {
    concurrency: settings.concurrency,
    // Both tries of a call share one deadline; the rest is slack for the clean-up.
    timeoutSeconds: maxTimeoutSeconds + 10,
    retryDelaysSeconds: webhookRetryDelaysSeconds,
    withholdSecrets: !settings.includeSecrets,
    dispatch: async (delivery, context) => (await attempt({ settings, egress, delivery, context })).result,
    close: async () => egress.close(),
  };
}

interface AttemptInput {
  readonly settings: WebhookSettings;
  readonly egress: Egress;
  readonly delivery: Delivery;
  readonly context: DispatchContext;
}

async function attempt({ settings, egress, delivery, context }: AttemptInput): Promise<Verdict> {
  const { endpoint } = settings;
  const format = formats[endpoint.format];
  const now = new Date();
  const request = format.build(delivery, endpoint, now);
  if (request.body.length > format.maxBodyBytes) return tooLarge(request.body.length, format.maxBodyBytes);
  const result = await callOnce(egress, {
    url: request.url,
    method: endpoint.httpMethod,
    headers: {
      ...endpoint.headers,
      ...request.headers,
      'content-type': 'application/json',
      'user-agent': settings.userAgent,
    },
    body: request.body,
    ...(endpoint.tls ? { tls: endpoint.tls } : {}),
    timeoutSeconds: endpoint.timeoutSeconds,
    signal: context.signal,
  });
  return verdictOf(result, { endpoint, delivery, now });
}

/** One call; a second at once when the first ran into a connection that the receiver had closed since its last use. */
async function callOnce(egress: Egress, request: EgressRequest): Promise<EgressResult> {
  const first = await egress.call(request);
  const stale =
    first.kind === 'fault' &&
    first.fault.kind === 'connection_lost' &&
    first.reused &&
    first.milliseconds < staleConnectionMs;
  return stale ? egress.call(request) : first;
}

interface VerdictInput {
  readonly endpoint: Endpoint;
  readonly delivery: Delivery;
  readonly now: Date;
}

function verdictOf(result: EgressResult, { endpoint, delivery, now }: VerdictInput): Verdict {
  const context = { retry: endpoint.retry, attempt: delivery.attempt, now };
  if (result.kind === 'refused') return classifyRefusal(result.refusal);
  if (result.kind === 'fault') return classifyTransportError(result.fault, context);
  const { reply } = result;
  const verdict = formats[endpoint.format].classify(reply, context) ?? classifyResponse(reply, context);
  return { ...verdict, result: withReply(verdict.result, redactReply(reply.body, endpoint, delivery)) };
}

/** What an accepting receiver says is of no use to anybody; what a refusing one says often names the cause. */
function withReply(result: DispatchResult, text: string): DispatchResult {
  return result.outcome === 'sent' || text === '' ? result : { ...result, reply: { ...result.reply, text } };
}

function tooLarge(bytes: number, limit: number): Verdict {
  const detail = `payload too large: ${bytes} bytes, at most ${limit}`;
  return { result: failure('failed', 'too_large', detail), endpoint: 'none' };
}
