/** Timeouts of our connection pools, and how to use a connection of a pool. */
import type { ClientBase, Pool, PoolClient } from 'pg';

/** For a pool that must not wait: for a connection, or for a server that stopped answering without closing. */
export const poolTimeouts = { connectionTimeoutMillis: 5000, query_timeout: 15_000, keepAlive: true } as const;

/**
 * For maintenance, whose statements may take long. Without an end, a connection that went silent would keep the only
 * worker from taking over the leases of a dead one.
 */
export const maintenanceTimeouts = {
  connectionTimeoutMillis: poolTimeouts.connectionTimeoutMillis,
  query_timeout: 60_000,
} as const;

/**
 * An option of a pool: its sessions show dates as the driver reads them, whatever the role or the database says.
 * PgBouncer keeps this setting apart for each of its clients.
 */
export const isoDates = {
  onConnect: async (client: ClientBase): Promise<void> => void (await client.query("SET datestyle = 'ISO'")),
} as const;

/** A pool, or a client inside a transaction. */
export type Queryable = Pick<Pool | PoolClient, 'query'>;

/** Runs work with a connection. A connection whose work failed, or whose result is not good, is closed and replaced. */
export async function withClient<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
  isGood: (result: T) => boolean = () => true,
): Promise<T> {
  const client = await pool.connect();
  // A connection that breaks emits an error beside rejecting its query. Without a listener Node would end the process.
  const ignore = () => undefined;
  client.on('error', ignore);
  let good = false;
  try {
    const result = await work(client);
    good = isGood(result);
    return result;
  } finally {
    client.off('error', ignore);
    client.release(!good);
  }
}

/** Runs work in a transaction. When it fails, the connection is closed, and the server rolls the transaction back. */
export function transaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  return withClient(pool, async (client) => {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  });
}
