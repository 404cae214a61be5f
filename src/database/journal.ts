/**
 * What a database has seen of our SQL: table `herald_meta.migration`. It has a schema of its own, because `herald`
 * must hold nothing but the tables of schema.ts: a host's `drizzle-kit push` would want to drop anything else.
 */
import { createHash } from 'node:crypto';
import type { ClientBase, Pool } from 'pg';
import { ConfigurationError } from '../errors.ts';
import { type ShippedSql, shippedSql, type SqlFile } from './shipped-sql.ts';

/**
 * One step of `migrate`: a file of `drizzle/`, which applies once, or all functions, which apply whenever their text
 * changes.
 */
export interface Migration {
  /** File name without `.sql`, for example `0000_tables`, or `functions`. */
  readonly name: string;
  readonly sql: string;
  readonly sha256: string;
  /** The package version that brings it. */
  readonly release: string;
}

/** The name of the repeatable step that applies the functions. */
export const functionsStep = 'functions';

/** Ends one statement and begins the next, in a script that drizzle's migrator can run. */
export const statementBreak = '--> statement-breakpoint';

/** The schemas that belong to pg-herald: its tables, pg-boss's tables, and the journal. */
export const schemas = ['herald', 'herald_queue', 'herald_meta'];

/**
 * Creates the schemas and the journal, if they are missing. `CREATE SCHEMA IF NOT EXISTS` needs the right to create
 * schemas even where they exist, and an administrator may have created them for a role without that right.
 */
export const createJournal = `DO $$
DECLARE
  caller_path CONSTANT text := pg_catalog.current_setting('search_path');
  name text;
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  FOREACH name IN ARRAY '{${schemas.join()}}'::text[] LOOP
    IF to_regnamespace(name) IS NULL THEN EXECUTE format('CREATE SCHEMA %I', name); END IF;
  END LOOP;
  PERFORM pg_catalog.set_config('search_path', caller_path, true);
END $$;
CREATE TABLE IF NOT EXISTS herald_meta.migration (
  name text PRIMARY KEY,
  sha256 text NOT NULL,
  release text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);`;

/** Returns all steps of this release, in the order in which they apply: the tables, then the functions. */
export function shippedMigrations(): Migration[] {
  const { release, tables, functions } = shippedSql();
  const step = (name: string, sql: string) => ({ name, sql, sha256: sha256(sql), release });
  return [...tables.map(({ name, sql }) => step(name, sql)), step(functionsStep, functionsScript(functions))];
}

function functionsScript(files: ShippedSql['functions']): string {
  return files.flatMap(fileStatements).join(`\n${statementBreak}\n`);
}

/** The statements of a file, after the drops that its header names. */
function fileStatements({ sql }: SqlFile): string[] {
  const drops = [...sql.matchAll(/^-- drops: (.+)$/gm)].map(([, name]) => `DROP FUNCTION IF EXISTS ${name};`);
  return [...drops, ...splitStatements(sql)];
}

/** Splits at semicolons at the end of a line, outside of `$$` quotes. A comment stays with the statement below it. */
export function splitStatements(sql: string): string[] {
  const statements: string[] = [];
  let lines: string[] = [];
  let quoted = false;
  for (const line of sql.split('\n')) {
    lines.push(line);
    if (line.split('$$').length % 2 === 0) quoted = !quoted;
    if (quoted || !line.endsWith(';') || line.startsWith('--')) continue;
    statements.push(lines.join('\n').trim());
    lines = [];
  }
  return statements;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * Returns the statement that records a step. Names, hashes and versions are ours, so they need no quoting beyond
 * this.
 */
export function recordOf({ name, sha256, release }: Migration): string {
  return `INSERT INTO herald_meta.migration (name, sha256, release) VALUES ('${name}', '${sha256}', '${release}')
ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, release = excluded.release, applied_at = now();`;
}

interface JournalRow {
  readonly name: string;
  readonly sha256: string;
  readonly release: string;
}

/**
 * Returns the shipped steps that the database has not seen.
 * @throws {ConfigurationError} if a file was edited after it was applied, or if a development version made the
 * database.
 */
export async function pendingMigrations(database: ClientBase | Pool): Promise<Migration[]> {
  const shipped = shippedMigrations();
  const rows = await readJournal(database);
  const applied = new Map(rows.map((row) => [row.name, row]));
  for (const migration of shipped) requireSameContent(migration, applied.get(migration.name));
  return shipped.filter((migration) => isPending(migration, applied.get(migration.name)));
}

async function readJournal(database: ClientBase | Pool): Promise<JournalRow[]> {
  const { rows } = await database.query<{ column: string }>(
    `SELECT attname AS column FROM pg_attribute WHERE attrelid = to_regclass('herald_meta.migration') AND attnum > 0`,
  );
  if (rows.length === 0) {
    await requireEmptySchemas(database);
    return [];
  }
  if (!rows.some(({ column }) => column === 'release'))
    throw new ConfigurationError(
      'database',
      'a development version of pg-herald, before 0.1.0, made this database, and no later version can upgrade it; ' +
        'drop the schemas herald, herald_queue and herald_meta, then run "pg-herald migrate"',
    );
  return (await database.query<JournalRow>('SELECT name, sha256, release FROM herald_meta.migration')).rows;
}

/** Before the first migration: what is in our schemas now belongs to another program. */
async function requireEmptySchemas(database: ClientBase | Pool): Promise<void> {
  const { rows } = await database.query<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, o.name FROM (
       SELECT relnamespace, relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
       UNION ALL SELECT pronamespace, proname FROM pg_proc
       UNION ALL SELECT typnamespace, typname FROM pg_type WHERE typtype IN ('e', 'd', 'r')
     ) o (schema, name) JOIN pg_namespace n ON n.oid = o.schema
     WHERE n.nspname = ANY($1) ORDER BY n.nspname, o.name LIMIT 1`,
    [schemas],
  );
  const [found] = rows;
  if (found === undefined) return;
  throw new ConfigurationError(
    'database',
    `the schema ${found.schema} holds "${found.name}", which pg-herald did not create; move it to another ` +
      'schema, because pg-herald needs the schemas herald, herald_queue and herald_meta for itself',
  );
}

function requireSameContent(shipped: Migration, applied: JournalRow | undefined): void {
  if (shipped.name === functionsStep || applied === undefined || applied.sha256 === shipped.sha256) return;
  const [here, there] = [shipped.sha256.slice(0, 12), applied.sha256.slice(0, 12)];
  throw new ConfigurationError(
    'database',
    `migration ${shipped.name} was applied with another content (sha256 ${there}, shipped ${here}); ` +
      'reinstall pg-herald, its files must not be edited',
  );
}

/** The functions of a later release stay: it may run beside this one, and its functions serve both. */
function isPending(shipped: Migration, applied: JournalRow | undefined): boolean {
  if (applied === undefined) return true;
  return applied.sha256 !== shipped.sha256 && !isLaterRelease(applied.release, shipped.release);
}

/** Compares the numbers of two versions; a pre-release counts as its release. */
function isLaterRelease(version: string, than: string): boolean {
  return version.localeCompare(than, 'en', { numeric: true }) > 0;
}

/**
 * Returns if the database has seen every step of this release. A database of a later release is fine.
 * @throws {ConfigurationError} if it has not.
 */
export async function requireMigrated(database: ClientBase | Pool): Promise<void> {
  const pending = await pendingMigrations(database);
  if (pending.length === 0) return;
  const names = pending.map(({ name }) => name).join(', ');
  throw new ConfigurationError(
    'database',
    `${pending.length === 1 ? 'migration' : 'migrations'} ${names} not applied; run "pg-herald migrate"`,
  );
}
