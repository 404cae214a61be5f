/**
 * Replaces `drizzle/` by one baseline, `0000_tables.sql`, generated from src/database/schema.ts: `npm run migrations:fold`.
 *
 * A tool for the time before the first release. Once a version is published, its databases have recorded the baseline, and a change
 * of the tables is a new file: `npm run migrations:generate`. So the script refuses to run in a repository that has a version tag.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { landedState } from '../test/database/landed/state.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const baseline = '0000_tables';

const tags = execFileSync('git', ['tag', '--list', 'v*'], { cwd: root, encoding: 'utf8' }).trim();
if (tags !== '')
  throw new Error(`released versions exist (${tags.split('\n').join(', ')}); run npm run migrations:generate`);

rmSync(join(root, 'drizzle'), { recursive: true, force: true });
execFileSync(
  process.execPath,
  [join(root, 'node_modules/drizzle-kit/bin.cjs'), 'generate', `--name=${baseline.slice('0000_'.length)}`],
  { cwd: root, stdio: 'inherit' },
);
pin('drizzle/meta/_journal.json', (journal: { entries: object[] }) => ({
  ...journal,
  entries: journal.entries.map((entry) => ({ ...entry, when: 0 })),
}));
pin('drizzle/meta/0000_snapshot.json', (snapshot: object) => ({
  ...snapshot,
  id: '00000000-0000-4000-8000-000000000001',
}));
// `migrate` creates the schemas that are missing, because an administrator may have created them.
const tables = join(root, `drizzle/${baseline}.sql`);
writeFileSync(tables, readFileSync(tables, 'utf8').replace('CREATE SCHEMA "herald";\n--> statement-breakpoint\n', ''));
writeFileSync(join(root, 'test/database/landed/0.1.0.sql'), landedState());

/** Rewrites a generated file without its time and random id, so that two folds of the same tables are equal. */
function pin<T>(file: string, change: (content: T) => object): void {
  const path = join(root, file);
  writeFileSync(path, `${JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')) as T), null, 2)}\n`);
}
