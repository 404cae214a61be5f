import { errors } from 'undici';
import { describe, expect, test } from 'vitest';
import { reasons } from '../../../src/vocabulary.ts';
import { classifyError } from '../../../src/dispatch/egress/faults.ts';
import {
  classifyRefusal,
  classifyResponse,
  classifyTransportError,
  type EndpointEffect,
} from '../../../src/dispatch/webhook/classify-response.ts';

const now = new Date('2026-11-24T08:00:00.000Z');
const all = { retry: 'all', attempt: 1, now } as const;
const transient = { ...all, retry: 'transient' } as const;
const respond = (status: number, headers: Record<string, string> = {}) => ({ status, headers, body: '' });

/** Status codes, outcome with `all`, outcome with `transient`, reason, what it says about the endpoint. */
type Row = readonly [
  from: number,
  to: number,
  all: string,
  transient: string,
  reason: string | null,
  effect: EndpointEffect,
];
const table: readonly Row[] = [
  [100, 199, 'retry', 'retry', 'protocol', 'failing'],
  [200, 299, 'sent', 'sent', null, 'healthy'],
  [300, 399, 'retry', 'failed', 'redirect', 'refusing'],
  [400, 400, 'retry', 'failed', 'refused', 'refusing'],
  [401, 401, 'retry', 'failed', 'authentication', 'refusing'],
  [402, 402, 'retry', 'failed', 'refused', 'refusing'],
  [403, 403, 'retry', 'failed', 'authentication', 'refusing'],
  [404, 406, 'retry', 'failed', 'refused', 'refusing'],
  [407, 407, 'retry', 'failed', 'authentication', 'refusing'],
  [408, 408, 'retry', 'retry', 'deferred', 'failing'],
  [409, 409, 'retry', 'failed', 'refused', 'refusing'],
  [410, 410, 'failed', 'failed', 'gone', 'gone'],
  [411, 412, 'retry', 'failed', 'refused', 'refusing'],
  [413, 413, 'retry', 'failed', 'too_large', 'healthy'],
  [414, 424, 'retry', 'failed', 'refused', 'refusing'],
  [425, 425, 'retry', 'retry', 'deferred', 'failing'],
  [426, 428, 'retry', 'failed', 'refused', 'refusing'],
  [429, 429, 'retry', 'retry', 'rate_limited', 'overloaded'],
  [430, 499, 'retry', 'failed', 'refused', 'refusing'],
  [500, 501, 'retry', 'retry', 'server_error', 'failing'],
  [502, 504, 'retry', 'retry', 'server_error', 'overloaded'],
  [505, 599, 'retry', 'retry', 'server_error', 'failing'],
];

test('every HTTP status from 100 to 599 has the outcome, reason and effect of the table', () => {
  const covered: number[] = [];
  for (const [from, to, outcomeAll, outcomeTransient, reason, effect] of table) {
    for (let status = from; status <= to; status += 1) {
      covered.push(status);
      for (const [context, outcome] of [
        [all, outcomeAll],
        [transient, outcomeTransient],
      ] as const) {
        const verdict = classifyResponse(respond(status), context);
        expect({ status, outcome: verdict.result.outcome, effect: verdict.endpoint }).toEqual({
          status,
          outcome,
          effect,
        });
        expect(verdict.result.reply).toEqual({ code: `${status}` });
        expect('reason' in verdict.result ? verdict.result.reason : null).toBe(reason);
      }
    }
  }
  expect(covered).toEqual(Array.from({ length: 500 }, (_, index) => index + 100));
});

describe('Retry-After', () => {
  const delay = (status: number, value: string) => {
    const { result } = classifyResponse(respond(status, { 'retry-after': value }), all);
    return result.outcome === 'retry' ? result.retryAfterSeconds : 'not retried';
  };
  test.each<[number, string, number | string | undefined]>([
    [429, '120', 120],
    [429, '5', 60],
    [429, '-5', 60],
    [429, 'abc', 60],
    [503, '120', 120],
    [503, '0', 0],
    [503, '-5', undefined],
    [503, 'abc', undefined],
    [503, '315360000', 86_400],
    [503, 'Tue, 24 Nov 2026 08:10:00 GMT', 600],
    [404, '30', 30],
    [301, '30', 30],
    [410, '30', 'not retried'],
    [200, '30', 'not retried'],
  ])('%i with %j waits for %j seconds', (status, value, seconds) => {
    expect(delay(status, value)).toBe(seconds);
  });
});

describe('the header webhook-delivery', () => {
  test('disable switches the endpoint off, whatever the status', () => {
    expect(classifyResponse(respond(503, { 'webhook-delivery': 'disable' }), all)).toMatchObject({
      result: { outcome: 'failed', reason: 'gone' },
      endpoint: 'gone',
    });
  });
  test('abort-message stops this message only', () => {
    expect(classifyResponse(respond(503, { 'webhook-delivery': 'Abort-Message' }), all)).toMatchObject({
      result: { outcome: 'failed', reason: 'refused' },
      endpoint: 'healthy',
    });
  });
});

describe('a call that ended without a status line', () => {
  const coded = (code: string) => Object.assign(new Error('x'), { code });
  const happyEyeballs = new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')]);
  test.each<[string, Error, boolean, string, EndpointEffect]>([
    ['a name that does not exist', coded('ENOTFOUND'), false, 'dns', 'failing'],
    ['SERVFAIL', coded('ESERVFAIL'), false, 'dns', 'failing'],
    ['a name server that says nothing', coded('ETIMEOUT'), false, 'dns', 'failing'],
    ['EAI_AGAIN', coded('EAI_AGAIN'), false, 'dns', 'failing'],
    ['a closed port', coded('ECONNREFUSED'), false, 'unreachable', 'failing'],
    ['a closed port on both families', happyEyeballs, false, 'unreachable', 'failing'],
    ['no route', coded('EHOSTUNREACH'), false, 'unreachable', 'failing'],
    ['no network', coded('ENETUNREACH'), false, 'unreachable', 'failing'],
    ['a connect timeout of undici', new errors.ConnectTimeoutError('x'), false, 'connect_timeout', 'overloaded'],
    ['a connect timeout of the kernel', coded('ETIMEDOUT'), false, 'connect_timeout', 'overloaded'],
    ['a kernel timeout after sending', coded('ETIMEDOUT'), true, 'no_reply', 'overloaded'],
    ['a self-signed certificate', coded('DEPTH_ZERO_SELF_SIGNED_CERT'), false, 'tls', 'failing'],
    ['an expired certificate', coded('CERT_HAS_EXPIRED'), false, 'tls', 'failing'],
    ['another name in the certificate', coded('ERR_TLS_CERT_ALTNAME_INVALID'), false, 'tls', 'failing'],
    ['plain text where TLS should be', coded('ERR_SSL_WRONG_VERSION_NUMBER'), false, 'tls', 'failing'],
    ['a failed handshake', coded('EPROTO'), false, 'tls', 'failing'],
    ['a reset', coded('ECONNRESET'), true, 'connection_lost', 'failing'],
    ['a broken pipe', coded('EPIPE'), true, 'connection_lost', 'failing'],
    ['a closed socket', new errors.SocketError('other side closed'), true, 'connection_lost', 'failing'],
    ['late headers', new errors.HeadersTimeoutError(), true, 'no_reply', 'overloaded'],
    ['a late body', new errors.BodyTimeoutError(), true, 'no_reply', 'overloaded'],
    ['endless headers', new errors.HeadersOverflowError(), true, 'unparsable_reply', 'failing'],
    [
      'a response of the wrong length',
      new errors.ResponseContentLengthMismatchError(),
      true,
      'unparsable_reply',
      'failing',
    ],
    ['junk', new errors.HTTPParserError('junk'), true, 'unparsable_reply', 'failing'],
    ['an argument that undici refuses', new errors.InvalidArgumentError('x'), false, 'internal', 'none'],
    ['an error without a code', new Error('boom'), false, 'internal', 'none'],
  ])('%s is retried', (_, error, sent, reason, effect) => {
    const verdict = classifyTransportError(classifyError(error, sent), { attempt: 1 });
    expect(verdict).toMatchObject({ result: { outcome: 'retry', reason }, endpoint: effect });
    expect(reasons).toContain(reason);
    const { result } = verdict;
    expect('detail' in result && result.detail.includes('the receiver may have got it')).toBe(sent);
    if (result.outcome === 'retry') expect(result.retryAfterSeconds).toBe(effect === 'overloaded' ? 60 : undefined);
  });

  test('every error that undici exports is in the table or is a bug of ours', () => {
    const unexpected = [errors.ResponseError, errors.RequestRetryError];
    for (const [name, Kind] of Object.entries(errors)) {
      if (typeof Kind !== 'function' || unexpected.some((each) => each === Kind)) continue;
      const error: unknown = Reflect.construct(Kind, ['x']);
      const { kind } = classifyError(error, true);
      expect(kind, name).toMatch(/^[a-z_]+$/);
    }
  });

  test('our proxy pauses the method, and no endpoint is blamed', () => {
    const verdict = classifyTransportError({ kind: 'proxy', code: 'PROXY_407', sent: false }, { attempt: 1 });
    expect(verdict).toEqual({
      result: {
        outcome: 'retry',
        reason: 'proxy',
        detail: 'egress proxy unavailable: PROXY_407',
        pauseMethod: true,
        alert: true,
      },
      endpoint: 'none',
    });
  });

  test('our own stop is counted only when the request may have left', () => {
    const stopped = (sent: boolean) =>
      classifyTransportError({ kind: 'aborted', code: 'ABORTED', sent }, { attempt: 1 });
    expect(stopped(false)).toMatchObject({
      result: { outcome: 'retry', reason: 'shutdown', countAttempt: false },
    });
    expect(stopped(true).result).not.toHaveProperty('fault');
  });

  test('a destination that is forbidden at connect time fails for good at the third attempt', () => {
    const fault = { kind: 'forbidden', code: 'ADDRESS_NOT_ALLOWED', sent: false } as const;
    const outcomes = [1, 2, 3].map((attempt) => {
      const { result, endpoint } = classifyTransportError(fault, { attempt });
      return `${result.outcome} ${endpoint}`;
    });
    expect(outcomes).toEqual(['retry refusing', 'retry refusing', 'failed unusable']);
  });

  test('a URL that the rules forbid fails at once', () => {
    expect(classifyRefusal('port 22 is not allowed')).toEqual({
      result: {
        outcome: 'failed',
        reason: 'destination_not_allowed',
        detail: 'destination not allowed: port 22 is not allowed',
      },
      endpoint: 'unusable',
    });
  });
});
