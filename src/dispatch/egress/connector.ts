/**
 * The guard against server-side request forgery at connect time. Resolving a name to check it and again to connect
 * would let a name server give two answers (DNS rebinding), and a `lookup` hook never sees literal addresses. So
 * literals are checked before, answers inside the lookup that the socket uses, and the address that the socket reached
 * afterwards.
 */
import { isIP, type LookupFunction, type Socket } from 'node:net';
import { buildConnector } from 'undici';
import { isForbiddenAddress } from './ip-address.ts';
import { bareHost, isTrustedHost, type DestinationPolicy } from './destination.ts';
import { EgressError } from './faults.ts';
import { systemResolver, type Resolve } from './resolver.ts';

/** Opens a socket to an origin, as undici calls it. */
export type Connector = buildConnector.connector;

/** A CA to trust instead of the well-known ones, and a client certificate with its key; all PEM. */
export interface TlsMaterial {
  /** PEM of the authorities to trust instead of the well-known ones. */
  readonly ca?: string;
  /** PEM of the client certificate. */
  readonly cert?: string;
  /** PEM of the key of `cert`. */
  readonly key?: string;
}

/** What a guarded connector needs. */
export interface ConnectorOptions {
  readonly policy: DestinationPolicy;
  /** Resolves names that are not in `allowHosts`; the operating system resolves those that are. */
  readonly resolve: Resolve;
  /** For lookup, TCP and TLS together, in milliseconds. */
  readonly timeoutMs: number;
  readonly tls?: TlsMaterial;
}

/** A connector for undici that reaches only addresses that the policy allows. */
export function guardedConnector(options: ConnectorOptions): Connector {
  const { policy } = options;
  const connect = buildConnector({
    ...tlsOptions(options),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: 1_000,
    lookup: guardedLookup(options),
  });
  return (target, callback) => {
    const host = bareHost(target.hostname);
    const trusted = isTrustedHost(host, policy);
    if (isIP(host) !== 0 && !trusted && isForbiddenAddress(host, policy)) return callback(forbidden(), null);
    connect(target, (error, socket) => {
      if (error !== null) return callback(error, null);
      if (!trusted && !reachedAllowed(socket, policy)) return callback(forbidden(), null);
      callback(null, socket);
    });
  };
}

/** Settings of every TLS connection: certificate verified, TLS 1.2 or newer, HTTP/1.1 only. */
export function tlsOptions(options: Pick<ConnectorOptions, 'timeoutMs' | 'tls'>): buildConnector.BuildOptions {
  return {
    ...options.tls,
    timeout: options.timeoutMs,
    allowH2: false,
    // Explicit, because NODE_TLS_REJECT_UNAUTHORIZED=0 changes the default.
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
  };
}

function guardedLookup({ policy, resolve }: ConnectorOptions): LookupFunction {
  return (hostname, { all }, callback) => {
    const trusted = isTrustedHost(hostname, policy);
    (trusted ? systemResolver : resolve)(hostname).then(
      (answers) => {
        const allowed = trusted ? answers : answers.filter((address) => !isForbiddenAddress(address, policy));
        const [first] = allowed;
        if (first === undefined) callback(forbidden(), '');
        else if (all)
          callback(
            null,
            allowed.map((address) => ({ address, family: isIP(address) })),
          );
        else callback(null, first, isIP(first));
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error('lookup failed', { cause: error }), ''),
    );
  };
}

function reachedAllowed(socket: Socket, policy: DestinationPolicy): boolean {
  if (socket.remoteAddress !== undefined && !isForbiddenAddress(socket.remoteAddress, policy)) return true;
  socket.destroy();
  return false;
}

function forbidden(): EgressError {
  return new EgressError('forbidden', 'ADDRESS_NOT_ALLOWED');
}
