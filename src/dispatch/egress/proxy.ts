/**
 * Calls through an egress proxy with CONNECT (RFC 9110, section 9.3.6). `http:` targets use it too, so the proxy sees
 * no path and no body. The proxy resolves the names, so it must also filter the addresses.
 */
import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import { buildConnector, Client } from 'undici';
import { tlsOptions, type Connector, type TlsMaterial } from './connector.ts';
import { EgressError } from './faults.ts';

/** An HTTP proxy. */
export interface ProxySettings {
  /** `http:` or `https:`; user name and password in it become `Proxy-Authorization: Basic`. */
  readonly url: URL;
  /** PEM of the CA of an `https:` proxy, if it is a private one. */
  readonly ca?: string;
}

/** A connector that reaches its target through the proxy. TLS to the target is verified end to end. */
export function proxyConnector(
  proxy: ProxySettings,
  options: { readonly timeoutMs: number; readonly tls?: TlsMaterial },
): Connector {
  const secure = buildConnector(tlsOptions(options));
  return (target, callback) => {
    const port = target.port || (target.protocol === 'https:' ? '443' : '80');
    const host = target.hostname.includes(':') ? `[${target.hostname}]` : target.hostname;
    openTunnel(proxy, `${host}:${port}`, options.timeoutMs).then(
      (socket) => {
        if (target.protocol === 'https:') secure({ ...target, httpSocket: socket }, callback);
        else callback(null, socket);
      },
      (error: unknown) => callback(proxyError(error), null),
    );
  };
}

async function openTunnel(proxy: ProxySettings, authority: string, timeoutMs: number): Promise<Socket> {
  const client = new Client(proxy.url.origin, {
    allowH2: false,
    headersTimeout: timeoutMs,
    connect: tlsOptions({ timeoutMs, ...(proxy.ca === undefined ? {} : { tls: { ca: proxy.ca } }) }),
  });
  try {
    const headers = { host: authority, ...authorization(proxy.url) };
    const { statusCode, headers: reply, socket } = await client.connect({ path: authority, headers });
    if (statusCode >= 200 && statusCode < 300) return asSocket(socket);
    socket.on('error', () => undefined).destroy();
    throw refusal(statusCode, reply);
  } finally {
    // An open tunnel no longer belongs to the client; this closes a connection that did not become one.
    client.destroy().catch(() => undefined);
  }
}

/** Why a proxy does not open the tunnel: its policy, the target is unreachable, or the proxy itself fails. */
function refusal(statusCode: number, headers: object): EgressError {
  if (statusCode === 403 || 'x-smokescreen-error' in headers) return new EgressError('forbidden', 'PROXY_POLICY');
  const target = statusCode === 502 || statusCode === 503 || statusCode === 504;
  return new EgressError(target ? 'unreachable' : 'proxy', `PROXY_${statusCode}`);
}

function proxyError(error: unknown): EgressError {
  if (error instanceof EgressError) return error;
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'FAILED';
  return new EgressError('proxy', code, { cause: error });
}

function authorization({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` };
}

function asSocket(stream: Duplex): Socket {
  if (stream instanceof Socket) return stream;
  throw new EgressError('proxy', 'NO_SOCKET');
}
