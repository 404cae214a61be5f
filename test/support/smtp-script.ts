/** An SMTP server that follows a script, line by line: for the faults that a well-behaved server never shows. */
import { createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { certificate } from './certificates.ts';
import { type Connections, listenLocally } from './recorder.ts';

/** One turn: wait for what the client says, then say or do something. All parts are optional, in this order. */
export interface Step {
  /** A line the client must send next; `message` is everything after DATA up to the lone dot. */
  readonly expect?: RegExp | 'message';
  readonly delayMs?: number;
  /** A reply without its line end; lines of a longer one are separated by CR LF. */
  readonly reply?: string;
  /** Bytes exactly as they are. */
  readonly raw?: string | Uint8Array;
  /** `end`: orderly close. `destroy`: close at once. `reset`: TCP RST. `starttls`: a TLS handshake begins. */
  readonly then?: 'end' | 'destroy' | 'reset' | 'starttls';
}

/** Steps of a connection; the function form is given its number, from 1. */
export type Script = readonly Step[] | ((connection: number) => readonly Step[]);

export interface ScriptedSmtpServer {
  readonly host: string;
  readonly port: number;
  /** Every line of all clients, in order; log-in and message lines too. */
  readonly lines: () => readonly string[];
  /** Messages that were sent to the end. */
  readonly messages: () => readonly string[];
  /** Where a client departed from the script; such a connection is destroyed. */
  readonly departures: () => readonly string[];
  readonly connections: () => Connections;
  readonly close: () => Promise<void>;
}

/**
 * Starts the server. After its last step a connection stays open and silent. RSET, NOOP and QUIT are answered as usual
 * wherever the script does not expect them, since clients send them when they like.
 */
export async function startSmtpScript(script: Script): Promise<ScriptedSmtpServer> {
  const log: Log = { lines: [], messages: [], departures: [] };
  let accepted = 0;
  const server = createServer((socket) => {
    accepted += 1;
    const steps = typeof script === 'function' ? script(accepted) : script;
    // The client hanging up ends the conversation, wherever it is.
    const conversing = converse({ plain: socket, steps, log, secured: (top) => listener.secured(top) });
    conversing.catch(() => undefined);
  });
  const listener = await listenLocally(server);
  const { port, connections, close } = listener;
  return {
    host: '127.0.0.1',
    port,
    lines: () => log.lines,
    messages: () => log.messages,
    departures: () => log.departures,
    connections,
    close,
  };
}

/** The phases of an email, each answered as an ordinary server would; name those that should differ. */
export function conversation(changes: Partial<Record<keyof typeof ordinary, Step>> = {}): Step[] {
  return Object.entries({ ...ordinary, ...changes }).map(([phase, step]) => ({
    ...(phase in ordinary && { expect: ordinary[phase as keyof typeof ordinary].expect }),
    ...step,
  })) as Step[];
}

const ordinary = {
  greeting: { expect: undefined, reply: '220 mx.test ESMTP' },
  ehlo: { expect: /^EHLO /i, reply: '250-mx.test\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME' },
  mail: { expect: /^MAIL FROM:/i, reply: '250 2.1.0 ok' },
  recipient: { expect: /^RCPT TO:/i, reply: '250 2.1.5 ok' },
  data: { expect: /^DATA$/i, reply: '354 go ahead' },
  message: { expect: 'message', reply: '250 2.0.0 queued as TEST1' },
} as const;

interface Log {
  readonly lines: string[];
  readonly messages: string[];
  readonly departures: string[];
}

interface Talk {
  readonly plain: Socket;
  readonly steps: readonly Step[];
  readonly log: Log;
  /** Told of the TLS socket that from then on stands for the connection. */
  readonly secured: (top: Socket) => void;
}

async function converse({ plain, steps, log, secured }: Talk): Promise<void> {
  let socket = plain;
  let lines = readLines(socket, log);
  for (const step of steps) {
    if (step.expect === 'message') log.messages.push(await readMessage(lines));
    else if (step.expect && !(await meets(step.expect, { socket, lines, log }))) return;
    if (step.delayMs !== undefined) await pause(step.delayMs, undefined, { ref: false });
    if (step.reply !== undefined) socket.write(`${step.reply}\r\n`);
    if (step.raw !== undefined) socket.write(step.raw);
    if (step.then === 'starttls') {
      await lines.return(undefined);
      socket = new TLSSocket(socket, { isServer: true, ...certificate('localhost') });
      socket.on('error', () => undefined);
      secured(socket);
      lines = readLines(socket, log);
    } else if (step.then) return leave(socket, step.then);
  }
  for await (const line of lines) answerCourtesy(socket, line);
}

function leave(socket: Socket, how: 'end' | 'destroy' | 'reset'): void {
  if (how === 'end') socket.end();
  else if (how === 'destroy') socket.destroySoon();
  else socket.resetAndDestroy();
}

interface Conversation {
  readonly socket: Socket;
  readonly lines: AsyncGenerator<string, void>;
  readonly log: Log;
}

async function meets(expected: RegExp, { socket, lines, log }: Conversation): Promise<boolean> {
  for (;;) {
    const line = await nextLine(lines);
    if (expected.test(line)) return true;
    if (!answerCourtesy(socket, line)) {
      log.departures.push(`expected ${expected}, got ${JSON.stringify(line)}`);
      socket.destroy();
      return false;
    }
  }
}

/** Answers what a client may say at any time. */
function answerCourtesy(socket: Socket, line: string): boolean {
  if (/^(RSET|NOOP)\b/i.test(line)) return socket.write('250 2.0.0 ok\r\n') || true;
  if (!/^QUIT\b/i.test(line)) return false;
  socket.end('221 2.0.0 bye\r\n');
  return true;
}

async function readMessage(lines: AsyncGenerator<string, void>): Promise<string> {
  const body: string[] = [];
  for (;;) {
    const line = await nextLine(lines);
    if (line === '.') return body.join('\r\n');
    body.push(line.startsWith('.') ? line.slice(1) : line);
  }
}

async function nextLine(lines: AsyncGenerator<string, void>): Promise<string> {
  const { value, done } = await lines.next();
  if (done || value === undefined) throw new Error('the client closed the connection');
  return value;
}

/** Yields lines without their CR LF, and leaves the socket usable when it is returned early. */
async function* readLines(socket: Socket, log: Log): AsyncGenerator<string, void> {
  let rest = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    rest += String(chunk);
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const line = rest.slice(0, end).replace(/\r$/, '');
      rest = rest.slice(end + 1);
      log.lines.push(line);
      yield line;
    }
  }
}
