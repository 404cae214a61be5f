/** What a test server keeps: the things it received, and how many connections it had. */
import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
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

/** Listens on 127.0.0.1, and can end all connections at once. */
export async function listenLocally(server: Server, port = 0) {
  const sockets = new Set<Socket>();
  const counts = { most: 0, total: 0 };
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    counts.total += 1;
    counts.most = Math.max(counts.most, sockets.size);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections: (): Connections => ({ open: sockets.size, ...counts }),
    close: async () => {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
