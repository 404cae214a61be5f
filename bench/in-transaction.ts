/** How long a statement takes inside of a transaction. */
import type { Pool, PoolClient } from 'pg';

/** Milliseconds between the statement's start and its result, in a transaction that has done something already. */
export async function inTransaction(pool: Pool, statement: (client: PoolClient) => Promise<unknown>): Promise<number> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN; INSERT INTO business VALUES (1)');
    const startedAt = performance.now();
    await statement(client);
    const took = performance.now() - startedAt;
    await client.query('COMMIT');
    return took;
  } finally {
    client.release();
  }
}
