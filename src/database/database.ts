/** The worker's connections, and the statements that it runs repeatedly on them. */
import type { Pool, PoolConfig } from 'pg';
import { withClient } from './pool.ts';
import { openSessionPool } from './session.ts';

/** A statement that is parsed and planned once per connection. No other statement may have its name. */
export interface PreparedStatement {
  readonly name: string;
  readonly text: string;
}

/** Runs prepared statements on the connections of one pool. */
export interface Database {
  readonly pool: Pool;
  /**
   * Runs a statement and returns its rows. `isGood` judges them: if it returns false, the connection is closed
   * afterwards, because it leads to a server that no longer helps, such as a standby.
   */
  run<Row>(
    statement: PreparedStatement,
    values: readonly unknown[],
    isGood?: (rows: readonly Row[]) => boolean,
  ): Promise<Row[]>;
}

/** What `openDatabase` needs. */
export interface DatabaseOptions extends Pick<PoolConfig, 'stream'> {
  readonly connectionString: string;
  readonly applicationName: string;
  readonly maxConnections: number;
  /**
   * False: every statement is planned anew and the session keeps no state, as a pooler in transaction mode needs.
   */
  readonly prepare: boolean;
}

/**
 * Opens a pool; the first statement opens the first connection. An idle connection that breaks is replaced, and
 * `onLost` is called with the error.
 */
export function openDatabase(options: DatabaseOptions, onLost: (error: Error) => void): Database {
  const { prepare, connectionString, maxConnections, applicationName, stream } = options;
  const { pool, query: withSettings } = openSessionPool({
    mode: prepare ? 'session' : 'transaction',
    // A plan that was made while a table was empty would scan the whole table once it is not. Where no index fits, the
    // estimated cost would trigger JIT compilation: more than a second for a millisecond of work.
    settings: { enable_seqscan: 'off', jit: 'off' },
    connectionString,
    max: maxConnections,
    application_name: applicationName.slice(0, 63),
    ...(stream !== undefined && { stream }),
  });
  pool.on('error', onLost);
  return {
    pool,
    run<Row>(
      { name, text }: PreparedStatement,
      values: readonly unknown[],
      isGood?: (rows: readonly Row[]) => boolean,
    ) {
      const query = { ...(prepare && { name }), text, values: [...values] };
      return withClient(
        pool,
        async (client) => (await withSettings(client, () => client.query(query))).rows as Row[],
        isGood,
      );
    },
  };
}
