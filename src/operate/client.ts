import type { Pool, PoolClient } from 'pg';

/** A `pg` pool, or a client of it, for example inside the caller's own transaction. */
export type Client = Pick<Pool | PoolClient, 'query'>;
