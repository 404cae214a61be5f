/** What a response, a fault or a refusal means for the message and for the endpoint. Pure; a test has the table. */
import type { Reason } from '../../vocabulary.ts';
import type { DispatchResult, Reply } from '../dispatcher.ts';
import type { EgressFault, EgressFaultKind } from '../egress/faults.ts';
import { parseRetryAfter } from './retry-after.ts';

/**
 * What an attempt says about the endpoint, whatever happens to the message:
 * - `healthy`: it accepted the message, or refused it because of its size
 * - `failing`: it did not work; counts towards opening its circuit
 * - `overloaded`: it asked us to slow down; like `failing`, and its concurrency limit drops to one
 * - `refusing`: it refused a message; counts only towards switching it off after days
 * - `at_fault`: it refuses one message after the other alike; its circuit opens
 * - `gone`: it asked to be switched off
 * - `unusable`: its URL, key or permission is wrong; switched off until its owner acts
 * - `none`: says nothing about the endpoint (our proxy, our shutdown, a bug in pg-herald)
 */
export type EndpointEffect =
  | 'healthy'
  | 'failing'
  | 'overloaded'
  | 'refusing'
  | 'at_fault'
  | 'gone'
  | 'unusable'
  | 'none';

/** The meaning of one attempt. */
export interface Classification {
  readonly result: DispatchResult;
  readonly endpoint: EndpointEffect;
}

/** The part of a response that the rules look at. */
export interface ResponseFacts {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The start of the body. */
  readonly body: string;
}

/** What the rules depend on besides the response. */
export interface ClassifyContext {
  /** `all`: every refusal is retried. `transient`: only 408, 425, 429, 5xx and network faults are. */
  readonly retry: 'all' | 'transient';
  /** Number of this attempt, from 1. */
  readonly attempt: number;
  readonly now: Date;
}

type Failure = Extract<DispatchResult, { outcome: 'retry' | 'failed' | 'unknown' }>;

/** The shortest wait after a receiver was too slow or too busy. */
const overloadSeconds = 60;
/** A broken name server can lead to an address that the guard refuses; after this many attempts it is the URL. */
const maxForbiddenAttempts = 3;

function adviceOf(header: string): string[] {
  return header
    .trim()
    .toLowerCase()
    .split(/\s*,\s*/);
}

/** The rules for any HTTP receiver. The formats of chat services have their own rules, which come first. */
export function classifyResponse(response: ResponseFacts, context: ClassifyContext): Classification {
  const { status, headers } = response;
  const advice = adviceOf(headers['webhook-delivery'] ?? '');
  if (status === 410 || advice.includes('disable')) return classifyGone(status);
  if (status >= 200 && status < 300)
    return { result: { outcome: 'sent', reply: { code: `${status}` } }, endpoint: 'healthy' };
  if (advice.includes('abort-message')) {
    return {
      result: failure('failed', 'refused', `HTTP ${status}: the receiver asked to stop`, status),
      endpoint: 'healthy',
    };
  }
  const { reason, detail, effect, transient } = statusRule(status);
  const outcome = transient || context.retry === 'all' ? 'retry' : 'failed';
  const result = failure(outcome, reason, detail, status);
  return {
    result: outcome === 'retry' ? delayed(result, effect, headers['retry-after'], context.now) : result,
    endpoint: effect,
  };
}

interface StatusRule {
  readonly reason: Reason;
  readonly detail: string;
  readonly effect: EndpointEffect;
  readonly transient: boolean;
}

function statusRule(status: number): StatusRule {
  const rule = (reason: Reason, effect: EndpointEffect, transient: boolean, note?: string): StatusRule => ({
    reason,
    detail: note === undefined ? `HTTP ${status}` : `HTTP ${status}: ${note}`,
    effect,
    transient,
  });
  if (status < 200) return rule('protocol', 'failing', true, 'no final status');
  if (status >= 600) return rule('protocol', 'failing', true, 'no HTTP status');
  if (status === 301 || status === 308)
    return rule('redirect', 'refusing', false, 'redirect not followed; update the URL');
  if (status < 400) return rule('redirect', 'refusing', false, 'redirect not followed');
  if (status === 401 || status === 403 || status === 407) return rule('authentication', 'refusing', false);
  if (status === 408 || status === 425) return rule('deferred', 'failing', true);
  if (status === 413) return rule('too_large', 'healthy', false);
  if (status === 429) return rule('rate_limited', 'overloaded', true);
  if (status < 500) return rule('refused', 'refusing', false);
  const busy = status === 502 || status === 503 || status === 504;
  return rule('server_error', busy ? 'overloaded' : 'failing', true);
}

function delayed(result: Failure, effect: EndpointEffect, header: string | undefined, now: Date): Failure {
  const asked = parseRetryAfter(header, now);
  const least = effect === 'overloaded' && result.reason === 'rate_limited' ? overloadSeconds : null;
  if (asked === null && least === null) return result;
  const seconds = Math.max(asked ?? 0, least ?? 0);
  const detail = asked === null ? result.detail : `${result.detail}, asked to wait ${asked} s`;
  return { ...result, detail, retryAfterSeconds: seconds };
}

/** The receiver asked to be switched off. */
export function classifyGone(status: number): Classification {
  return {
    result: failure('failed', 'gone', `HTTP ${status}: the receiver asked to be switched off`, status),
    endpoint: 'gone',
  };
}

interface FaultRule {
  readonly reason: Reason;
  readonly text: string;
  readonly effect: EndpointEffect;
}

const faultRules: Readonly<Record<Exclude<EgressFaultKind, 'aborted' | 'forbidden' | 'proxy'>, FaultRule>> = {
  dns: { reason: 'dns', text: 'DNS lookup failed', effect: 'failing' },
  unreachable: { reason: 'unreachable', text: 'connection refused or no route', effect: 'failing' },
  connect_timeout: { reason: 'connect_timeout', text: 'connect timeout', effect: 'overloaded' },
  tls: { reason: 'tls', text: 'TLS', effect: 'failing' },
  connection_lost: { reason: 'connection_lost', text: 'connection lost', effect: 'failing' },
  no_reply: { reason: 'no_reply', text: 'no response in time', effect: 'overloaded' },
  unparsable_reply: { reason: 'unparsable_reply', text: 'invalid HTTP response', effect: 'failing' },
  internal: { reason: 'internal', text: 'the call could not be made', effect: 'none' },
};

/** A call without a response. With `sent` the receiver may have the message; the retry has the same id. */
export function classifyTransportError(fault: EgressFault, context: Pick<ClassifyContext, 'attempt'>): Classification {
  if (fault.kind === 'aborted') return classifyAborted(fault);
  if (fault.kind === 'proxy') {
    const detail = `egress proxy unavailable: ${fault.code}`;
    return { result: { outcome: 'retry', reason: 'proxy', detail, pauseMethod: true, alert: true }, endpoint: 'none' };
  }
  if (fault.kind === 'forbidden') return classifyForbidden(`destination not allowed: ${fault.code}`, context.attempt);
  const { reason, text, effect } = faultRules[fault.kind];
  const detail = `${text}: ${tlsNote(fault.code)}${fault.sent ? '; the receiver may have got it' : ''}`;
  const result = failure('retry', reason, detail);
  return {
    result: effect === 'overloaded' ? { ...result, retryAfterSeconds: overloadSeconds } : result,
    endpoint: effect,
  };
}

/** A URL that the rules forbid before anything is resolved: a retry cannot help. */
export function classifyRefusal(refusal: string): Classification {
  return {
    result: failure('failed', 'destination_not_allowed', `destination not allowed: ${refusal}`),
    endpoint: 'unusable',
  };
}

function classifyForbidden(detail: string, attempt: number): Classification {
  return attempt < maxForbiddenAttempts
    ? { result: failure('retry', 'destination_not_allowed', detail), endpoint: 'refusing' }
    : { result: failure('failed', 'destination_not_allowed', detail), endpoint: 'unusable' };
}

/** Our own shutdown. An attempt whose request did not leave is not counted. */
function classifyAborted(fault: EgressFault): Classification {
  const result: DispatchResult = fault.sent
    ? failure('retry', 'shutdown', 'stopped while waiting for the response; the receiver may have got it')
    : { outcome: 'retry', reason: 'shutdown', detail: 'stopped before the request left', countAttempt: false };
  return { result, endpoint: 'none' };
}

/** OpenSSL's names for a missing client certificate are misleading. */
function tlsNote(code: string): string {
  return /ALERT_CERTIFICATE_REQUIRED|ALERT_BAD_CERTIFICATE$/.test(code) ? 'client certificate required' : code;
}

/** A failure, with the status as the reply code. */
export function failure(outcome: 'retry' | 'failed', reason: Reason, detail: string, status?: number): Failure {
  const reply: Reply | undefined = status === undefined ? undefined : { code: `${status}` };
  return { outcome, reason, detail, ...(reply ? { reply } : {}) };
}
