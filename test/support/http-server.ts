/** A real HTTP(S) receiver that keeps what it receives and answers as told: for tests, benchmarks and the demo. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { type CertificateName, certificate } from './certificates.ts';
import { type Connections, createRecorder, listenLocally, type Recorder } from './recorder.ts';

export interface ReceivedRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Names as they were written, for what `headers` merges: name, value, name, value. */
  readonly rawHeaders: readonly string[];
  /** The bytes as they came: what a signature covers. */
  readonly body: Buffer;
  readonly receivedAt: Date;
  readonly json: () => unknown;
}

/** How to answer. All parts are optional; an empty one is a 204 at once. */
export interface Answer {
  readonly delayMs?: number;
  /** 204 by default. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An iterable is sent piece by piece, as slowly and for as long as it yields. */
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array>;
  /** Written to the connection instead of a response, exactly as it is; the connection is then closed. */
  readonly raw?: string | Uint8Array;
  /** Instead of a response. `destroy`: close. `reset`: TCP RST. `hang`: never answer. */
  readonly fault?: 'destroy' | 'reset' | 'hang';
}

export interface HttpServerOptions {
  /** An ephemeral port by default. */
  readonly port?: number;
  /** HTTPS with this certificate; plain HTTP by default. */
  readonly certificate?: CertificateName;
  /** Answers in order, the last one repeated; or a function, given the number of the request, from 0. */
  readonly answer?: readonly Answer[] | ((request: ReceivedRequest, index: number) => Answer | Promise<Answer>);
  /** Called for each request, before it is answered. */
  readonly onRequest?: (request: ReceivedRequest) => void;
  /** The newest requests that are kept; 100,000 by default. */
  readonly keep?: number;
}

export interface TestHttpServer extends Omit<Recorder<ReceivedRequest>, 'add'> {
  /** For example `http://127.0.0.1:41234`, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly connections: () => Connections;
  /** Breaks all connections. */
  readonly close: () => Promise<void>;
}

export async function startHttpServer(options: HttpServerOptions = {}): Promise<TestHttpServer> {
  const recorder = createRecorder<ReceivedRequest>({ what: 'requests', keep: options.keep, onItem: options.onRequest });
  const receive = (message: IncomingMessage, response: ServerResponse) => {
    // The client hung up before it had said everything, or before the answer was out.
    respond(message, response).catch(() => response.destroy());
  };
  const respond = async (message: IncomingMessage, response: ServerResponse) => {
    const request = await requestOf(message);
    const index = recorder.count();
    recorder.add(request);
    await send(response, await answerTo(options.answer, request, index));
  };
  const secure = options.certificate !== undefined;
  const server = secure ? createTlsServer(certificate(options.certificate), receive) : createServer(receive);
  const { port, connections, close, secured } = await listenLocally(server, { port: options.port, upgrades: secure });
  server.on('secureConnection', secured);
  const { add: _, ...records } = recorder;
  return { url: `${secure ? 'https' : 'http'}://127.0.0.1:${port}`, port, connections, close, ...records };
}

async function requestOf(message: IncomingMessage): Promise<ReceivedRequest> {
  const receivedAt = new Date();
  const body = await buffer(message);
  return {
    method: message.method ?? '',
    path: message.url ?? '',
    headers: message.headers,
    rawHeaders: message.rawHeaders,
    body,
    receivedAt,
    json: () => JSON.parse(body.toString('utf8')),
  };
}

async function answerTo(answer: HttpServerOptions['answer'], request: ReceivedRequest, index: number): Promise<Answer> {
  if (typeof answer === 'function') return answer(request, index);
  return answer?.[Math.min(index, answer.length - 1)] ?? {};
}

async function send(response: ServerResponse, answer: Answer): Promise<void> {
  if (answer.delayMs !== undefined) await pause(answer.delayMs, undefined, { ref: false });
  const { socket } = response;
  if (answer.fault === 'hang' || !socket) return;
  if (answer.fault === 'destroy') socket.destroy();
  else if (answer.fault === 'reset') socket.resetAndDestroy();
  else if (answer.raw !== undefined) socket.end(answer.raw);
  else {
    response.writeHead(answer.status ?? 204, answer.headers);
    const { body = '' } = answer;
    if (typeof body === 'string' || body instanceof Uint8Array) response.end(body);
    else
      Readable.from(body)
        .on('error', () => response.destroy())
        .pipe(response);
  }
}
