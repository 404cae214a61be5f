/** The console on node:http: as its own server, or as a listener for Express, Fastify and others. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { once } from 'node:events';
import { getRequestListener } from '@hono/node-server';
import { isLoopback } from '../dispatch/egress/ip-address.ts';
import { ConfigurationError } from '../errors.ts';
import { type Connection, type Console, createConsole } from './console.ts';
import type { ConsoleOptions } from './options.ts';

/**
 * Returns a `(request, response)` listener for node:http, Express, NestJS, Fastify and others. Forms that a body parser
 * has already read are taken from `request.body`.
 */
export function nodeListener(
  handler: Pick<Console, 'fetch'>,
): (request: IncomingMessage, response: ServerResponse) => void {
  const listener = getRequestListener((request, { incoming }) => handler.fetch(request, connectionOf(incoming)), {
    overrideGlobalObjects: false,
  });
  return (request, response) => {
    // Express removes the mount path from the URL; the console needs the whole path.
    if ('originalUrl' in request && typeof request.originalUrl === 'string') request.url = request.originalUrl;
    if (restoreBody(request)) void listener(request, response);
    else response.writeHead(400, { 'Content-Type': 'text/plain; charset=utf-8' }).end(bodyIsGone);
  };
}

const bodyIsGone =
  'Something read the body of this request before the console could, and left nothing in request.body. ' +
  'Mount the console before body parsers.';

/** If a body parser has read the stream, puts the form together again. Returns false if the form is lost. */
function restoreBody(request: IncomingMessage & { readonly body?: unknown; rawBody?: unknown }): boolean {
  if (request.method === 'GET' || request.method === 'HEAD' || !request.readableDidRead) return true;
  if (Buffer.isBuffer(request.rawBody)) return true;
  const { body } = request;
  if (typeof body === 'string' || Buffer.isBuffer(body)) request.rawBody = Buffer.from(body);
  else if (typeof body === 'object' && body !== null) request.rawBody = Buffer.from(formText(body));
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

/** Options of `serveConsole`. */
export interface ServeOptions extends ConsoleOptions {
  /** 0 takes any free port. Default: 4780. */
  readonly port?: number;
  /** Address to listen on. Any other than loopback requires `token` or `authorize`. Default: 127.0.0.1. */
  readonly host?: string;
  /** Name for the audit when there is neither a token nor `authorize`, on loopback only. Default: `operator`. */
  readonly operator?: string;
}

/** A running console server. */
export interface ConsoleServer {
  /** Where it listens. */
  readonly url: string;
  /** Ends live streams and stops listening. */
  readonly close: () => Promise<void>;
}

/**
 * Serves the console on a port of its own.
 *
 * @throws {ConfigurationError} if an option is invalid, or if anyone on the network could use the console.
 */
export async function serveConsole(options: ServeOptions): Promise<ConsoleServer> {
  const { port = 4780, host = '127.0.0.1', operator, ...rest } = options;
  const isOpen = rest.token === undefined && rest.authorize === undefined;
  if (isOpen && !isLoopback(host))
    throw new ConfigurationError(
      'host',
      `${host} is reachable from other machines: give a token (--token-file), or listen on 127.0.0.1 behind a ` +
        'proxy that authenticates',
    );
  const operatorConsole = createConsole(
    isOpen ? { ...rest, authorize: (request) => localOperator(request, operator) } : rest,
  );
  const server = createServer(nodeListener(operatorConsole));
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    await operatorConsole.close();
    throw error;
  }
  const address = server.address() as AddressInfo;
  const urlHost = host.includes(':') ? `[${host.replace(/^\[|\]$/g, '')}]` : host;
  return {
    url: `http://${urlHost}:${address.port}${rest.basePath?.replace(/\/$/, '') ?? ''}/`,
    close: async () => {
      const ended = new Promise((resolve) => server.close(resolve));
      await operatorConsole.close();
      server.closeAllConnections();
      await ended;
    },
  };
}

/**
 * Another site may point its own name at this machine (DNS rebinding), so only requests for a loopback name are
 * accepted.
 */
function localOperator(request: Request, operator = 'operator'): string | null {
  const host = request.headers.get('host') ?? new URL(request.url).host;
  return URL.canParse(`http://${host}`) && isLoopback(new URL(`http://${host}`).hostname) ? operator : null;
}
