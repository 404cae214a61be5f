/** Faults on the way to a receiver and back: real sockets, real TLS, real DNS. */
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import type { DispatchResult } from '../../src/dispatch/dispatcher.ts';
import type { EgressOptions } from '../../src/dispatch/egress/egress-options.ts';
import type { EndpointSettings } from '../../src/dispatch/webhook/endpoint.ts';
import { webhook } from '../../src/dispatch/webhook/webhook.ts';
import { startNameServer } from '../dispatch/name-server.ts';
import {
  closedPort,
  context,
  delivery,
  secret,
  startReceiver,
  startTcp,
  until,
  type Answer,
} from '../dispatch/support.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

function keep<T extends { close(): unknown }>(thing: T): T {
  open.push(() => thing.close());
  return thing;
}

/** Delivers one message and checks what holds for every fault: it is bounded, and nothing secret is in the result. */
async function deliver(
  settings: Partial<EndpointSettings> & { url: string },
  egress: EgressOptions = {},
): Promise<DispatchResult> {
  const dispatcher = webhook({
    endpoint: { secret, timeoutSeconds: 3, ...settings },
    egress: { allowCidrs: ['127.0.0.1'], ...egress },
  });
  open.push(() => dispatcher.close?.());
  const result = await dispatcher.dispatch(delivery(), context());
  const text = JSON.stringify(result);
  for (const leak of [secret, secret.slice(6), '/hook', 'dev-box', 'ada@example.com', '127.0.0.1'])
    expect(text).not.toContain(leak);
  if ('detail' in result) expect(result.detail?.length).toBeLessThanOrEqual(500);
  return result;
}

const receive = async (answer?: Answer) => keep(await startReceiver(answer));
const retried = (reason: string, detail: RegExp) => ({
  outcome: 'retry',
  reason,
  detail: expect.stringMatching(detail),
});

describe('name server', () => {
  test.each([
    ['NXDOMAIN', [], /^DNS lookup failed: ENOTFOUND$/],
    ['SERVFAIL', 'refuse', /^DNS lookup failed: ESERVFAIL$/],
    ['silence', 'ignore', /^(DNS lookup failed: ETIMEOUT|connect timeout: DEADLINE)$/],
  ] as const)('%s', async (_, answer, detail) => {
    const server = keep(await startNameServer(() => answer));
    const result = await deliver({ url: 'https://hooks.example.com/hook' }, { nameServers: [server.address] });
    expect(result).toMatchObject({ outcome: 'retry', detail: expect.stringMatching(detail) });
    expect(result).not.toHaveProperty('fault');
  });
});

test('connection refused', async () => {
  expect(await deliver({ url: `http://127.0.0.1:${await closedPort()}/hook` })).toEqual(
    retried('unreachable', /^connection refused or no route: ECONNREFUSED$/),
  );
});

test('reset at connect', async () => {
  const receiver = keep(await startTcp((socket) => void socket.resetAndDestroy()));
  expect(await deliver({ url: receiver.url })).toEqual(
    retried('connection_lost', /^connection lost: (ECONNRESET|EPIPE)/),
  );
});

test('a black hole while connecting', async () => {
  // The handshake belongs to connecting: TCP answers, TLS never does.
  const receiver = keep(await startTcp((socket) => socket.resume()));
  const result = await deliver({ url: receiver.url.replace('http:', 'https:'), timeoutSeconds: 1 });
  expect(result).toEqual({
    ...retried('connect_timeout', /^connect timeout: (DEADLINE|UND_ERR_CONNECT_TIMEOUT)$/),
    retryAfterSeconds: 60,
  });
});

test('a request without any response', async () => {
  const receiver = await receive(() => undefined);
  expect(await deliver({ url: receiver.url, timeoutSeconds: 1 })).toEqual({
    ...retried('no_reply', /^no response in time: \w+; the receiver may have got it$/),
    retryAfterSeconds: 60,
  });
  expect(receiver.received).toHaveLength(1);
});

describe('a trickle', () => {
  const trickle = (first: string) =>
    startTcp((socket) => {
      socket.write(first);
      const timer = setInterval(() => socket.write('a'), 50);
      socket.resume().on('close', () => clearInterval(timer));
    });

  test('of headers ends at the deadline', async () => {
    const receiver = keep(await trickle('HTTP/1.1 200 OK\r\nx-slow: '));
    const began = performance.now();
    expect(await deliver({ url: receiver.url, timeoutSeconds: 1 })).toMatchObject({
      outcome: 'retry',
      reason: 'no_reply',
    });
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test('of a body after 2xx is a success', async () => {
    const receiver = keep(await trickle('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n'));
    expect(await deliver({ url: receiver.url, timeoutSeconds: 1 })).toMatchObject({ outcome: 'sent' });
  });

  test('of a body after 500 is a failure with what there was of it', async () => {
    const receiver = keep(await trickle('HTTP/1.1 500 No\r\ncontent-length: 100000\r\n\r\nbroken '));
    const result = await deliver({ url: receiver.url, timeoutSeconds: 1 });
    expect(result).toMatchObject({
      outcome: 'retry',
      reason: 'server_error',
      reply: { text: expect.stringMatching(/^broken a+$/) },
    });
  });
});

describe('a reset after the request', () => {
  test('on a fresh connection is retried on the schedule', async () => {
    const receiver = await receive((response) => response.socket?.resetAndDestroy());
    expect(await deliver({ url: receiver.url })).toEqual(
      retried('connection_lost', /^connection lost: ECONNRESET; the receiver may have got it$/),
    );
    expect(receiver.received).toHaveLength(1);
  });

  test('on a connection that was used before is tried again at once, once, with the same id and bytes', async () => {
    const receiver = await receive((response, _, count) =>
      count === 2 ? response.socket?.resetAndDestroy() : response.end(),
    );
    const dispatcher = webhook({ endpoint: { url: receiver.url, secret }, egress: { allowCidrs: ['127.0.0.1'] } });
    open.push(() => dispatcher.close?.());
    await dispatcher.dispatch(delivery(), context());
    expect(await dispatcher.dispatch(delivery(), context())).toMatchObject({
      outcome: 'sent',
      detail: 'called twice: the first connection was lost, and the receiver may have got it',
    });
    expect(receiver.received).toHaveLength(3);
    expect(new Set(receiver.received.map(({ headers, body }) => `${headers['webhook-id']} ${body}`)).size).toBe(1);
  });
});

test('200 and a body that breaks off is a success', async () => {
  const receiver = await receive((response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('half', () => response.destroy());
  });
  expect(await deliver({ url: receiver.url })).toMatchObject({ outcome: 'sent' });
});

describe('an enormous response', () => {
  test('is read up to 64 KB, and memory stays flat', async () => {
    let written = 0;
    const piece = Buffer.alloc(65_536, 'x');
    const receiver = keep(
      await startTcp((socket) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5368709120\r\n\r\n');
        const push = () => {
          while (!socket.destroyed && socket.write(piece)) written += piece.length;
          if (!socket.destroyed) socket.once('drain', push);
        };
        push();
      }),
    );
    const before = process.memoryUsage().rss;
    for (let n = 0; n < 20; n += 1) expect(await deliver({ url: receiver.url })).toMatchObject({ outcome: 'sent' });
    // What lies in the buffers of the kernel was written but never read.
    expect(written / 20).toBeLessThan(16 * 1_048_576);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1_048_576);
  });

  test('is never decompressed', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const receiver = await receive((response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb));
    const before = process.memoryUsage().rss;
    expect(await deliver({ url: receiver.url })).toMatchObject({ outcome: 'sent' });
    expect(receiver.received[0]?.headers['accept-encoding']).toBe('identity');
    expect(process.memoryUsage().rss - before).toBeLessThan(40 * 1_048_576);
  });
});

describe('no HTTP', () => {
  test.each([
    ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['zero bytes', '\0\0\0\0\0\0\0\0'],
    ['a broken status line', 'HTTP/1.1 abc OK\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
    ['headers of a megabyte', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(1_048_576)}\r\n\r\n`],
  ])('%s', async (_, bytes) => {
    const receiver = keep(await startTcp((socket) => void socket.once('data', () => socket.end(bytes))));
    expect(await deliver({ url: receiver.url })).toEqual(retried('unparsable_reply', /^invalid HTTP response: /));
  });
});

test('a redirect to an internal receiver: the second host gets no connection', async () => {
  const inner = await receive();
  for (const status of [301, 302, 303, 307, 308]) {
    const outer = await receive((response) => response.writeHead(status, { location: inner.url }).end());
    expect(await deliver({ url: outer.url })).toMatchObject(retried('redirect', /redirect not followed/));
  }
  expect(inner.connections()).toBe(0);
});

test('413 before the body is read does not hang', async () => {
  const receiver = keep(
    await startTcp((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'));
    }),
  );
  const dispatcher = webhook({ endpoint: { url: receiver.url, secret }, egress: { allowCidrs: ['127.0.0.1'] } });
  open.push(() => dispatcher.close?.());
  const result = await dispatcher.dispatch(delivery({ data: 'x'.repeat(250_000) }), context());
  expect(result).toMatchObject({ outcome: 'retry', reason: expect.stringMatching(/^(too_large|connection_lost)$/) });
});

describe('our own stop', () => {
  test('while waiting for the response is counted; before anything left it is not', async () => {
    const receiver = await receive(() => undefined);
    const dispatcher = webhook({ endpoint: { url: receiver.url, secret }, egress: { allowCidrs: ['127.0.0.1'] } });
    open.push(() => dispatcher.close?.());
    const stop = new AbortController();
    const waiting = dispatcher.dispatch(delivery(), context(stop.signal));
    await until(() => receiver.received.length === 1);
    stop.abort();
    expect(await waiting).toEqual(retried('shutdown', /may have got it/));
    expect(await dispatcher.dispatch(delivery(), context(AbortSignal.abort()))).toMatchObject({
      reason: 'shutdown',
      countAttempt: false,
    });
  });
});
