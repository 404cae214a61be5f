/**
 * Random HTTP responses: statuses, splits, chunking, interim responses, lies about lengths, timings, breaks. Whatever a
 * receiver does, a call ends in time with a valid result, a success needs the complete head of a 2xx, nothing that was sent
 * is stored, and the next call gets its own response.
 */
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Dispatcher, DispatchResult } from '../../src/dispatch/dispatcher.ts';
import { reasons } from '../../src/vocabulary.ts';
import { webhook } from '../../src/dispatch/webhook/webhook.ts';
import { context, delivery, secret, startTcp } from '../dispatch/support.ts';

interface Response {
  readonly interim: readonly number[];
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
  /** How the end of the body is told. */
  readonly framing: 'length' | 'chunked' | 'close' | 'short' | 'long' | 'two lengths' | 'both' | 'no number';
  /** Where the bytes are split, and how long the pauses between the parts are. */
  readonly splits: readonly { readonly at: number; readonly ms: number }[];
  /** Bytes after which the receiver breaks off; null: not at all. */
  readonly cutAt: number | null;
  readonly end: 'keep' | 'close' | 'reset' | 'garbage' | 'second response';
}

const planted = 'PLANTED-s3cret-4711';
const headerNames = ['retry-after', 'webhook-delivery', 'location', 'set-cookie', 'connection', 'x-y', 'content-type'];
const headerValues = [
  '0',
  '30',
  '1e9',
  '-1',
  'Fri, 31 Dec 2099 23:59:59 GMT',
  'close',
  'disable',
  'abort-message',
  planted,
];

const responses: fc.Arbitrary<Response> = fc.record({
  interim: fc.array(fc.constantFrom(100, 102, 103, 103, 103), { maxLength: 40 }),
  status: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(200, 204, 202) },
    { weight: 1, arbitrary: fc.constantFrom(301, 400, 401, 410, 413, 425, 429, 500, 503, 599, 600, 999, 42, 0) },
  ),
  headers: fc.array(
    fc
      .tuple(fc.constantFrom(...headerNames), fc.constantFrom(...headerValues))
      .map(([name, value]) => `${name}: ${value}`),
    { maxLength: 4 },
  ),
  body: fc.oneof(
    fc.constant(''),
    fc.constant(`{"error":"cannot use ${planted}"}`),
    fc.string({ maxLength: 200 }),
    fc.constant('x'.repeat(70_000)),
  ),
  framing: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('length' as const, 'chunked' as const, 'close' as const) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        'short' as const,
        'long' as const,
        'two lengths' as const,
        'both' as const,
        'no number' as const,
      ),
    },
  ),
  splits: fc.array(fc.record({ at: fc.nat(400), ms: fc.constantFrom(0, 1, 5) }), { maxLength: 5 }),
  cutAt: fc.option(fc.nat(300), { freq: 4 }),
  end: fc.constantFrom('keep', 'keep', 'close', 'reset', 'garbage', 'second response'),
});

const isBodyless = (status: number) => status === 204 || status === 304;

function framingHeaders({ framing, body }: Response): string[] {
  const length = Buffer.byteLength(body);
  switch (framing) {
    case 'length':
      return [`content-length: ${length}`];
    case 'chunked':
      return ['transfer-encoding: chunked'];
    case 'close':
      return [];
    case 'short':
      return [`content-length: ${Math.max(0, length - 3)}`];
    case 'long':
      return [`content-length: ${length + 3}`];
    case 'two lengths':
      return [`content-length: ${length}`, `content-length: ${length + 1}`];
    case 'both':
      return [`content-length: ${length}`, 'transfer-encoding: chunked'];
    case 'no number':
      return ['content-length: many'];
    default:
      return framing satisfies never;
  }
}

function bytesOf(response: Response): { readonly head: Buffer; readonly all: Buffer } {
  const interim = response.interim.map((status) => `HTTP/1.1 ${status} Wait\r\nlink: </a>\r\n\r\n`).join('');
  const lines = [`HTTP/1.1 ${response.status} Because`, ...response.headers, ...framingHeaders(response)];
  const head = Buffer.from(`${interim}${lines.join('\r\n')}\r\n\r\n`);
  const { body, framing } = response;
  const chunked = framing === 'chunked' || framing === 'both';
  const size = Buffer.byteLength(body).toString(16);
  const sent = chunked ? (body === '' ? '0\r\n\r\n' : `${size}\r\n${body}\r\n0\r\n\r\n`) : body;
  return { head, all: Buffer.concat([head, Buffer.from(isBodyless(response.status) ? '' : sent)]) };
}

async function play(socket: Socket, response: Response): Promise<void> {
  const { all } = bytesOf(response);
  const bytes = response.cutAt === null ? all : all.subarray(0, response.cutAt);
  let done = 0;
  for (const { at, ms } of response.splits.toSorted((a, b) => a.at - b.at)) {
    if (at <= done || at >= bytes.length) continue;
    socket.write(bytes.subarray(done, at));
    done = at;
    await sleep(ms);
  }
  socket.write(bytes.subarray(done));
  if (response.cutAt !== null || response.end === 'close') socket.end();
  else if (response.end === 'reset') socket.resetAndDestroy();
  else if (response.end === 'garbage') socket.write('\x00\x01 HTTP/1.1 200 OK\r\n\r\n');
  else if (response.end === 'second response') socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  else if (response.framing === 'close') socket.end();
}

let next: Response | 'healthy' = 'healthy';
let receiver: Awaited<ReturnType<typeof startTcp>>;
let dispatcher: Dispatcher;
beforeAll(async () => {
  receiver = await startTcp((socket) => {
    let received = '';
    socket.on('data', (data) => {
      received += data.toString('latin1');
      // A request is whole when the body of its stated length is there.
      const head = received.indexOf('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
      if (head < 0 || received.length < head + 4 + length) return;
      received = '';
      if (next === 'healthy') socket.write('HTTP/1.1 418 Own response\r\ncontent-length: 0\r\n\r\n');
      else void play(socket, next);
    });
  });
  dispatcher = webhook({
    endpoint: {
      url: `${receiver.url}/${planted}`,
      secret,
      timeoutSeconds: 1,
      headers: { authorization: `Bearer ${planted}` },
    },
    egress: { allowCidrs: ['127.0.0.1'] },
  });
});
afterAll(async () => {
  await dispatcher.close?.();
  await receiver.close();
});

const message = delivery({ labels: { code: planted }, secrets: [planted] });

function checkValid(result: DispatchResult): void {
  expect(JSON.stringify(result)).not.toMatch(/PLANTED|s3cret|4711/);
  if (result.outcome === 'sent') return;
  expect(reasons).toContain(result.reason);
  expect(result.detail.length).toBeLessThanOrEqual(500);
  const { retryAfterSeconds = 0, reply } = result;
  expect(Number.isInteger(retryAfterSeconds) && retryAfterSeconds >= 0 && retryAfterSeconds <= 86_400).toBe(true);
  expect(reply?.text?.length ?? 0).toBeLessThanOrEqual(512);
  expect(result.pauseMethod).toBeUndefined();
}

/** Whether the response leaves no doubt that it is a 2xx, and whether it can be taken for one at all. */
function expectedSuccess(response: Response): { readonly must: boolean; readonly may: boolean } {
  const { head } = bytesOf(response);
  const complete = response.cutAt === null || response.cutAt >= head.length;
  const isSuccess = response.status >= 200 && response.status < 300;
  const disabled = response.headers.includes('webhook-delivery: disable');
  const honest = ['length', 'chunked', 'close', 'short', 'long'].includes(response.framing);
  const calm = response.interim.every((status) => status !== 100) && response.interim.length <= 32;
  const may = complete && isSuccess && !disabled;
  return { may, must: may && honest && calm && response.end !== 'reset' && response.headers.length === 0 };
}

test('whatever a receiver answers, the result is valid and the connection stays in step', async () => {
  await fc.assert(
    fc.asyncProperty(responses, async (response) => {
      next = response;
      const started = performance.now();
      const result = await dispatcher.dispatch(message, context());
      // The timeout, and a second call after a lost connection.
      expect(performance.now() - started).toBeLessThan(4_000);
      checkValid(result);
      const { may, must } = expectedSuccess(response);
      if (result.outcome === 'sent') expect(may).toBe(true);
      if (must) expect(result).toMatchObject({ outcome: 'sent' });
      next = 'healthy';
      // What arrives late enough is taken for the response to the next call of the same URL, but never for longer.
      const tries = ['second response', 'garbage'].includes(response.end) ? 3 : 1;
      const details = [];
      for (let call = 0; call < tries && details.at(-1) !== 'HTTP 418'; call += 1)
        details.push((await dispatcher.dispatch(message, context())).detail?.slice(0, 8));
      expect(details.at(-1)).toBe('HTTP 418');
    }),
    { numRuns: 400, seed: Number(process.env['FUZZ_SEED'] ?? 1), endOnFailure: true },
  );
});
