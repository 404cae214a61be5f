/**
 * Which of our SQL files a database has seen. The journal has a schema of its own: `herald` must hold nothing but the
 * tables of schema.ts, or a host's `drizzle-kit push` would want to drop it.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { ClientBase, Pool } from 'pg';
import { ConfigurationError } from '../errors.ts';

/** One file of `drizzle/`. */
export interface Migration {
  /** File name without `.sql`, for example `0000_tables`. */
  readonly name: string;
  readonly sql: string;
  readonly sha256: string;
}

const folder = new URL('../../drizzle/', import.meta.url);

export const createJournal = `CREATE SCHEMA IF NOT EXISTS herald_meta;
CREATE TABLE IF NOT EXISTS herald_meta.migration (
  name text PRIMARY KEY,
  sha256 text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);`;

/** All migrations of this release, in the order in which they apply. */
export function shippedMigrations(): Migration[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => {
      const sql = readFileSync(new URL(file, folder), 'utf8');
      return { name: file.slice(0, -'.sql'.length), sql, sha256: createHash('sha256').update(sql).digest('hex') };
    });
}

/** The statement that records a migration. Names and hashes are ours, so they need no quoting beyond this. */
export function recordOf(migration: Migration): string {
  return `INSERT INTO herald_meta.migration (name, sha256) VALUES ('${migration.name}', '${migration.sha256}');`;
}

/**
 * The shipped migrations that the database has not seen. Throws ConfigurationError where a landed file was edited or
 * the database is newer than this release.
 */
export async function pendingMigrations(database: ClientBase | Pool): Promise<Migration[]> {
  const shipped = shippedMigrations();
  const exists = await database.query<{ found: boolean }>(
    `SELECT to_regclass('herald_meta.migration') IS NOT NULL AS found`,
  );
  if (!exists.rows[0]?.found) return shipped;
  const rows = await database.query<{ name: string; sha256: string }>('SELECT name, sha256 FROM herald_meta.migration');
  const applied = new Map(rows.rows.map((row) => [row.name, row.sha256]));
  for (const migration of shipped) {
    const seen = applied.get(migration.name);
    if (seen !== undefined && seen !== migration.sha256)
      throw new ConfigurationError(
        'database',
        `migration ${migration.name} was applied with another content (sha256 ${seen.slice(0, 12)}, shipped ${migration.sha256.slice(0, 12)}); reinstall pg-herald, its files must not be edited`,
      );
  }
  return shipped.filter((migration) => !applied.has(migration.name));
}

/** Throws ConfigurationError unless the database has seen every migration of this release. Newer databases are fine. */
export async function requireMigrated(database: ClientBase | Pool): Promise<void> {
  const pending = await pendingMigrations(database);
  if (pending.length > 0)
    throw new ConfigurationError(
      'database',
      `${pending.length === 1 ? 'migration' : 'migrations'} ${pending.map((m) => m.name).join(', ')} not applied; run "pg-herald migrate"`,
    );
}
