/** However much a receiver sends, a call reads a bounded part of it in little time. */
import type { Socket } from 'node:net';
import * as v from 'valibot';
import { afterEach, describe, expect, test } from 'vitest';
import { createEgress } from '../../../src/dispatch/egress/egress.ts';
import { egressSchema } from '../../../src/dispatch/egress/egress-options.ts';
import { certificate, testAuthority } from '../../support/certificates.ts';
import { startTcp } from '../support.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

const ok = 'HTTP/1.1 200 OK\r\n';
const chunked = `${ok}transfer-encoding: chunked\r\n\r\n`;

/** What a receiver begins with, and what it then repeats without end. */
const floods: readonly (readonly [name: string, start: string, endless: string])[] = [
  ['interim responses', '', 'HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n'],
  ['empty interim responses', '', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ['a chunk extension', `${chunked}1;`, 'x'.repeat(1_000)],
  ['chunk extensions', chunked, `1;${'x'.repeat(10_000)}\r\na\r\n`],
  ['the digits of a chunk size', chunked, '0'.repeat(1_000)],
  ['one-byte chunks', chunked, '1\r\na\r\n'],
  ['trailers', `${chunked}0\r\n`, `x-trailer: ${'y'.repeat(1_000)}\r\n`],
  ['one trailer', `${chunked}0\r\nx-trailer: `, 'y'.repeat(1_000)],
  ['a reason phrase', 'HTTP/1.1 200 ', 'OK '.repeat(300)],
  ['one header', `${ok}x-header: `, 'y'.repeat(1_000)],
  ['headers', ok, `x-header: ${'y'.repeat(1_000)}\r\n`],
  ['empty lines before the response', '', '\r\n'.repeat(500)],
  ['a body without a length', `${ok}\r\n`, 'z'.repeat(1_000)],
  ['a body with a huge length', `${ok}content-length: 9007199254740991\r\n\r\n`, 'z'.repeat(1_000)],
  ['responses to one request', '', `${ok}content-length: 0\r\n\r\n`],
];

interface Flood {
  readonly url: string;
  /** Bytes that the receiver got rid of. */
  written(): number;
}

async function startFlood(start: string, endless: string, scheme: 'http' | 'https'): Promise<Flood> {
  const block = Buffer.from(endless.repeat(Math.ceil(65_536 / endless.length)));
  let written = 0;
  const receiver = await startTcp(
    (socket: Socket) => {
      const pump = (error?: Error | null) => {
        if (error || socket.destroyed) return;
        written += block.length;
        socket.write(block, pump);
      };
      socket.once('data', () => socket.write(start, pump));
    },
    scheme === 'https' ? certificate('localhost') : undefined,
  );
  open.push(() => receiver.close());
  return { url: `${scheme}://localhost:${receiver.port}/`, written: () => written };
}

const egress = createEgress(v.parse(egressSchema, { allowHosts: ['localhost'] }));

describe.each(['http', 'https'] as const)('over %s, a receiver that never ends', (scheme) => {
  test.each(floods)('%s', async (_, start, endless) => {
    const flood = await startFlood(start, endless, scheme);
    const before = process.cpuUsage();
    const started = performance.now();
    const result = await egress.call({
      url: flood.url,
      method: 'POST',
      headers: {},
      body: Buffer.from('{}'),
      tls: { ca: testAuthority },
      timeoutSeconds: 20,
    });
    expect(performance.now() - started).toBeLessThan(3_000);
    const { user } = process.cpuUsage(before);
    expect(user / 1_000).toBeLessThan(400);
    // What the buffers of the operating system and of the test hold was not read.
    expect(flood.written()).toBeLessThan(16_000_000);
    if (result.kind === 'reply') expect(result.reply).toMatchObject({ status: 200 });
    else
      expect(result).toMatchObject({
        fault: { kind: expect.stringMatching(/^(unparsable_reply|connection_lost)$/), sent: true },
      });
  });
});
