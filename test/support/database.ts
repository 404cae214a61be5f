/** A database of its own for a test file: a copy of the migrated template. */
import { randomBytes } from 'node:crypto';
import { Pool } from 'pg';
import { inject } from 'vitest';
import { createDatabase, dropDatabases } from './postgres/databases.ts';

export interface TestDatabase {
  readonly name: string;
  /** Connection string, for a pool of one's own or another process. */
  readonly url: string;
  readonly pool: Pool;
  /** Drops the database and ends its connections. */
  readonly close: () => Promise<void>;
}

export interface TestDatabaseOptions {
  /** An empty database instead of a migrated one. */
  readonly empty?: boolean;
}

/** Creates a database of some 9 MB; call `close` in `afterAll`. */
export async function createTestDatabase({ empty = false }: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const serverUrl = inject('serverUrl');
  const prefix = inject('databasePrefix');
  const name = `${prefix}${randomBytes(6).toString('hex')}`;
  const url = await createDatabase(serverUrl, empty ? { name } : { name, template: `${prefix}template` });
  const pool = new Pool({ connectionString: url });
  // The server is restarted by some tests: a broken idle connection is replaced, not an error of the test.
  pool.on('error', () => undefined);
  return {
    name,
    url,
    pool,
    close: async () => {
      await pool.end();
      await dropDatabases(serverUrl, name);
    },
  };
}
