/** The console behind node:http: as a server of its own, or as a listener for Express, Fastify and the like. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { getRequestListener } from '@hono/node-server';
import { ConfigurationError } from '../errors.ts';
import { type Console, createConsole } from './console.ts';
import type { ConsoleOptions } from './options.ts';

/** A `(request, response)` function. In Express mount it before anything that reads the body. */
export function nodeListener(
  handler: Pick<Console, 'fetch'>,
): (request: IncomingMessage, response: ServerResponse) => void {
  const listener = getRequestListener((request) => handler.fetch(request), { overrideGlobalObjects: false });
  return (request, response) => {
    // Express takes the mount path off the URL; the console wants it whole.
    if ('originalUrl' in request && typeof request.originalUrl === 'string') request.url = request.originalUrl;
    void listener(request, response);
  };
}

export interface ServeOptions extends ConsoleOptions {
  /** 0: any free one. Default 4780. */
  readonly port?: number;
  /** Default 127.0.0.1. Beyond loopback a token or the host's `authorize` is demanded. */
  readonly host?: string;
  /** Without a token and without `authorize`: who acts, on loopback only. */
  readonly operator?: string;
}

export interface ConsoleServer {
  readonly url: string;
  /** Ends live pages and stops listening. */
  readonly close: () => Promise<void>;
}

const loopback = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i;

/**
 * Serves the console by itself.
 *
 * @throws {ConfigurationError} where it would be open to everybody, or for an option that is wrong.
 */
export async function serveConsole(options: ServeOptions): Promise<ConsoleServer> {
  const { port = 4780, host = '127.0.0.1', operator, ...rest } = options;
  const isOpen = rest.token === undefined && rest.authorize === undefined;
  if (isOpen && !loopback.test(host))
    throw new ConfigurationError(
      'host',
      `${host} can be reached from other machines; give a token (--token-file), or listen on 127.0.0.1 behind a proxy that asks who it is`,
    );
  const served = createConsole(isOpen ? { ...rest, authorize: (request) => localOperator(request, operator) } : rest);
  const server = createServer(nodeListener(served));
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    await served.close();
    throw error;
  }
  const address = server.address() as AddressInfo;
  const shown = host.includes(':') ? `[${host.replace(/^\[|\]$/g, '')}]` : host;
  return {
    url: `http://${shown}:${address.port}${rest.basePath?.replace(/\/$/, '') ?? ''}/`,
    close: async () => {
      const ended = new Promise((resolve) => server.close(resolve));
      await served.close();
      server.closeAllConnections();
      await ended;
    },
  };
}

/** A page elsewhere may make its own name point at this machine: only requests for a loopback name are answered. */
function localOperator(request: Request, operator = 'operator'): string | null {
  const host = request.headers.get('host') ?? new URL(request.url).host;
  return URL.canParse(`http://${host}`) && loopback.test(new URL(`http://${host}`).hostname) ? operator : null;
}
