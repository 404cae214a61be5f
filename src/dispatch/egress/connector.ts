/**
 * The guard at connect time. Checking a name first and resolving it again later would let a name server answer twice
 * (DNS rebinding); a `lookup` hook alone never sees literal addresses. So: literals are checked before, answers inside
 * the look-up that the socket uses, and the address the socket really reached once more after.
 */
import { isIP, type LookupFunction, type Socket } from 'node:net';
import { buildConnector } from 'undici';
import { isForbiddenAddress } from './ip-address.ts';
import { bareHost, isTrustedHost, type DestinationPolicy } from './destination.ts';
import { EgressError } from './faults.ts';
import { systemResolver, type Resolve } from './resolver.ts';

export type Connector = buildConnector.connector;

/** A CA to trust instead of the well-known ones, and a client certificate; all PEM. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface ConnectorOptions {
  readonly policy: DestinationPolicy;
  /** For names that are not in `allowHosts`; those are asked of the operating system. */
  readonly resolve: Resolve;
  /** For look-up, TCP and TLS together, in milliseconds. */
  readonly timeoutMs: number;
  readonly tls?: TlsMaterial;
}

/** A connector for undici that reaches only what the policy allows. */
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

/** Settings of every TLS connection: verified, 1.2 or newer, HTTP/1.1 only. */
export function tlsOptions(options: Pick<ConnectorOptions, 'timeoutMs' | 'tls'>): buildConnector.BuildOptions {
  return {
    ...options.tls,
    timeout: options.timeoutMs,
    allowH2: false,
    // Said aloud, because NODE_TLS_REJECT_UNAUTHORIZED=0 would otherwise win.
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
      (error: unknown) => callback(error instanceof Error ? error : new Error('look-up failed', { cause: error }), ''),
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
