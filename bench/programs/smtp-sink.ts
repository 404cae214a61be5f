/**
 * An SMTP server that accepts everything at once and keeps nothing: for STARTTLS, which Postfix's smtp-sink has not, for
 * the time at which a message's bytes arrive, and where no smtp-sink is installed. It reads just enough of the protocol.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { serve } from './serve.ts';

export interface SinkInput {
  /** PEM; offers STARTTLS. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Keeps when the first byte of each message came, by the number in its recipient's address. */
  readonly times?: boolean;
}

/** Milliseconds since the epoch, with fractions. */
const now = () => performance.timeOrigin + performance.now();

serve<SinkInput>(async ({ tls, times }) => {
  const context = tls === undefined ? null : createSecureContext(tls);
  const arrivals = times ? new Map<number, number>() : null;
  const server = createServer({ noDelay: true }, (socket) => converse(socket, context, arrivals));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    answers: {
      port: () => {
        const address = server.address();
        return typeof address === 'object' ? address?.port : null;
      },
      /** Number and time of all that came since the last question. */
      arrivals: () => {
        const entries = [...(arrivals ?? [])];
        arrivals?.clear();
        return entries;
      },
    },
    close: async () => void server.close(),
  };
});

function converse(socket: Socket, context: SecureContext | null, arrivals: Map<number, number> | null): void {
  socket.on('error', () => undefined);
  socket.write('220 sink ESMTP\r\n');
  speak(socket, { context, arrivals });
}

interface Manner {
  readonly context: SecureContext | null;
  readonly arrivals: Map<number, number> | null;
}

function speak(socket: Socket, { context, arrivals }: Manner): void {
  let rest = '';
  /** When the first byte of the message came that is being read; null between messages. */
  let dataSince: number | null = null;
  let expectsData = false;
  let recipient = 0;

  function line(text: string): void {
    const verb = text.slice(0, 4).toUpperCase();
    if (verb === 'EHLO') {
      const extensions = ['PIPELINING', '8BITMIME', ...(context === null ? [] : ['STARTTLS'])];
      socket.write(
        `250-sink\r\n${extensions.map((name, i) => `250${i === extensions.length - 1 ? ' ' : '-'}${name}`).join('\r\n')}\r\n`,
      );
    } else if (verb === 'STAR' && context !== null) upgrade(context);
    else if (verb === 'DATA') {
      expectsData = true;
      socket.write('354 go on\r\n');
    } else if (verb === 'RCPT') {
      recipient = Number(/\d+/.exec(text)?.[0]);
      socket.write('250 ok\r\n');
    } else if (verb === 'QUIT') socket.end('221 bye\r\n');
    else socket.write('250 ok\r\n');
  }

  function upgrade(secureContext: SecureContext): void {
    socket.removeAllListeners('data');
    socket.write('220 ready\r\n');
    const secure = new TLSSocket(socket, { isServer: true, secureContext });
    secure.on('error', () => undefined);
    speak(secure, { context: null, arrivals });
  }

  function read(chunk: string): void {
    rest += chunk;
    for (;;) {
      if (expectsData) {
        dataSince ??= rest === '' ? null : now();
        const end = rest.indexOf('\r\n.\r\n');
        if (end < 0) return;
        arrivals?.set(recipient, dataSince ?? now());
        rest = rest.slice(end + 5);
        expectsData = false;
        dataSince = null;
        socket.write('250 accepted\r\n');
      } else {
        const end = rest.indexOf('\r\n');
        if (end < 0) return;
        const text = rest.slice(0, end);
        rest = rest.slice(end + 2);
        line(text);
      }
    }
  }

  socket.setEncoding('latin1').on('data', read);
}
