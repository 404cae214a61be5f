/** The worker's row in `herald.worker`: operators see what is delivered, by which release, and what goes wrong. */
import { shippedSql } from '../database/shipped-sql.ts';
import type { WorkerServices } from './services.ts';

/** Keeps the row of one worker. */
export interface Registration {
  /** Writes the row. Rejects when the database is away. */
  write(): Promise<void>;
  /** Deletes the row. Never rejects: a row that is not written any more is deleted by another worker. */
  remove(): Promise<void>;
}

const writeText = `
WITH old AS (
  DELETE FROM herald.worker WHERE seen_at < now() - interval '1 day' AND name <> $1
)
INSERT INTO herald.worker (name, methods, version, notified, errors) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name) DO UPDATE SET methods = $2, version = $3, notified = $4, errors = $5, seen_at = now()`;

/**
 * Creates the registration. It writes nothing before it is told to.
 *
 * @param notified whether NOTIFY reaches the worker; null while that is not known
 */
export function createRegistration(
  methods: readonly string[],
  notified: () => boolean | null,
  { worker, database, errors }: Pick<WorkerServices, 'worker' | 'database' | 'errors'>,
): Registration {
  const version = shippedSql().release;
  return {
    async write() {
      const values = [worker, methods, version, notified(), JSON.stringify(errors.recent())];
      await database.pool.query(writeText, values);
    },
    remove: () =>
      database.pool.query('DELETE FROM herald.worker WHERE name = $1', [worker]).then(
        () => undefined,
        () => undefined,
      ),
  };
}
