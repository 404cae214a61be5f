/**
 * One connection to one receiver, used for one call at a time. Every call therefore knows whether its connection was
 * new and how far it got, which distinguishes a receiver that is down from one that never responded, and tells when a
 * reset may be retried at once because the connection was reused.
 */
import { Client, type Dispatcher } from 'undici';
import type { Socket } from 'node:net';
import type { Connector } from './connector.ts';
import { EgressError } from './faults.ts';
import { type ReadReply, replyReader } from './reply.ts';

/** Idle connections are closed after this time; most receivers close theirs after 5 s or more. */
const idleMs = 4_000;
/** The most bytes of response headers. */
const maxHeaderSize = 16_384;
/**
 * The most bytes that one call may read from its socket. Interim responses and chunk extensions are neither headers nor
 * body, so a receiver could send them without end.
 */
const maxSocketBytes = 262_144;

/** A connection to one origin. */
export interface Connection {
  /** Sends one request and reads its response. Rejects with the error of undici or the connector if there is none. */
  request(options: Dispatcher.DispatchOptions): Promise<ReadReply>;
  /**
   * Since the last `request` started: whether a socket was opened (`fresh`), and whether one was usable (`connected`).
   */
  readonly progress: { readonly fresh: boolean; readonly connected: boolean };
  /** Whether the next request can be sent at once. */
  isOpen(): boolean;
  /** Calls the listener whenever the socket closes. Register once: the client keeps every listener. */
  onClosed(listener: () => void): void;
  destroy(): void;
}

/** Prepares a connection to an origin; the socket is opened by the first request. */
export function openConnection(origin: string, connector: Connector): Connection {
  let progress = { fresh: true, connected: false };
  let budget: SocketBudget | undefined;
  const client = new Client(origin, {
    allowH2: false,
    pipelining: 1,
    maxHeaderSize,
    keepAliveTimeout: idleMs,
    keepAliveMaxTimeout: idleMs,
    connect: (target, callback) => {
      progress = { fresh: true, connected: false };
      connector(target, (...outcome) => {
        const [error, socket] = outcome;
        progress = { fresh: true, connected: error === null };
        if (socket) budget = limitSocket(socket);
        callback(...outcome);
      });
    },
  });
  return {
    request(options) {
      progress = { fresh: false, connected: client.stats.connected };
      budget?.renew();
      return new Promise((resolve, reject) => client.dispatch(options, replyReader(resolve, reject)));
    },
    get progress() {
      return progress;
    },
    isOpen: () => client.stats.connected && !client.destroyed,
    onClosed: (listener) => void client.on('disconnect', listener),
    destroy: () => void client.destroy().catch(() => undefined),
  };
}

interface SocketBudget {
  /** Allows another `maxSocketBytes`, for the next call. */
  renew(): void;
}

/** Destroys the socket when a call reads too much. undici reads in its own listener of the same event. */
function limitSocket(socket: Socket): SocketBudget {
  let limit = socket.bytesRead + maxSocketBytes;
  socket.prependListener('readable', () => {
    if (socket.bytesRead > limit) socket.destroy(new EgressError('unparsable_reply', 'RESPONSE_TOO_LONG'));
  });
  return {
    renew() {
      limit = socket.bytesRead + maxSocketBytes;
    },
  };
}
