/** One attempt: build the request, make the call, judge the answer. */
import type { Delivery, DispatchContext, DispatchResult } from '../dispatcher.ts';
import type { Egress, EgressRequest, EgressResult } from '../egress/egress.ts';
import {
  classifyRefusal,
  classifyResponse,
  classifyTransportError,
  failure,
  type Verdict,
} from './classify-response.ts';
import type { Endpoint } from './endpoint.ts';
import { formats } from './formats/formats.ts';
import { redactReply } from './redact.ts';

/** A reset this soon on a connection that was used before means that the receiver had closed it meanwhile. */
const staleConnectionMs = 1_000;

export interface AttemptInput {
  readonly endpoint: Endpoint;
  readonly egress: Egress;
  readonly userAgent: string;
  readonly delivery: Delivery;
  readonly context: DispatchContext;
}

/** Never throws for anything that a receiver does. */
export async function attempt({ endpoint, egress, userAgent, delivery, context }: AttemptInput): Promise<Verdict> {
  const format = formats[endpoint.format];
  const now = new Date();
  const request = format.build(delivery, endpoint, now);
  if (request.body.length > format.maxBodyBytes) return tooLarge(request.body.length, format.maxBodyBytes);
  const { result, resent } = await callOnce(egress, {
    url: request.url,
    method: endpoint.httpMethod,
    headers: {
      ...endpoint.headers,
      ...request.headers,
      ...context.traceContext,
      'content-type': 'application/json',
      'user-agent': userAgent,
    },
    body: request.body,
    ...(endpoint.tls ? { tls: endpoint.tls } : {}),
    timeoutSeconds: endpoint.timeoutSeconds,
    signal: context.signal,
  });
  const verdict = verdictOf(result, { endpoint, delivery, now });
  return resent ? { ...verdict, result: withResent(verdict.result) } : verdict;
}

/** One call; a second at once when the first ran into a connection that the receiver had closed since its last use. */
async function callOnce(egress: Egress, request: EgressRequest): Promise<{ result: EgressResult; resent: boolean }> {
  const first = await egress.call(request);
  const stale =
    first.kind === 'fault' &&
    first.fault.kind === 'connection_lost' &&
    first.reused &&
    first.milliseconds < staleConnectionMs;
  return { result: stale ? await egress.call(request) : first, resent: stale };
}

/** The first call may have been accepted: without this on record nobody could explain a second copy. */
function withResent(result: DispatchResult): DispatchResult {
  const note = 'called twice: the first connection was lost, and the receiver may have got it';
  return { ...result, detail: result.detail === undefined ? note : `${result.detail}; ${note}` };
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
  // What an accepting receiver says is of no use to anybody; what a refusing one says often names the cause.
  if (verdict.result.outcome === 'sent') return verdict;
  const text = redactReply(reply.body, endpoint, delivery);
  if (text === '') return verdict;
  return { ...verdict, result: { ...verdict.result, reply: { ...verdict.result.reply, text } } };
}

function tooLarge(bytes: number, limit: number): Verdict {
  const detail = `payload too large: ${bytes} bytes, at most ${limit}`;
  return { result: failure('failed', 'too_large', detail), endpoint: 'none' };
}
