/**
 * The sessions of a worker. Each sets what it depends on, whatever the role, the database or the server say. Behind a
 * pooler in transaction mode there is no session: each transaction sets it for itself, so that nothing leaks into the
 * application's.
 */
import { Socket } from 'node:net';
import { Client, Pool, type PoolClient, type PoolConfig } from 'pg';
import { codeOf } from '../errors.ts';
import { poolTimeouts } from './pool.ts';

/** `session`: a connection is a session. `transaction`: a pooler gives each transaction a backend. */
export type SessionMode = 'session' | 'transaction';

/**
 * How long the server works on a statement of a worker, and waits for a lock, in milliseconds: less than the client
 * waits. A backend that went on after the client gave up would be one more for every try.
 */
const serverTimeouts = { statement_timeout: 12_000, lock_timeout: 8_000 } as const;

/**
 * What our statements depend on. Dates are parsed as ISO, names are qualified, so that nothing on the application's
 * path stands before them, and pg-boss writes backslashes into strings.
 */
const fixed = { datestyle: 'ISO', search_path: '', standard_conforming_strings: 'on' } as const;

/** Settings of a session, by name. */
export type SessionSettings = Readonly<Record<string, string | number>>;

/** A pool whose sessions have settings. */
export interface SessionPool {
  readonly pool: Pool;
  /** Runs a query on a client of the pool, with the settings. */
  readonly query: <Result>(client: PoolClient, query: () => Promise<Result>) => Promise<Result>;
}

/** What a session pool is opened with. */
export interface SessionPoolOptions extends PoolConfig {
  readonly mode: SessionMode;
  readonly settings: SessionSettings;
}

/** Opens a pool. The first statement opens the first connection. */
export function openSessionPool({ mode, settings, ...config }: SessionPoolOptions): SessionPool {
  const all = Object.entries({ ...fixed, ...serverTimeouts, ...settings });
  if (mode === 'session') {
    const assignments = all.map(([name, value]) => `SET ${name} = '${value}'`).join('; ');
    const pool = new Pool({
      ...poolTimeouts,
      ...config,
      onConnect: async (client) => void (await client.query(`${assignments}; ${neverIdleOut}; ${ownTablespace}`)),
    });
    return { pool, query: (_, query) => query() };
  }
  const pool = new Pool({ ...poolTimeouts, ...config });
  const begin = `BEGIN; ${all.map(([name, value]) => `SET LOCAL ${name} = '${value}'`).join('; ')}`;
  const query = async <Result>(client: PoolClient, run: () => Promise<Result>) => {
    await client.query(begin);
    const result = await run();
    await client.query('COMMIT');
    return result;
  };
  return { pool: withSettings(pool, query), query };
}

/** PostgreSQL 14 and newer end sessions that are idle for that long. Those of a pool are idle often. */
const neverIdleOut = `SELECT set_config(name, '0', false)
FROM pg_catalog.pg_settings WHERE name = 'idle_session_timeout'`;

/** Postgres refuses a partitioned table while the tablespace of the database is named as the default. */
const ownTablespace = `SELECT set_config('default_tablespace', '', false)
FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
WHERE d.datname = current_database() AND t.spcname = current_setting('default_tablespace')`;

/**
 * Opens the pool of a migrating process. Its statements may take as long as they need. Behind a pooler it has no
 * settings of its own, because some statements cannot run in a transaction.
 */
export async function openMigrationPool(connectionString: string, applicationName: string): Promise<Pool> {
  const config = { connectionString, max: 2, application_name: applicationName };
  const isSession = (await detectSessionMode(connectionString)) === 'session';
  const unlimited = { statement_timeout: 0, lock_timeout: 0 };
  const pool = isSession
    ? openSessionPool({ ...config, query_timeout: 0, mode: 'session', settings: unlimited }).pool
    : new Pool(config);
  // A connection that breaks between two statements fails the next one.
  pool.on('error', () => undefined);
  return pool;
}

/** The pool with a `query` that sets the settings in a transaction of its own. A client that fails is closed. */
function withSettings(pool: Pool, query: SessionPool['query']): Pool {
  const run = async (text: string, values?: unknown[]) => {
    const client = await pool.connect();
    let good = false;
    try {
      const result = await query(client, () => client.query(text, values));
      good = true;
      return result;
    } finally {
      client.release(!good);
    }
  };
  return Object.assign(pool, { query: run as Pool['query'] });
}

/**
 * Finds out whether connections are sessions: a pooler refuses an option of the startup packet, or drops it. Rejects
 * when the database cannot be reached.
 */
export async function detectSessionMode(connectionString: string): Promise<SessionMode> {
  const client = new Client({ ...poolTimeouts, connectionString: withOption(connectionString), options: probe });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ seen: string | null }>(
      `SELECT current_setting('herald.session', true) AS seen`,
    );
    return rows[0]?.seen === 'yes' ? 'session' : 'transaction';
  } catch (error) {
    // protocol_violation: PgBouncer's answer to a startup parameter that it does not know.
    if (codeOf(error) === '08P01') return 'transaction';
    throw error;
  } finally {
    await client.end().catch(() => undefined);
  }
}

const probe = '-c herald.session=yes';

/** The `options` of a connection string replace those of the driver's configuration, so the probe joins them. */
function withOption(connectionString: string): string {
  return connectionString.replace(/([?&]options=)([^&#]*)/, `$1$2${encodeURIComponent(` ${probe}`)}`);
}

/** Sockets that can all be destroyed: a connection whose other end is silent never ends on its own. */
export interface Sockets {
  /** The `stream` option of a pool or client. */
  readonly stream: () => Socket;
  destroy(): void;
}

/** Creates an empty set of sockets. */
export function trackSockets(): Sockets {
  const open = new Set<Socket>();
  return {
    stream() {
      const socket = new Socket();
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      return socket;
    },
    destroy() {
      for (const socket of open) socket.destroy();
    },
  };
}
