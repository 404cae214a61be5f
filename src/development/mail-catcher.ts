/** A mail server on this machine that accepts and stores every email. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';
import { type CaptureStore, messageIdIn } from './capture-store.ts';

/** A server that stores what it is sent. */
export interface Catcher {
  readonly port: number;
  readonly close: () => Promise<void>;
}

const mostBytes = 50_000_000;

/** Starts on a free port of 127.0.0.1. */
export async function startMailCatcher(captured: CaptureStore): Promise<Catcher> {
  const server = new SMTPServer({
    authOptional: true,
    hideSTARTTLS: true,
    hideSMTPUTF8: false,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 500,
    size: mostBytes,
    onData: (stream, { envelope }, answer) => {
      const store = async () => {
        const source = (await buffer(stream)).toString('utf8');
        if (stream.sizeExceeded) throw Object.assign(new Error('5.3.4 message too big'), { responseCode: 552 });
        await captured.add(
          mailOf(
            source,
            envelope.rcptTo.map(({ address }) => address),
          ),
        );
      };
      store().then(() => answer(), answer);
    },
  });
  // A client may hang up in the middle.
  server.on('error', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  const { port } = server.server.address() as AddressInfo;
  return { port, close: () => new Promise((closed) => server.close(closed)) };
}

function mailOf(source: string, to: readonly string[]): Parameters<CaptureStore['add']>[0] {
  const header = source.split(/\r?\n\r?\n/, 1)[0] ?? '';
  return {
    kind: 'mail',
    messageId: messageIdIn(fieldOf(header, 'message-id')),
    to: to.join(', '),
    title: decodeWords(fieldOf(header, 'subject') ?? '(no subject)'),
    source,
  };
}

/** Unfolds the value of a header field. */
function fieldOf(header: string, name: string): string | undefined {
  const lines = header.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/);
  return lines
    .find((line) => line.toLowerCase().startsWith(`${name}:`))
    ?.slice(name.length + 1)
    .trim();
}

/** Decodes RFC 2047 encoded words in UTF-8, which is what mailers write today. Other encodings stay encoded. */
export function decodeWords(text: string): string {
  return text.replace(/\?=\s+=\?/g, '?==?').replace(/(=\?utf-8\?[bq]\?[^?]*\?=)+/gi, (words) => {
    const parts = words.match(/=\?utf-8\?([bq])\?([^?]*)\?=/gi) ?? [];
    return Buffer.concat(parts.map(bytesOf)).toString('utf8');
  });
}

function bytesOf(word: string): Buffer {
  const [, , encoding = '', text = ''] = word.split('?');
  if (encoding.toLowerCase() === 'b') return Buffer.from(text, 'base64');
  const plain = text
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(plain, 'latin1');
}
