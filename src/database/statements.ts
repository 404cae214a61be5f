/** The worker's connections, and the statements that it runs again and again on them. */
import { Pool } from 'pg';
import { borrow, patience } from './pool.ts';

/** A statement that is parsed and planned once per connection; the name must be its alone. */
export interface PreparedStatement {
  readonly name: string;
  readonly text: string;
}

export interface Database {
  readonly pool: Pool;
  /** Afterwards the connection is closed if `serves` says so of the rows: it leads to a server that cannot help any more. */
  run<Row>(
    statement: PreparedStatement,
    values: readonly unknown[],
    serves?: (rows: readonly Row[]) => boolean,
  ): Promise<Row[]>;
}

export interface DatabaseOptions {
  readonly connectionString: string;
  readonly applicationName: string;
  readonly maxConnections: number;
  /** Off: every statement is planned anew and the session keeps no state, as PgBouncer's transaction pooling needs. */
  readonly prepare: boolean;
}

/** Opens nothing before the first statement. An idle connection that breaks is replaced; `onLost` only hears of it. */
export function openDatabase(options: DatabaseOptions, onLost: (error: Error) => void): Database {
  const { prepare } = options;
  const pool = new Pool({
    ...patience,
    connectionString: options.connectionString,
    max: options.maxConnections,
    application_name: options.applicationName.slice(0, 63),
    // A kept plan that was made while a table was empty would read the whole of it when it no longer is. Where no index fits, what
    // that costs on paper would have the statement compiled: more than a second, each time, for a millisecond of work.
    ...(prepare && {
      onConnect: async (client) => void (await client.query('SET enable_seqscan = off; SET jit = off')),
    }),
  });
  pool.on('error', onLost);
  return {
    pool,
    run<Row>(
      { name, text }: PreparedStatement,
      values: readonly unknown[],
      serves?: (rows: readonly Row[]) => boolean,
    ) {
      const query = { ...(prepare && { name }), text, values: [...values] };
      return borrow(pool, async (client) => (await client.query(query)).rows as Row[], serves);
    },
  };
}
