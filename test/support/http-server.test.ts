import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, fetch } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { testAuthority } from './certificates.ts';
import { type HttpServerOptions, startHttpServer } from './http-server.ts';

async function start(options: HttpServerOptions = {}) {
  const server = await startHttpServer(options);
  onTestFinished(server.close);
  return server;
}

test('keeps method, path, headers and the exact bytes', async () => {
  const server = await start();
  const response = await fetch(`${server.url}/hook?a=1`, { method: 'POST', body: '{"ü":1}', headers: { 'X-Id': '7' } });
  expect(response.status).toBe(204);
  const [request] = await server.waitFor(1);
  expect(request).toMatchObject({ method: 'POST', path: '/hook?a=1', headers: { 'x-id': '7' } });
  expect(request?.body).toEqual(Buffer.from('{"ü":1}'));
  expect(request?.json()).toEqual({ ü: 1 });
});

test('answers in order, and the last one ever after', async () => {
  const server = await start({
    answer: [
      { status: 503, headers: { 'Retry-After': '7' } },
      { status: 200, body: 'ok' },
    ],
  });
  const answers = [];
  for (let n = 0; n < 3; n += 1) answers.push(await fetch(server.url));
  expect(answers.map(({ status }) => status)).toEqual([503, 200, 200]);
  expect(answers[0]?.headers.get('retry-after')).toBe('7');
  expect(await answers[1]?.text()).toBe('ok');
});

test('a function answers by request and number', async () => {
  const server = await start({ answer: ({ path }, index) => ({ status: 200, body: `${path} ${index}` }) });
  await fetch(`${server.url}/one`);
  expect(await (await fetch(`${server.url}/two`)).text()).toBe('/two 1');
});

test.each(['destroy', 'reset'] as const)('breaks the connection: %s', async (fault) => {
  const server = await start({ answer: [{ fault }] });
  await expect(fetch(server.url)).rejects.toThrow('fetch failed');
  expect(server.count()).toBe(1);
});

test('never answers, or with bytes that are not HTTP', async () => {
  const server = await start({ answer: [{ fault: 'hang' }, { raw: 'SSH-2.0-nonsense\r\n' }] });
  await expect(fetch(server.url, { signal: AbortSignal.timeout(50) })).rejects.toThrow('timeout');
  await expect(fetch(server.url)).rejects.toThrow('fetch failed');
});

test('sends a body without end until the client has enough', async () => {
  async function* endless() {
    for (;;) {
      yield 'x'.repeat(1000);
      await pause(1);
    }
  }
  const server = await start({ answer: [{ status: 200, body: endless() }] });
  const response = await fetch(server.url);
  let read = 0;
  for await (const chunk of response.body ?? []) {
    read += chunk.byteLength;
    if (read > 3000) break;
  }
  expect(read).toBeGreaterThan(3000);
});

test('speaks HTTPS with a certificate of the test authority', async () => {
  const server = await start({ certificate: 'localhost' });
  const dispatcher = new Agent({ connect: { ca: testAuthority } });
  onTestFinished(() => dispatcher.destroy());
  expect((await fetch(server.url, { dispatcher })).status).toBe(204);
  await expect(fetch(server.url)).rejects.toThrow('fetch failed');
});

test('close breaks a connection in use and frees the port', async () => {
  const server = await start({ answer: [{ fault: 'hang' }] });
  const request = fetch(server.url).catch((error: Error) => error.message);
  await server.waitFor(1);
  await server.close();
  expect(await request).toBe('fetch failed');
  const next = createServer();
  await new Promise<void>((listening) => next.listen(server.port, '127.0.0.1', listening));
  await new Promise((closed) => next.close(closed));
});
