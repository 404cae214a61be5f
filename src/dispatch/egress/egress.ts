/**
 * Every outgoing HTTP call: guarded against server-side request forgery, bounded in time and in bytes read, never
 * redirected, never decompressed. A failed call is a value.
 */
import { createHash } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { LruCache } from '../../lru.ts';
import { addressSet } from './ip-address.ts';
import type { Connection } from './connection.ts';
import type { Connector, TlsMaterial } from './connector.ts';
import { checkDestination, type Destination, type DestinationPolicy } from './destination.ts';
import { classifyError, type EgressFault } from './faults.ts';
import type { EgressSettings } from './egress-options.ts';
import { createConnectionPool } from './connection-pool.ts';
import { publicResolver, type Resolve } from './resolver.ts';
import type { EgressReply } from './reply.ts';

/** One HTTP request. */
export interface EgressRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  readonly tls?: TlsMaterial;
  /** From the lookup to the last byte read, in seconds. The status line must arrive within three quarters of it. */
  readonly timeoutSeconds: number;
  readonly signal?: AbortSignal;
}

/** The result of a call. `refused`: the URL may not be called; nothing was resolved or sent. */
export type EgressResult =
  | { readonly kind: 'reply'; readonly reply: EgressReply }
  | { readonly kind: 'fault'; readonly fault: EgressFault; readonly reused: boolean; readonly milliseconds: number }
  | { readonly kind: 'refused'; readonly refusal: string };

/** Makes outgoing calls. */
export interface Egress {
  /** Makes one call. Never throws for anything that a receiver or the network does. */
  call(request: EgressRequest): Promise<EgressResult>;
  /** Why the URL may not be called; null if it may, as far as that is known without resolving its name. */
  refusal(url: string): string | null;
  /** Closes idle connections. Calls in flight finish and close theirs. */
  close(): void;
}

const maxIdleConnections = 256;
/** URLs whose check is cached: it depends on the policy alone. Names are resolved at every connect. */
const maxDestinations = 1_000;
/** One per TLS material and timeout, because connectors keep TLS sessions. */
const maxConnectors = 1_000;
const maxConnectSeconds = 10;

/** @param resolve replaces the name servers; for tests of the guard. */
export function createEgress(settings: EgressSettings, resolve: Resolve = resolverOf(settings)): Egress {
  const policy = policyOf(settings);
  const pool = createConnectionPool(maxIdleConnections);
  const connectors = new Map<string, Connector>();
  const destinations = new LruCache<Destination>(maxDestinations);
  const destinationOf = (url: string) => destinations.get(url, () => checkDestination(url, policy));

  function connectorFor(client: HttpClient, request: EgressRequest): { key: string; connector: Connector } {
    const timeoutMs = Math.min(maxConnectSeconds, request.timeoutSeconds) * 1_000;
    const key = `${timeoutMs} ${fingerprint(request.tls)}`;
    const known = connectors.get(key);
    if (known) return { key, connector: known };
    if (connectors.size >= maxConnectors) connectors.clear();
    const options = { timeoutMs, ...(request.tls ? { tls: request.tls } : {}) };
    const connector = settings.proxy
      ? client.proxyConnector(settings.proxy, options)
      : client.guardedConnector({ ...options, policy, resolve });
    connectors.set(key, connector);
    return { key, connector };
  }

  return {
    refusal(url) {
      const destination = checkDestination(url, policy);
      return 'refusal' in destination ? destination.refusal : null;
    },
    async call(request) {
      const destination = destinationOf(request.url);
      if ('refusal' in destination) return { kind: 'refused', refusal: destination.refusal };
      if (request.signal?.aborted) return stopped;
      const { origin } = destination.url;
      const client = await loadClient();
      const { key, connector } = connectorFor(client, request);
      // By URL, not by origin: if a receiver sends more than one response, the next call might get it, and it must not
      // be a call to another owner's endpoint on the same host.
      const poolKey = `${request.url} ${key}`;
      const connection = await pool.take(poolKey, () => client.openConnection(origin, connector));
      const result = await exchange(connection, destination.url, request);
      if (result.kind === 'reply' && result.reply.complete) pool.give(poolKey, connection);
      else connection.destroy();
      return result;
    },
    close: () => pool.destroy(),
  };
}

/** undici takes 30 MB and 0.1 s, so only what calls anything loads it. */
const loadClient = () => import('./client.ts');

type HttpClient = Awaited<ReturnType<typeof loadClient>>;

/** The signal was aborted before anything was opened. */
const stopped: EgressResult = {
  kind: 'fault',
  fault: { kind: 'aborted', code: 'ABORTED', sent: false },
  reused: false,
  milliseconds: 0,
};

async function exchange(connection: Connection, url: URL, request: EgressRequest): Promise<EgressResult> {
  const started = performance.now();
  const milliseconds = () => Math.round(performance.now() - started);
  let late = false;
  // Before the response starts this ends the call as a fault, afterwards as an incomplete reply. undici would look at a
  // signal only once there is a connection, and add a listener per call.
  const cut = () => connection.destroy();
  const timer = setTimeout(() => {
    late = true;
    cut();
  }, request.timeoutSeconds * 1_000);
  request.signal?.addEventListener('abort', cut);
  try {
    const reply = await connection.request({
      path: `${url.pathname}${url.search}`,
      method: request.method,
      headers: { 'accept-encoding': 'identity', ...request.headers },
      body: request.body ?? null,
      headersTimeout: request.timeoutSeconds * 750,
      bodyTimeout: 0,
    });
    return { kind: 'reply', reply: { ...reply, milliseconds: milliseconds() } };
  } catch (error) {
    const { fresh, connected } = connection.progress;
    const fault = faultOf(error, connected, { aborted: request.signal?.aborted, late });
    return { kind: 'fault', fault, reused: !fresh, milliseconds: milliseconds() };
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener('abort', cut);
  }
}

function faultOf(
  error: unknown,
  sent: boolean,
  cut: { readonly aborted: boolean | undefined; readonly late: boolean },
): EgressFault {
  if (cut.aborted) return { kind: 'aborted', code: 'ABORTED', sent };
  if (cut.late) return { kind: sent ? 'no_reply' : 'connect_timeout', code: 'DEADLINE', sent };
  return classifyError(error, sent);
}

function resolverOf({ nameServers }: EgressSettings): Resolve {
  return publicResolver(nameServers.length === 0 ? {} : { servers: nameServers });
}

function policyOf(settings: EgressSettings): DestinationPolicy {
  // This host's own public addresses lead to ports that were never meant for tenants.
  const own = Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
  return {
    allow: addressSet('egress.allowCidrs', settings.allowCidrs),
    deny: addressSet('egress.denyCidrs', [...settings.denyCidrs, ...own.filter((address) => !address.includes('%'))]),
    allowHosts: settings.allowHosts,
    ports: settings.ports,
    allowHttp: settings.allowHttp,
  };
}

function fingerprint(tls: TlsMaterial | undefined): string {
  if (tls === undefined) return '';
  const parts = JSON.stringify([tls.ca ?? null, tls.cert ?? null, tls.key ?? null]);
  return createHash('sha256').update(parts).digest('base64');
}
