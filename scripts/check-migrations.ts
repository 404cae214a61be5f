/**
 * Fails when the SQL that the package ships and a database have drifted apart: `npm run migrations:check`.
 * - `drizzle-kit generate` finds nothing to write, and `drizzle-kit push` to a migrated database finds nothing to change.
 * - Every function of a fresh database is one that src/database/functions creates, with the text of its file.
 * - Every state in test/database/landed, upgraded, has the tables, indexes, functions and privileges of a fresh database.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { migrate } from '../src/database/migrate.ts';
import { shippedSql } from '../src/database/shipped-sql.ts';
import { createDatabase, dropDatabases } from '../test/support/postgres/databases.ts';
import { resolvePostgres } from '../test/support/postgres/server.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const landed = join(root, 'test/database/landed');

/** Runs drizzle-kit with a configuration that writes only into a temporary folder. */
function drizzleKit(command: string, { folder, url }: { folder: string; url?: string }, ...flags: string[]): string {
  const config = join(folder, 'drizzle.config.json');
  writeFileSync(
    config,
    JSON.stringify({
      dialect: 'postgresql',
      schema: join(root, 'src/database/schema.ts'),
      out: relative(root, join(folder, 'drizzle')),
      schemaFilter: ['herald'],
      ...(url !== undefined && { dbCredentials: { url } }),
    }),
  );
  const kit = join(root, 'node_modules/drizzle-kit/bin.cjs');
  return execFileSync(process.execPath, [kit, command, `--config=${config}`, ...flags], {
    cwd: root,
    encoding: 'utf8',
    stdio: 'pipe',
  });
}

/** Returns the migrations that drizzle-kit would still have to write. */
function ungenerated(folder: string): string[] {
  cpSync(join(root, 'drizzle'), join(folder, 'drizzle'), { recursive: true });
  const before = readdirSync(join(folder, 'drizzle'));
  drizzleKit('generate', { folder });
  const written = readdirSync(join(folder, 'drizzle')).filter((file) => !before.includes(file));
  return written.map((file) => `schema.ts has changes without a migration: drizzle-kit would write ${file}`);
}

function unpushed(folder: string, url: string): string[] {
  const output = drizzleKit('push', { folder, url }, '--force', '--verbose');
  return output.includes('No changes detected') ? [] : [`drizzle-kit push would change the database:\n${output}`];
}

/** Everything that one query can see of the schema `herald`, a line per object. */
const description = `
SELECT 'function ' || p.oid::regprocedure AS name, pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '') AS text
FROM pg_proc p WHERE p.pronamespace = 'herald'::regnamespace
UNION ALL SELECT 'column ' || c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod) || a.attnotnull || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE c.relnamespace = 'herald'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL SELECT 'table ' || c.relname, coalesce(c.reloptions::text, '') || coalesce(c.relacl::text, '')
FROM pg_class c WHERE c.relnamespace = 'herald'::regnamespace AND c.relkind = 'r'
UNION ALL SELECT 'constraint ' || c.conname, pg_get_constraintdef(c.oid) FROM pg_constraint c WHERE c.connamespace = 'herald'::regnamespace
UNION ALL SELECT 'index ' || indexname, indexdef FROM pg_indexes WHERE schemaname = 'herald'
UNION ALL SELECT 'type ' || t.typname, t.typtype::text FROM pg_type t
LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE t.typnamespace = 'herald'::regnamespace AND t.typelem = 0 AND coalesce(c.relkind, 'c') = 'c'
UNION ALL SELECT 'method ' || m.name, to_jsonb(m)::text FROM (SELECT name, enabled, notify, requires FROM herald.method) m
ORDER BY name`;

type Description = ReadonlyMap<string, string>;

async function describe(url: string): Promise<Description> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string; text: string }>(description);
    return new Map(rows.map(({ name, text }) => [name, text]));
  } finally {
    await client.end();
  }
}

function differences(what: string, found: Description, expected: Description): string[] {
  return [...new Set([...found.keys(), ...expected.keys()])]
    .filter((name) => found.get(name) !== expected.get(name))
    .map((name) => `${what}: ${name} is\n${shorten(found.get(name))}\ninstead of\n${shorten(expected.get(name))}`);
}

function shorten(text: string | undefined): string {
  return text === undefined ? '(missing)' : text.slice(0, 400);
}

/** Compares the body of every function with the files, which hold one text each. */
function unwritten(fresh: Description): string[] {
  const bodies = shippedSql().functions.flatMap(({ sql }) =>
    [...sql.matchAll(/AS \$\$\n([\s\S]*?)\$\$;/g)].map(([, body]) => body),
  );
  const stored = [...fresh].filter(([name]) => name.startsWith('function '));
  const strangers = stored.filter(([, text]) => !bodies.some((body) => body !== undefined && text.includes(body)));
  const count =
    stored.length === bodies.length
      ? []
      : [`${bodies.length} functions in the files, ${stored.length} in the database`];
  return [...count, ...strangers.map(([name]) => `${name} has no text in src/database/functions`)];
}

/** Runs the script of a landed state on an empty database and upgrades it. */
async function upgraded(url: string, file: string): Promise<Description> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(readFileSync(join(landed, file), 'utf8')).finally(() => client.end());
  await migrate(url);
  return describe(url);
}

async function faultsIn(folder: string): Promise<string[]> {
  const server = await resolvePostgres();
  const prefix = `herald_drift_${randomBytes(4).toString('hex')}`;
  try {
    const url = await createDatabase(server.url, { name: `${prefix}_fresh` });
    await migrate(url);
    const fresh = await describe(url);
    const faults = [...ungenerated(folder), ...unpushed(folder, url), ...unwritten(fresh)];
    for (const [index, file] of readdirSync(landed)
      .filter((name) => name.endsWith('.sql'))
      .entries()) {
      const old = await createDatabase(server.url, { name: `${prefix}_${index}` });
      faults.push(...differences(`${file}, upgraded`, await upgraded(old, file), fresh));
    }
    return faults;
  } finally {
    await dropDatabases(server.url, prefix);
    await server.stop();
  }
}

const folder = mkdtempSync(join(tmpdir(), 'herald-drift-'));
try {
  const faults = await faultsIn(folder);
  console.log(faults.length === 0 ? 'no drift' : `drift:\n${faults.join('\n\n')}`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
