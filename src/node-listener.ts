/** A fetch-style handler on node:http: as the listener of a server, or inside Express, Fastify and others. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';

/** What a server may tell about a request. */
export interface Connection {
  /** The client's network address. The console counts failed sign-ins by it. */
  readonly address?: string;
}

/** A handler of the console, an inbox, or any other of ours. */
export interface FetchHandler {
  /** Handles one request. */
  readonly fetch: (request: Request, connection?: Connection) => Promise<Response>;
}

/**
 * Returns a `(request, response)` listener for node:http, Express, NestJS, Fastify and others. A form or JSON that a
 * body parser has already read is taken from `request.body`.
 */
export function nodeListener(handler: FetchHandler): (request: IncomingMessage, response: ServerResponse) => void {
  const listener = getRequestListener((request, { incoming }) => handler.fetch(request, connectionOf(incoming)), {
    overrideGlobalObjects: false,
  });
  return (request, response) => {
    // Express removes the mount path from the URL; the handler needs the whole path.
    if ('originalUrl' in request && typeof request.originalUrl === 'string') request.url = request.originalUrl;
    if (restoreBody(request)) void listener(request, response);
    else response.writeHead(400, { 'Content-Type': 'text/plain; charset=utf-8' }).end(bodyIsGone);
  };
}

const bodyIsGone =
  'Something read the body of this request before its handler could, and left nothing in request.body. ' +
  'Mount the handler before body parsers.';

/** If a body parser has read the stream, puts the body together again. Returns false if it is lost. */
function restoreBody(request: IncomingMessage & { readonly body?: unknown; rawBody?: unknown }): boolean {
  if (request.method === 'GET' || request.method === 'HEAD' || !request.readableDidRead) return true;
  if (Buffer.isBuffer(request.rawBody)) return true;
  const { body } = request;
  const isJson = /^application\/json\b/i.test(request.headers['content-type'] ?? '');
  if (typeof body === 'string' || Buffer.isBuffer(body)) request.rawBody = Buffer.from(body);
  else if (typeof body === 'object' && body !== null)
    request.rawBody = Buffer.from(isJson ? JSON.stringify(body) : formText(body));
  return Buffer.isBuffer(request.rawBody);
}

function formText(fields: object): string {
  const pairs = Object.entries(fields).flatMap(([name, value]: [string, unknown]) =>
    (Array.isArray(value) ? value : [value]).map((one: unknown) => [name, String(one)] as [string, string]),
  );
  return new URLSearchParams(pairs).toString();
}

function connectionOf({ socket }: { readonly socket: Pick<Socket, 'remoteAddress'> }): Connection {
  return socket.remoteAddress === undefined ? {} : { address: socket.remoteAddress };
}
