/** An SMTP server on this machine that accepts and stores every email. */
import { decodeWords } from 'postal-mime';
import { optionalPackage } from '../optional-package.ts';
import { type CaptureStore, messageIdIn } from './capture-store.ts';
import { listenOrElse } from './listen.ts';

/** A server that stores what it is sent. */
export interface Catcher {
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** Size of an email, in bytes. */
const maxBytes = 50_000_000;

/**
 * Starts on 127.0.0.1: on `port`, or on any free one if it is taken or 0.
 * @throws {ConfigurationError} if the package smtp-server is not installed.
 */
export async function startMailCatcher(captured: CaptureStore, port = 0): Promise<Catcher> {
  const names = '--save-dev smtp-server';
  const { SMTPServer } = await optionalPackage(() => import('smtp-server'), names, 'pg-herald dev');
  const server = new SMTPServer({
    authOptional: true,
    hideSTARTTLS: true,
    hideSMTPUTF8: false,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 500,
    size: maxBytes,
    onData: (stream, { envelope }, answer) => {
      store(captured, { stream, to: envelope.rcptTo.map(({ address }) => address) }).then(() => answer(), answer);
    },
  });
  // A client may hang up in the middle.
  server.on('error', () => undefined);
  const listening = await listenOrElse(server.server, port);
  return { port: listening, close: () => new Promise((closed) => server.close(closed)) };
}

interface IncomingEmail {
  readonly stream: AsyncIterable<Buffer>;
  readonly to: readonly string[];
}

async function store(captured: CaptureStore, { stream, to }: IncomingEmail): Promise<void> {
  const raw = await captured.read(stream, maxBytes);
  if (raw === null) throw Object.assign(new Error('5.3.4 message too big'), { responseCode: 552 });
  const header = raw.toString('utf8').split(/\r?\n\r?\n/, 1)[0] ?? '';
  await captured.add({
    kind: 'mail',
    messageId: messageIdIn(fieldOf(header, 'message-id')),
    to: to.join(', '),
    title: decodeWords(fieldOf(header, 'subject') ?? '(no subject)'),
    raw,
  });
}

/** Unfolds the value of a header field. */
function fieldOf(header: string, name: string): string | undefined {
  const lines = header.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/);
  return lines
    .find((line) => line.toLowerCase().startsWith(`${name}:`))
    ?.slice(name.length + 1)
    .trim();
}
