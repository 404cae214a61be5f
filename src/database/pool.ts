/** Connections to the database: how long to wait for them, and how to borrow one. */
import type { Pool, PoolClient } from 'pg';

/** For pools that nobody may wait for for long: a connection, and an answer where the other end may be gone without a word. */
export const patience = { connectionTimeoutMillis: 5000, query_timeout: 15_000, keepAlive: true } as const;
/** For upkeep, whose statements may take long. Endless, a connection gone silent would keep a lone worker from taking over leases. */
export const upkeepPatience = {
  connectionTimeoutMillis: patience.connectionTimeoutMillis,
  query_timeout: 60_000,
} as const;

/** A pool, or a client inside a transaction. */
export type Queryable = Pick<Pool | PoolClient, 'query'>;

/** Runs work with a connection. One that failed, or that is no good any more, is closed and replaced. */
export async function borrow<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
  isGood: (result: T) => boolean = () => true,
): Promise<T> {
  const client = await pool.connect();
  // A connection that breaks tells its query and its listeners as well; without a listener Node would end the process.
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

/** Runs work in a transaction. What fails is not rolled back: its connection is closed, and the server rolls back for it. */
export function transaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  return borrow(pool, async (client) => {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  });
}
