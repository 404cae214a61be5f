/** The workers of this database: those that are connected, and what each of them delivers. */
import type { Queryable } from '../database/pool.ts';

/**
 * SQL expression: the number of workers that are connected to this database. A worker behind a pooler, or whose
 * connection string names the application, has no session of its own name: there the row counts that it writes.
 */
export const workersConnected = `(SELECT count(*)::int FROM (
  SELECT application_name FROM pg_stat_activity
  WHERE datname = current_database() AND application_name LIKE 'pg-herald worker %'
  UNION
  SELECT left('pg-herald worker ' || name, 63) FROM herald.worker
  WHERE seen_at > now() - interval '1 minute') connected)`;

/** A worker that runs, or that died less than a day ago. */
export interface RegisteredWorker {
  /** Name of the worker. */
  readonly name: string;
  /** The delivery methods that it has a dispatcher for. */
  readonly methods: readonly string[];
  /** Its version of pg-herald. */
  readonly version: string;
  /** When it started. */
  readonly startedAt: Date;
  /** When it last said that it runs. */
  readonly seenAt: Date;
  /** It has said so within the last minute. False: it died, or it cannot write to the database. */
  readonly alive: boolean;
  /**
   * Whether NOTIFY reaches it; null while it does not know. False: it polls, as behind a pooler in transaction mode.
   */
  readonly notified: boolean | null;
  /**
   * The last error of each kind since it started, newest first: what it could not do, the code, when, and how often.
   */
  readonly errors: readonly {
    readonly what: string;
    readonly code: string;
    readonly at: string;
    readonly count: number;
  }[];
}

/** Returns the workers that have registered themselves, by name. */
export async function readWorkers(client: Queryable): Promise<RegisteredWorker[]> {
  const { rows } = await client.query<RegisteredWorker>(
    `SELECT name, methods, version, started_at AS "startedAt", seen_at AS "seenAt",
       seen_at > now() - interval '1 minute' AS alive, notified, errors
     FROM herald.worker ORDER BY name`,
  );
  return rows;
}

/** Returns the enabled methods that no living worker delivers. */
export async function methodsWithoutWorker(client: Queryable): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT m.name FROM herald.method m
     WHERE m.enabled AND m.name <> '*' AND NOT EXISTS (
       SELECT FROM herald.worker w WHERE m.name = ANY (w.methods) AND w.seen_at > now() - interval '1 minute')
     ORDER BY m.name`,
  );
  return rows.map(({ name }) => name);
}

/**
 * Who delivers a method: a worker that is alive (`served`), none of those that are (`unserved`), workers that are
 * connected but do not report (`silent`), or `none`.
 */
export type Service = 'served' | 'unserved' | 'silent' | 'none';

/** Returns who delivers a method. `workers` is the number of those that are connected. */
export function serviceOf(
  method: string,
  { workers, registeredWorkers }: { readonly workers: number; readonly registeredWorkers: readonly RegisteredWorker[] },
): Service {
  const alive = registeredWorkers.filter((worker) => worker.alive);
  if (alive.length > 0) return alive.some(({ methods }) => methods.includes(method)) ? 'served' : 'unserved';
  return workers > 0 ? 'silent' : 'none';
}
