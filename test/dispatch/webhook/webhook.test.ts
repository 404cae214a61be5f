import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { afterEach, describe, expect, test } from 'vitest';
import * as v from 'valibot';
import type { Dispatcher } from '../../../src/dispatch/dispatcher.ts';
import { payloadSchema } from '../../../src/dispatch/webhook/payload.ts';
import { webhook } from '../../../src/dispatch/webhook/webhook.ts';
import type { EndpointSettings } from '../../../src/dispatch/webhook/endpoint.ts';
import { context, delivery, secret, startReceiver, type Answer, type Receiver } from '../support.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

async function setUp(
  settings: Partial<EndpointSettings> = {},
  answer?: Answer,
): Promise<{ receiver: Receiver; dispatcher: Dispatcher }> {
  const receiver = await startReceiver(answer);
  const dispatcher = webhook({
    endpoint: { url: receiver.url, secret, ...settings },
    egress: { allowCidrs: ['127.0.0.1'] },
  });
  open.push(
    () => dispatcher.close?.(),
    () => receiver.close(),
  );
  return { receiver, dispatcher };
}

describe('a delivered webhook', () => {
  test('is verified by standardwebhooks and by svix', async () => {
    const { receiver, dispatcher } = await setUp();
    const result = await dispatcher.dispatch(delivery(), context());
    expect(result).toEqual({ outcome: 'sent', reply: { code: '200' } });
    const [request] = receiver.received;
    expect(request).toBeDefined();
    if (!request) return;
    const payload = new Webhook(secret).verify(request.body, request.headers);
    // svix 2 answers nothing: it throws when the signature is wrong.
    expect(() => new SvixWebhook(secret).verify(request.body, request.headers)).not.toThrow();
    expect(v.parse(payloadSchema, payload)).toEqual(payload);
    expect(request.headers).toMatchObject({
      'webhook-id': delivery().messageId,
      'idempotency-key': delivery().messageId,
      'content-type': 'application/json',
      'user-agent': 'pg-herald',
      'accept-encoding': 'identity',
    });
  });

  test('has the same bytes and id on every attempt, and a timestamp of its own', async () => {
    const { receiver, dispatcher } = await setUp();
    await dispatcher.dispatch(delivery({ attempt: 1 }), context());
    await dispatcher.dispatch(
      delivery({ attempt: 2, labels: { reason: 'inactive', workspace: 'dev-box' } }),
      context(),
    );
    const [first, second] = receiver.received;
    expect(second?.body).toBe(first?.body);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(Math.abs(Number(second?.headers['webhook-timestamp']) - Date.now() / 1_000)).toBeLessThan(5);
  });

  test('is verified with the old secret and with the new one during a rotation', async () => {
    const next = `whsec_${Buffer.alloc(24, 9).toString('base64')}`;
    const { receiver, dispatcher } = await setUp({ secret: next, previousSecrets: [secret] });
    await dispatcher.dispatch(delivery({ content: { ...delivery().content, title: 'Ünïcode 🦊 \u2028' } }), context());
    const [request] = receiver.received;
    for (const key of [secret, next]) {
      expect(new Webhook(key).verify(request?.body ?? '', request?.headers ?? {})).toBeTruthy();
      expect(() => new SvixWebhook(key).verify(request?.body ?? '', request?.headers ?? {})).not.toThrow();
    }
    const stranger = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;
    for (const Verifier of [Webhook, SvixWebhook])
      expect(() => new Verifier(stranger).verify(request?.body ?? '', request?.headers ?? {})).toThrow();
  });

  test('carries an Ed25519 signature after the others when there is a key for it', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const seed = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url');
    const { receiver, dispatcher } = await setUp({ signingKey: `whsk_${seed.toString('base64')}` });
    await dispatcher.dispatch(delivery(), context());
    const [request] = receiver.received;
    const headers = request?.headers ?? {};
    const [hmac, ed25519] = (headers['webhook-signature'] ?? '').split(' ');
    expect(hmac).toMatch(/^v1,/);
    const signed = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${request?.body}`);
    const signature = Buffer.from(ed25519?.replace(/^v1a,/, '') ?? '', 'base64');
    expect(verify(null, signed, createPublicKey(publicKey.export({ format: 'pem', type: 'spki' })), signature)).toBe(
      true,
    );
    expect(new Webhook(secret).verify(request?.body ?? '', headers)).toBeTruthy();
  });

  test('carries the headers of its endpoint and uses its HTTP method', async () => {
    const { receiver, dispatcher } = await setUp({ headers: { Authorization: 'Bearer abc' }, httpMethod: 'PUT' });
    await dispatcher.dispatch(delivery(), context());
    expect(receiver.received[0]).toMatchObject({ method: 'PUT', headers: { authorization: 'Bearer abc' } });
  });
});

describe('what the receiver said', () => {
  test('is kept in one short line without what was sent', async () => {
    const { dispatcher } = await setUp({ headers: { 'x-token': 'letmein123' } }, (response, request) => {
      response.writeHead(500).end(`no\n${request.headers['x-token']} ${request.body} see https://internal/x?y=1`);
    });
    const result = await dispatcher.dispatch(delivery(), context());
    expect(result).toMatchObject({
      outcome: 'retry',
      reason: 'server_error',
      detail: 'HTTP 500',
      reply: { code: '500' },
    });
    const text = 'reply' in result ? (result.reply?.text ?? '') : '';
    expect(text).toMatch(/^no \[...\] /);
    for (const leak of ['letmein123', 'dev-box', 'ada@example.com', 'Ada Lovelace', 'https://'])
      expect(text).not.toContain(leak);
    expect(text.length).toBeLessThanOrEqual(512);
  });

  test('is not kept when it accepted', async () => {
    const { dispatcher } = await setUp({}, (response) => response.end('thanks'));
    expect(await dispatcher.dispatch(delivery(), context())).toEqual({ outcome: 'sent', reply: { code: '200' } });
  });
});

describe('a payload that is too large', () => {
  test('fails and is not sent', async () => {
    const { receiver, dispatcher } = await setUp();
    const result = await dispatcher.dispatch(delivery({ data: 'x'.repeat(4_200_000) }), context());
    expect(result).toMatchObject({ outcome: 'failed', reason: 'too_large' });
    expect(receiver.connections()).toBe(0);
  });
});

describe('options', () => {
  const endpoint = { url: 'https://hooks.example.com/x', secret };
  test.each<[string, object, RegExp]>([
    ['no endpoint', {}, /^webhook\.endpoint/],
    ['an unknown option', { endpoint, retires: 3 }, /^webhook\.retires: unknown option$/],
    [
      'an unknown setting',
      { endpoint: { ...endpoint, sekret: 'x' } },
      /^webhook\.endpoint\.sekret: unknown option; did you mean "secret"\?$/,
    ],
    ['no URL', { endpoint: { secret } }, /^webhook\.endpoint\.url: is missing/],
    ['no secret', { endpoint: { url: endpoint.url } }, /^webhook\.endpoint\.secret: is missing; make one with/],
    [
      'a short secret',
      { endpoint: { ...endpoint, secret: 'whsec_c2hvcnQ=' } },
      /secret: must encode 24 to 64 bytes, not 5/,
    ],
    ['a secret in the clear', { endpoint: { ...endpoint, secret: 'hunter2' } }, /secret: must start with whsec_/],
    [
      'a bad previous secret',
      { endpoint: { ...endpoint, previousSecrets: [secret, 'x'] } },
      /previousSecrets\[1\]: must start/,
    ],
    [
      'a bad signing key',
      { endpoint: { ...endpoint, signingKey: 'whsk_AAAA' } },
      /signingKey: must encode 32 or 64 bytes/,
    ],
    [
      'an internal address',
      { endpoint: { ...endpoint, url: 'https://127.1/' } },
      /^webhook\.endpoint\.url: may not be called: its address/,
    ],
    ['plain HTTP', { endpoint: { ...endpoint, url: 'http://hooks.example.com/' } }, /its scheme is not https/],
    ...['https://ntfy.sh/%zz', 'https://ntfy.sh/', 'https://ntfy.sh/a/b', 'https://ntfy.sh/a%2Fb'].map(
      (url) =>
        [
          `the ntfy URL ${url}`,
          { endpoint: { url, format: 'ntfy' } },
          /^webhook\.endpoint\.url: must end with one topic/,
        ] satisfies [string, object, RegExp],
    ),
    ['no URL at all', { endpoint: { ...endpoint, url: 'hooks' } }, /it is not an absolute URL/],
    [
      'a reserved header',
      { endpoint: { ...endpoint, headers: { 'Webhook-Id': 'x' } } },
      /headers.*a header that pg-herald sets itself/,
    ],
    [
      'a header with a line break',
      { endpoint: { ...endpoint, headers: { a: 'x\r\nb: y' } } },
      /headers\.a: must be printable ASCII/,
    ],
    ['a header name with a space', { endpoint: { ...endpoint, headers: { 'a b': 'x' } } }, /must be a header name/],
    ['a timeout beyond a minute', { endpoint: { ...endpoint, timeoutSeconds: 61 } }, /timeoutSeconds: must be <=60/],
    [
      'a certificate without its key',
      { endpoint: { ...endpoint, tls: { cert: 'x' } } },
      /tls: a client certificate needs both/,
    ],
    ['a CA that is none', { endpoint: { ...endpoint, tls: { ca: 'x' } } }, /tls: must be valid PEM/],
    [
      'a bad block',
      { endpoint, egress: { allowCidrs: ['10.0.0.0/33'] } },
      /^egress\.allowCidrs: invalid address block "10\.0\.0\.0\/33"/,
    ],
    [
      'a proxy with a path',
      { endpoint, egress: { proxy: 'http://p/x' } },
      /^webhook\.egress\.proxy: must be an http: or https: URL/,
    ],
    [
      'PagerDuty without a routing key',
      { endpoint: { format: 'pagerduty' } },
      /secret: is missing; give the routing key/,
    ],
  ])('%s is refused with the name of the setting', (_, options, message) => {
    expect(() => webhook(options as Parameters<typeof webhook>[0])).toThrow(message);
  });

  test('an error never quotes a secret', () => {
    for (const settings of [
      { ...endpoint, secret: 'whsec_TOPSECRET' },
      { ...endpoint, headers: { a: 'TOPSECRET\n' } },
      { url: 'https://u:TOPSECRET@h.example/', secret },
    ]) {
      expect(() => webhook({ endpoint: settings })).toThrow(
        expect.not.objectContaining({ message: expect.stringContaining('TOPSECRET') }),
      );
    }
  });

  test('PagerDuty needs no URL', () => {
    expect(webhook({ endpoint: { format: 'pagerduty', secret: 'a'.repeat(32) } }).concurrency).toBe(50);
  });
});
