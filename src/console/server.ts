/** The console as a server of its own. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { isLoopback } from '../dispatch/egress/ip-address.ts';
import { ConfigurationError } from '../errors.ts';
import { nodeListener } from '../node-listener.ts';
import { createConsole } from './console.ts';
import type { ConsoleOptions } from './options.ts';

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
