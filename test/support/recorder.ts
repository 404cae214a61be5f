/** What a test server keeps: the things it received, and how many connections it had. */
import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { until, type WaitOptions } from './wait.ts';

export interface Recorder<T> {
  readonly add: (item: T) => void;
  /** What was received, oldest first. */
  readonly received: () => readonly T[];
  /** Number of everything received, also of what was forgotten since. */
  readonly count: () => number;
  /** Waits until at least so many were received since the start or the last `clear`, and returns them. */
  readonly waitFor: (count: number, options?: WaitOptions) => Promise<readonly T[]>;
  /** Forgets everything. */
  readonly clear: () => void;
}

export interface RecorderOptions<T> {
  /** Completes "waited for 3 ...". */
  readonly what: string;
  /** The newest that are kept; 100,000 by default. */
  readonly keep?: number | undefined;
  /** Called at once for each. */
  readonly onItem?: ((item: T) => void) | undefined;
}

export function createRecorder<T>({ what, keep = 100_000, onItem }: RecorderOptions<T>): Recorder<T> {
  let items: T[] = [];
  let count = 0;
  return {
    add: (item) => {
      items.push(item);
      count += 1;
      // In blocks: moving a long list for each item would be slow.
      if (items.length > keep * 1.1 + 10) items = items.slice(-keep);
      onItem?.(item);
    },
    received: () => items.slice(-keep),
    count: () => count,
    waitFor: async (wanted, options = {}) => {
      await until(() => count >= wanted || Promise.reject(new Error(`${count} received`)), {
        what: `${wanted} ${what}`,
        ...options,
      });
      return items.slice(-keep);
    },
    clear: () => {
      items = [];
      count = 0;
    },
  };
}

export interface Connections {
  /** Open now. */
  readonly open: number;
  /** Most that were open at once. */
  readonly most: number;
  /** Ever accepted. */
  readonly total: number;
}

interface ListenOptions {
  /** An ephemeral port by default. */
  readonly port?: number | undefined;
  /** Whether the server may put TLS on a connection, and then says so by `secured`. */
  readonly upgrades?: boolean;
}

/** How long `close` waits for connections that it must not break, in milliseconds. */
const patienceMs = 2000;

/**
 * Listens on 127.0.0.1, and can break all connections at once. A socket is never destroyed beneath a TLS socket: while
 * its handshake goes on, Node would crash. One that may be at this point is left to the client or to its handshake.
 */
export async function listenLocally(server: Server, { port = 0, upgrades = false }: ListenOptions = {}) {
  // By the client's port, which plain and TLS socket have in common.
  const sockets = new Map<number, { socket: Socket; breakable: boolean }>();
  const counts = { most: 0, total: 0 };
  let closed: Promise<unknown> | undefined;
  const breakAll = () => {
    const ended = new Promise((done) => server.close(done));
    for (const { socket, breakable } of sockets.values()) if (breakable) socket.destroy();
    return Promise.race([ended, pause(patienceMs, undefined, { ref: false })]);
  };
  server.on('connection', (socket: Socket) => {
    const key = socket.remotePort ?? 0;
    sockets.set(key, { socket, breakable: !upgrades });
    counts.total += 1;
    counts.most = Math.max(counts.most, sockets.size);
    socket.on('error', () => undefined).once('close', () => sockets.delete(key));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections: (): Connections => ({ open: sockets.size, ...counts }),
    secured: (socket: Socket): void => {
      if (closed) socket.destroy();
      else sockets.set(socket.remotePort ?? 0, { socket, breakable: true });
    },
    close: async (): Promise<void> => {
      await (closed ??= breakAll());
    },
  };
}
