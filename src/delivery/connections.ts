/** The connections of a worker: 15 at most, as sessions or through a pooler in transaction mode. */
import type { Pool } from 'pg';
import { maintenanceTimeouts } from '../database/pool.ts';
import { detectSessionMode, openSessionPool, type SessionMode, trackSockets } from '../database/session.ts';
import { type Database, openDatabase } from '../database/database.ts';
import type { QueueOptions } from '../queue/queue.ts';
import type { WorkerOptions } from './options.ts';
import type { ErrorReporter } from './services.ts';

/** The open connections of a worker. */
export interface Connections {
  readonly database: Database;
  readonly queuePool: Pool;
  /** How pg-boss opens the connections of its maintenance. */
  readonly queue: Pick<QueueOptions, 'connectionString' | 'maintenance'>;
  /** Resolves when every connection has ended. May never do so: call `destroy` then. */
  close(): Promise<void>;
  /** Ends every connection at once, whatever the other end does. */
  destroy(): void;
}

/** Statements of the maintenance may take longer, but not longer than their client waits. */
const maintenanceServerTimeouts = { statement_timeout: 50_000 } as const;

/** Opens the pools of a worker. Asks first whether a pooler is in between, unless the options say so. */
export async function openConnections(
  worker: string,
  { connectionString, prepareStatements, logger }: WorkerOptions,
  errors: ErrorReporter,
): Promise<Connections> {
  const mode = await modeOf(connectionString, prepareStatements);
  if (mode === 'transaction' && prepareStatements === undefined)
    logger?.info(
      {},
      'a pooler is in between: statements are not prepared, and every transaction sets what it depends on',
    );
  const sockets = trackSockets();
  const { stream } = sockets;
  const database = openDatabase(
    {
      ...{ connectionString, stream, applicationName: `pg-herald worker ${worker}`, maxConnections: 8 },
      prepare: mode === 'session',
    },
    (error) => errors.report(error, 'database connection lost'),
  );
  const queuePool = openQueuePool({ connectionString, mode, errors, stream });
  return {
    database,
    queuePool,
    queue: {
      connectionString,
      maintenance: { ...maintenanceTimeouts, ...(mode === 'session' && maintenanceServerTimeouts), stream },
    },
    close: async () => void (await Promise.all([database.pool.end(), queuePool.end()])),
    destroy: () => sockets.destroy(),
  };
}

async function modeOf(connectionString: string, prepareStatements: boolean | undefined): Promise<SessionMode> {
  if (prepareStatements === undefined) return detectSessionMode(connectionString);
  return prepareStatements ? 'session' : 'transaction';
}

/** Opens the connections that lease and remove jobs. */
export function openQueuePool(options: {
  readonly connectionString: string;
  readonly mode: SessionMode;
  readonly errors: ErrorReporter;
  readonly stream?: ReturnType<typeof trackSockets>['stream'];
}): Pool {
  const { connectionString, mode, errors, stream } = options;
  const { pool } = openSessionPool({
    mode,
    // A crash of the server undoes a lease or its end, nothing more: the message row is durable, and decides.
    settings: { synchronous_commit: 'off' },
    connectionString,
    max: 4,
    application_name: 'pg-herald queue',
    ...(stream !== undefined && { stream }),
  });
  pool.on('error', (error) => errors.report(error, 'queue connection lost'));
  return pool;
}
