/**
 * Fails when the tables in src/database/schema.ts and the SQL in drizzle/ have drifted apart, as far as two commands see:
 * `drizzle-kit generate` finds nothing to write, and `drizzle-kit push` to a migrated database finds nothing to change.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { migrate } from '../src/database/migrate.ts';
import { createDatabase, dropDatabases } from '../test/support/postgres/databases.ts';
import { resolvePostgres } from '../test/support/postgres/server.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs drizzle-kit with a configuration that writes nowhere but into a folder of its own. */
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

function generated(folder: string): string[] {
  cpSync(join(root, 'drizzle'), join(folder, 'drizzle'), { recursive: true });
  const before = readdirSync(join(folder, 'drizzle'));
  drizzleKit('generate', { folder });
  return readdirSync(join(folder, 'drizzle')).filter((file) => !before.includes(file));
}

async function pushed(folder: string): Promise<string> {
  const server = await resolvePostgres();
  const name = `herald_drift_${randomBytes(4).toString('hex')}`;
  const url = await createDatabase(server.url, { name });
  try {
    await migrate(url);
    return drizzleKit('push', { folder, url }, '--force', '--verbose');
  } finally {
    await dropDatabases(server.url, name);
    await server.stop();
  }
}

const folder = mkdtempSync(join(tmpdir(), 'herald-drift-'));
try {
  const files = generated(folder);
  const push = await pushed(folder);
  const clean = files.length === 0 && push.includes('No changes detected');
  console.log(clean ? 'no drift' : `drift: ${files.join(', ')}\n${push}`);
  process.exitCode = clean ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
