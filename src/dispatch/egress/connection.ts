/**
 * One connection to one receiver, used for one call at a time, so that it is known of every call whether it went out
 * on a fresh connection and how far it came. That tells a receiver that is down from one that never answered, and
 * makes the one immediate retry after a reset on a reused connection safe to decide.
 */
import { Client, type Dispatcher } from 'undici';
import type { Connector } from './connector.ts';
import { type ReadReply, replyReader } from './reply.ts';

/** Idle connections are closed after this time; receivers close theirs after 5 s at the earliest. */
const idleMs = 4_000;
/** Bytes of response headers. */
const maxHeaderSize = 16_384;

export interface Connection {
  /** Sends one request and reads its response. Rejects with undici's or the connector's error where there is none. */
  request(options: Dispatcher.DispatchOptions): Promise<ReadReply>;
  /** Since the last `request` began: whether a socket was opened, and whether a usable one exists or existed. */
  readonly progress: { readonly fresh: boolean; readonly connected: boolean };
  /** Whether the next request can go out at once. */
  isOpen(): boolean;
  /** Called whenever the socket has gone. Register once: the client would keep every listener. */
  onClosed(listener: () => void): void;
  destroy(): void;
}

export function openConnection(origin: string, connector: Connector): Connection {
  let progress = { fresh: true, connected: false };
  const client = new Client(origin, {
    allowH2: false,
    pipelining: 1,
    maxHeaderSize,
    keepAliveTimeout: idleMs,
    keepAliveMaxTimeout: idleMs,
    connect: (target, callback) => {
      progress = { fresh: true, connected: false };
      connector(target, (...outcome) => {
        progress = { fresh: true, connected: outcome[0] === null };
        callback(...outcome);
      });
    },
  });
  return {
    request(options) {
      progress = { fresh: false, connected: client.stats.connected };
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
