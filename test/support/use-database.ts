/** The set-up that most test files share: a database of their own, with templates, dropped at the end. */
import type { Pool } from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { putTemplates } from './application.ts';
import { createTestDatabase, type TestDatabase, type TestDatabaseOptions } from './database.ts';

export interface UseDatabaseOptions extends TestDatabaseOptions {
  /** Template files to sync before the first test: text by template name. */
  readonly templates?: Readonly<Record<string, string>>;
  /** Runs once after the templates are in. */
  readonly prepare?: (pool: Pool) => Promise<unknown>;
}

/** Creates a database before the tests of the calling file or `describe` block and drops it after them. */
export function useDatabase({ templates, prepare, ...options }: UseDatabaseOptions = {}): TestDatabase {
  let database: TestDatabase | undefined;
  const current = (): TestDatabase => {
    if (database === undefined)
      throw new Error('the database exists only while tests run: use it inside a test or a hook');
    return database;
  };
  beforeAll(async () => {
    database = await createTestDatabase(options);
    if (templates !== undefined) await putTemplates(database.pool, templates);
    await prepare?.(database.pool);
  });
  afterAll(() => database?.close());
  return {
    get name() {
      return current().name;
    },
    get url() {
      return current().url;
    },
    get pool() {
      return current().pool;
    },
    close: () => current().close(),
  };
}
