/** What receivers, chat services and proxies answer, over real sockets. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, test } from 'vitest';
import type { Delivery, DispatchResult } from '../../src/dispatch/dispatcher.ts';
import type { EgressOptions } from '../../src/dispatch/egress/egress-options.ts';
import type { EndpointSettings } from '../../src/dispatch/webhook/endpoint.ts';
import { webhook } from '../../src/dispatch/webhook/webhook.ts';
import { startNameServer } from '../dispatch/name-server.ts';
import { closedPort, context, delivery, secret, startReceiver, type Answer } from '../dispatch/support.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

function keep<T extends { close(): unknown }>(thing: T): T {
  open.push(() => thing.close());
  return thing;
}

const receive = async (answer?: Answer) => keep(await startReceiver(answer));

async function deliver(
  endpoint: EndpointSettings,
  { egress = {}, message = delivery() }: { egress?: EgressOptions; message?: Delivery } = {},
): Promise<DispatchResult> {
  const dispatcher = webhook({ endpoint, egress: { allowCidrs: ['127.0.0.1'], ...egress } });
  open.push(() => dispatcher.close?.());
  return dispatcher.dispatch(message, context());
}

describe('a refusal', () => {
  test.each([400, 401, 403, 404, 405, 422, 451])(
    '%i is retried on the schedule, or fails with retry: transient',
    async (status) => {
      const receiver = await receive((response) => response.writeHead(status).end());
      const result = await deliver({ url: receiver.url, secret });
      expect(result).toMatchObject({ outcome: 'retry', detail: `HTTP ${status}`, reply: { code: `${status}` } });
      expect(result).not.toHaveProperty('retryAfterSeconds');
      expect(await deliver({ url: receiver.url, secret, retry: 'transient' })).toMatchObject({ outcome: 'failed' });
    },
  );
});

test('410 fails the message', async () => {
  const receiver = await receive((response) => response.writeHead(410).end());
  expect(await deliver({ url: receiver.url, secret })).toMatchObject({ outcome: 'failed', reason: 'gone' });
});

describe('Retry-After', () => {
  const inTwoMinutes = () => new Date(Date.now() + 120_000).toUTCString();
  test.each<[number, () => string, number | undefined, number | undefined]>([
    [429, () => '120', 120, 120],
    [503, () => '120', 120, 120],
    [503, inTwoMinutes, 118, 121],
    [503, () => '-5', undefined, undefined],
    [503, () => 'abc', undefined, undefined],
    [503, () => '315360000', 86_400, 86_400],
    [429, () => 'abc', 60, 60],
  ])('%i %s', async (status, value, least, most) => {
    const receiver = await receive((response) => response.writeHead(status, { 'retry-after': value() }).end());
    const result = await deliver({ url: receiver.url, secret });
    expect(result.outcome).toBe('retry');
    const seconds = result.outcome === 'retry' ? result.retryAfterSeconds : 0;
    if (least === undefined || most === undefined) expect(seconds).toBeUndefined();
    else {
      expect(seconds).toBeGreaterThanOrEqual(least);
      expect(seconds).toBeLessThanOrEqual(most);
    }
  });
});

describe('a forbidden address', () => {
  test.each([
    '127.0.0.1',
    '127.1',
    '0x7f.1',
    '2130706433',
    '0177.0.0.1',
    '127.0.0.1.',
    '①②⑦.0.0.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '[2001:0:7f00:1::]',
    '[fd00::1]',
    '[fe80::1]',
    '0.0.0.0',
    'localhost',
    'a.localhost',
    '169.254.169.254',
    '[fd00:ec2::254]',
    '100.100.100.200',
    '192.0.0.192',
    '168.63.129.16',
    '10.0.0.1',
    'metadata.google.internal',
  ])('%s is refused at the start, and nothing arrives', async (host) => {
    const receiver = await receive();
    const egress = { allowCidrs: [], allowHttp: true, ports: [receiver.port] };
    await expect(deliver({ url: `http://${host}:${receiver.port}/hook`, secret }, { egress })).rejects.toThrow(
      /may not be called/,
    );
    expect(receiver.connections()).toBe(0);
  });
});

describe('DNS rebinding', () => {
  test.each([
    ['a name that leads inside', ['127.0.0.1']],
    ['a name that leads inside in many ways', ['127.0.0.1', '10.0.0.1', '169.254.169.254', '0.0.0.0']],
  ])('%s is retried twice, then fails; nothing arrives', async (_, answers) => {
    const receiver = await receive();
    const server = keep(await startNameServer(() => answers));
    const egress = { allowCidrs: [], allowHttp: true, ports: [receiver.port], nameServers: [server.address] };
    const outcomes: string[] = [];
    for (const attempt of [1, 2, 3]) {
      const message = delivery({ attempt });
      const result = await deliver(
        { url: `http://rebind.example.com:${receiver.port}/hook`, secret },
        { egress, message },
      );
      expect(result).toMatchObject({ reason: 'destination_not_allowed' });
      outcomes.push(result.outcome);
    }
    expect(outcomes).toEqual(['retry', 'retry', 'failed']);
    expect(receiver.connections()).toBe(0);
  });

  test('a public answer first and an internal one at the next call', async () => {
    const receiver = await receive();
    const server = keep(await startNameServer((_, count) => [count === 1 ? '192.0.2.1' : '127.0.0.1']));
    const egress = {
      allowCidrs: ['192.0.2.0/24'],
      allowHttp: true,
      ports: [receiver.port],
      nameServers: [server.address],
    };
    const dispatcher = webhook({
      endpoint: { url: `http://rebind.example.com:${receiver.port}/hook`, secret, timeoutSeconds: 1 },
      egress,
    });
    open.push(() => dispatcher.close?.());
    expect(await dispatcher.dispatch(delivery(), context())).toMatchObject({ outcome: 'retry' });
    expect(await dispatcher.dispatch(delivery(), context())).toMatchObject({ reason: 'destination_not_allowed' });
    expect(receiver.connections()).toBe(0);
  });
});

test('a receiver whose clock is wrong refuses, is tried again, and gets the time of the new attempt', async () => {
  const receiver = await receive((response) => response.writeHead(401).end());
  expect(await deliver({ url: receiver.url, secret })).toMatchObject({ outcome: 'retry', detail: 'HTTP 401' });
  const timestamp = Number(receiver.received[0]?.headers['webhook-timestamp']);
  expect(Math.abs(timestamp - Date.now() / 1_000)).toBeLessThan(3);
  expect(receiver.received[0]?.body).not.toContain(`${timestamp}`);
});

describe('payloads', () => {
  test('what is signed is what is sent, with any character in it', async () => {
    const receiver = await receive();
    const data = { ümläut: '日本語 🦊 \u2028\u2029\ud800', 'key order': { z: 1, a: 2, 10: 'x', 2: 'y' } };
    await deliver({ url: receiver.url, secret }, { message: delivery({ data }) });
    const [request] = receiver.received;
    expect(new Webhook(secret).verify(request?.body ?? '', request?.headers ?? {})).toBeTruthy();
    expect(Number(request?.headers['content-length'])).toBe(Buffer.byteLength(request?.body ?? ''));
  });

  test('beyond the limit nothing is sent', async () => {
    const receiver = await receive();
    const result = await deliver({ url: receiver.url, secret }, { message: delivery({ data: 'x'.repeat(4_194_304) }) });
    expect(result).toMatchObject({ outcome: 'failed', reason: 'too_large' });
    expect(receiver.connections()).toBe(0);
  });
});

describe('custom headers', () => {
  test.each([
    { 'x-a': 'b\r\nx-injected: 1' },
    { 'x-a': 'b\nc' },
    { 'x-a': '\0' },
    { 'x-a': 'ü' },
    { 'x a': 'b' },
    { 'x-a:': 'b' },
    { '': 'b' },
    { Host: 'x' },
    { 'Content-Length': '1' },
    { 'Transfer-Encoding': 'chunked' },
    { Connection: 'close' },
    { 'Webhook-Signature': 'x' },
    { 'Proxy-Authorization': 'x' },
    { Expect: '100-continue' },
    { Te: 'trailers' },
    { Upgrade: 'h2c' },
  ])('%j is refused at the start', async (headers: Record<string, string>) => {
    const receiver = await receive();
    await expect(deliver({ url: receiver.url, secret, headers })).rejects.toThrow(/^webhook\.endpoint\.headers/);
    expect(receiver.connections()).toBe(0);
  });
});

describe('the egress proxy', () => {
  async function proxyAnswering(status: number): Promise<string> {
    const server = createServer();
    server.on('connect', (_request, socket) => void socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    open.push(() => server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const through = (proxy: string) => deliver({ url: 'https://hooks.example.com/hook', secret }, { egress: { proxy } });

  test('that is down or refuses our credentials pauses the method; no attempt is counted', async () => {
    for (const proxy of [`http://127.0.0.1:${await closedPort()}`, await proxyAnswering(407)]) {
      expect(await through(proxy)).toMatchObject({
        outcome: 'retry',
        reason: 'proxy',
        detail: expect.stringMatching(/^egress proxy unavailable: /),
        pauseMethod: true,
      });
    }
  });

  test('that cannot reach the receiver, or must not, is a matter of that endpoint', async () => {
    const unreachable = await through(await proxyAnswering(502));
    expect(unreachable).toMatchObject({ outcome: 'retry', reason: 'unreachable' });
    const forbidden = await through(await proxyAnswering(403));
    expect(forbidden).toMatchObject({ outcome: 'retry', reason: 'destination_not_allowed' });
    for (const result of [unreachable, forbidden]) expect(result).not.toHaveProperty('fault');
  });
});

describe('chat services', () => {
  const table: [string, EndpointSettings, Answer, object][] = [
    [
      'Slack says 200 but not ok',
      { format: 'slack' },
      (response) => response.end('no_service'),
      { outcome: 'retry', reason: 'unparsable_reply' },
    ],
    ['Slack takes it', { format: 'slack' }, (response) => response.end('ok'), { outcome: 'sent' }],
    [
      'Slack has archived the channel',
      { format: 'slack' },
      (response) => response.writeHead(410).end('channel_is_archived'),
      { outcome: 'failed', reason: 'gone' },
    ],
    [
      'Discord limits us',
      { format: 'discord' },
      (response) => response.writeHead(429).end('{"retry_after":64.57,"global":false}'),
      { outcome: 'retry', reason: 'rate_limited', retryAfterSeconds: 65 },
    ],
    [
      'Discord does not know the webhook',
      { format: 'discord' },
      (response) => response.writeHead(404).end('{"code":10015}'),
      { outcome: 'failed', reason: 'gone' },
    ],
    [
      'PagerDuty takes it',
      { format: 'pagerduty', secret: 'r'.repeat(32) },
      (response) => response.writeHead(202).end('{"dedup_key":"workspace-deleted:42"}'),
      { outcome: 'sent', reply: { code: '202', receiverId: 'workspace-deleted:42' } },
    ],
    [
      'the Teams flow is gone',
      { format: 'teams' },
      (response) => response.writeHead(404).end(),
      { outcome: 'retry', reason: 'authentication', pauseMethod: true },
    ],
    [
      'ntfy wants a token',
      { format: 'ntfy' },
      (response) => response.writeHead(403).end(),
      { outcome: 'retry', reason: 'authentication', pauseMethod: true },
    ],
  ];
  test.each(table)('%s', async (_, settings, answer, expected) => {
    const receiver = await receive(answer);
    expect(await deliver({ url: receiver.url, ...settings })).toMatchObject(expected);
    expect(receiver.received).toHaveLength(1);
  });

  test('PagerDuty gets one key for every attempt, so a retry opens no second incident', async () => {
    const receiver = await receive((response, _, count) => response.writeHead(count === 1 ? 500 : 202).end());
    const settings = { url: receiver.url, format: 'pagerduty', secret: 'r'.repeat(32) } as const;
    for (const attempt of [1, 2]) await deliver(settings, { message: delivery({ attempt }) });
    expect(receiver.received).toHaveLength(2);
    expect(receiver.received[1]?.body).toBe(receiver.received[0]?.body);
  });
});
