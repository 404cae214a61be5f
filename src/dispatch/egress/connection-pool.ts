/** A bounded pool of idle connections, by receiver and TLS material. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Connection } from './connection.ts';

/** Connections that are waiting for their next call. */
export interface ConnectionPool {
  /** Returns an idle connection to the receiver, or the one that `open` makes. */
  take(key: string, open: () => Connection): Promise<Connection>;
  /** Returns a connection to the pool after a call that read its whole response. */
  give(key: string, connection: Connection): void;
  /** Closes all idle connections. The pool can be used again. */
  destroy(): void;
}

/** @param maxIdle connections to keep for reuse, over all receivers; any other is closed after its call. */
export function createConnectionPool(maxIdle: number): ConnectionPool {
  const idle = new Map<string, Set<Connection>>();
  let count = 0;

  function remove(key: string, connection: Connection): boolean {
    const same = idle.get(key);
    if (!same?.delete(connection)) return false;
    if (same.size === 0) idle.delete(key);
    count -= 1;
    return true;
  }

  return {
    async take(key, open) {
      for (const connection of idle.get(key) ?? []) {
        remove(key, connection);
        // Lets undici read what has arrived since the last response, which closes the connection: it is not a response
        // to the next call.
        if (connection.isOpen()) await readSockets();
        if (connection.isOpen()) return connection;
        connection.destroy();
      }
      const connection = open();
      connection.onClosed(() => {
        if (remove(key, connection)) connection.destroy();
      });
      return connection;
    },
    give(key, connection) {
      if (count >= maxIdle || !connection.isOpen()) return connection.destroy();
      const same = idle.get(key) ?? new Set();
      idle.set(key, same.add(connection));
      count += 1;
    },
    destroy() {
      for (const same of idle.values()) for (const connection of same) connection.destroy();
      idle.clear();
      count = 0;
    },
  };
}

/** The event loop reads sockets before it runs what was set with `setImmediate`: between the first and the second. */
async function readSockets(): Promise<void> {
  await nextTurn();
  await nextTurn();
}
