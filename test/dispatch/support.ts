/** What the tests of outgoing calls share: a message, receivers on ephemeral ports, certificates. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import type { Delivery, DispatchContext } from '../../src/dispatch/dispatcher.ts';
import { silentLogger } from '../../src/vocabulary.ts';

export const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

export function delivery(changes: Partial<Delivery> = {}): Delivery {
  return {
    messageId: '0199f3a0-7b1c-7000-8000-00000000002a',
    attempt: 1,
    method: 'webhook',
    template: { name: 'workspace-deleted', version: 3, group: 'Workspace events' },
    recipient: { id: 'user-1', name: 'Ada Lovelace', email: 'ada@example.com', locale: 'en-GB' },
    labels: { workspace: 'dev-box', reason: 'inactive' },
    data: { bytes: 12, nested: [1, 'zwei', null] },
    targets: ['workspace-42'],
    content: {
      title: 'Workspace "dev-box" was deleted',
      markdown: 'Your workspace **dev-box** was deleted.',
      text: 'Your workspace dev-box was deleted.',
      html: '<p>Your workspace <strong>dev-box</strong> was deleted.</p>',
      actions: [{ label: 'Restore it', url: 'https://app.example.com/restore/dev-box' }],
      language: 'en',
      direction: 'ltr',
    },
    brand: { appName: 'Acme', baseUrl: 'https://app.example.com' },
    createdAt: new Date('2026-11-24T08:30:00.000Z'),
    expiresAt: null,
    sender: null,
    tenant: null,
    groupKey: null,
    dedupeKey: 'workspace-deleted:42',
    unsubscribeUrl: null,
    endpointId: null,
    ...changes,
  };
}

export function context(signal: AbortSignal = new AbortController().signal): DispatchContext {
  return { signal, logger: silentLogger };
}

/** A request as a receiver saw it. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
  /** TCP connections that reached it, whether or not they said anything. */
  connections(): number;
  close(): Promise<void>;
}

export type Answer = (response: ServerResponse, request: Received, count: number) => void;

/** An HTTP receiver that reads each request and then answers; by default with an empty 200. */
export async function startReceiver(
  answer: Answer = (response) => response.end(),
  tls?: ServerOptions,
): Promise<Receiver> {
  const received: Received[] = [];
  const listener: RequestListener = (request, response) => {
    readRequest(request).then(
      (complete) => {
        received.push(complete);
        answer(response, complete, received.length);
      },
      () => response.destroy(),
    );
  };
  const server = tls ? createHttpsServer(tls, listener) : createHttpServer(listener);
  return { ...(await listen(server, tls ? 'https' : 'http')), received };
}

/** A receiver that speaks whatever `talk` makes it speak. */
export async function startTcp(talk: (socket: Socket) => void, tls?: TlsOptions): Promise<Omit<Receiver, 'received'>> {
  const speak = (socket: Socket) => {
    socket.on('error', () => undefined);
    talk(socket);
  };
  return tls ? listen(createTlsServer(tls, speak), 'https') : listen(createTcpServer(speak), 'http');
}

async function listen(server: Server, scheme: string): Promise<Omit<Receiver, 'received'>> {
  const sockets = new Set<Socket>();
  let count = 0;
  server.on('connection', (socket) => {
    count += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `${scheme}://127.0.0.1:${port}/hook`,
    port,
    connections: () => count,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function readRequest(request: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
  return {
    method: request.method ?? '',
    path: request.url ?? '',
    headers,
    body: Buffer.concat(chunks).toString('utf8'),
  };
}

/** A port of 127.0.0.1 on which nothing listens. */
export async function closedPort(): Promise<number> {
  const { port, close } = await startTcp(() => undefined);
  await close();
  return port;
}

/** A file of `tls/`, for example `server.crt`. */
export function pem(name: string): string {
  return readFileSync(new URL(`tls/${name}`, import.meta.url), 'utf8');
}

/** Resolves once `condition` holds; fails after ten seconds. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('the condition did not come true within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
