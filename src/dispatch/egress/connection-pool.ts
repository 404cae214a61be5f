/** A bounded pool of idle connections, by receiver and TLS material. */
import type { Connection } from './connection.ts';

/** Connections that are waiting for their next call. */
export interface ConnectionPool {
  /** Returns an idle connection to the receiver, or the one that `open` makes. */
  take(key: string, open: () => Connection): Connection;
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
    take(key, open) {
      for (const connection of idle.get(key) ?? []) {
        remove(key, connection);
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
