/** One attempt: build the request, make the call, classify the response. */
import type { Delivery, DispatchContext, DispatchResult } from '../dispatcher.ts';
import type { Egress, EgressRequest, EgressResult } from '../egress/egress.ts';
import {
  classifyRefusal,
  classifyResponse,
  classifyTransportError,
  failure,
  type Classification,
} from './classify-response.ts';
import type { Endpoint } from './endpoint.ts';
import { formats } from './formats/formats.ts';
import { isSafeId, redactReply } from './redact-reply.ts';

/** A reset this soon on a reused connection means that the receiver had closed it since its last use. */
const staleConnectionMs = 1_000;

/** A message and where to send it. */
export interface AttemptInput {
  readonly endpoint: Endpoint;
  readonly egress: Egress;
  readonly userAgent: string;
  readonly delivery: Delivery;
  readonly context: DispatchContext;
}

/** Sends one message to one endpoint. Never throws for anything that a receiver does. */
export async function attempt({
  endpoint,
  egress,
  userAgent,
  delivery,
  context,
}: AttemptInput): Promise<Classification> {
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
  const classification = classificationOf(result, { endpoint, delivery, now });
  return resent ? { ...classification, result: withResent(classification.result) } : classification;
}

/** Makes one call, and a second at once if the receiver had closed the reused connection since its last use. */
async function callOnce(egress: Egress, request: EgressRequest): Promise<{ result: EgressResult; resent: boolean }> {
  const first = await egress.call(request);
  const stale =
    first.kind === 'fault' &&
    first.fault.kind === 'connection_lost' &&
    first.reused &&
    first.milliseconds < staleConnectionMs;
  return { result: stale ? await egress.call(request) : first, resent: stale };
}

/** The first call may have been accepted: the note explains a second copy at the receiver. */
function withResent(result: DispatchResult): DispatchResult {
  const note = 'called twice: the first connection was lost, and the receiver may have got it';
  return { ...result, detail: result.detail === undefined ? note : `${result.detail}; ${note}` };
}

interface ClassificationInput {
  readonly endpoint: Endpoint;
  readonly delivery: Delivery;
  readonly now: Date;
}

function classificationOf(result: EgressResult, { endpoint, delivery, now }: ClassificationInput): Classification {
  const context = { retry: endpoint.retry, attempt: delivery.attempt, now };
  if (result.kind === 'refused') return classifyRefusal(result.refusal);
  if (result.kind === 'fault') return classifyTransportError(result.fault, context);
  const { reply } = result;
  const classification = formats[endpoint.format].classify(reply, context) ?? classifyResponse(reply, context);
  // The text of a refusal often names the cause; that of an acceptance is not needed.
  if (classification.result.outcome === 'sent') return withSafeId(classification, endpoint, delivery);
  const text = redactReply(reply, endpoint, delivery);
  if (text === '') return classification;
  return { ...classification, result: { ...classification.result, reply: { ...classification.result.reply, text } } };
}

/** Drops an id with which the receiver repeats a secret. */
function withSafeId(classification: Classification, endpoint: Endpoint, delivery: Delivery): Classification {
  const { reply } = classification.result;
  if (reply?.receiverId === undefined || isSafeId(reply.receiverId, endpoint, delivery)) return classification;
  const { receiverId: _, ...rest } = reply;
  return { ...classification, result: { ...classification.result, reply: rest } };
}

function tooLarge(bytes: number, limit: number): Classification {
  const detail = `payload too large: ${bytes} bytes, at most ${limit}`;
  return { result: failure('failed', 'too_large', detail), endpoint: 'none' };
}
