/**
 * Uses the packed library with every release of Drizzle that the peer range takes: enqueues in transactions that commit
 * and roll back, from queries, and reads the tables. Compiles that use, too. Needs the package registry and a PostgreSQL.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase } from '../test/support/postgres/databases.ts';
import { startPostgres } from '../test/support/postgres/server.ts';
import { newProject, pack, run } from './packed.ts';

/** Those that are named, or: the oldest, those that applications have, and the next major. */
const named = process.argv.slice(2);
const versions = named.length > 0 ? named : ['0.36.0', '0.38.4', '0.40.1', '0.44.7', '0.45.4', '1.0.0-rc.5'];

/** The declarations of the tables are those of the releases below 1; in later ones they work without their types. */
const program = (table: string) => `
import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { pgTable, text } from 'drizzle-orm/pg-core';
import { Pool } from 'pg';
import { createHerald, readTemplates, shippedTemplatesFolder, syncTemplates, templateFromFile } from 'pg-herald';
import { message } from 'pg-herald/schema';
import { drain } from 'pg-herald/testing';

const pool = new Pool({ connectionString: process.env['DATABASE_URL'] });
const db = drizzle({ client: pool });
const herald = createHerald();
const trial = templateFromFile({ name: 'test-notification', optionalLabels: ['initiator'] });
const people = pgTable('people', { id: text('id').primaryKey(), email: text('email').notNull() });

const { sources } = await readTemplates(shippedTemplatesFolder);
await db.transaction((tx) => syncTemplates(tx, sources));
await db.execute(sql\`CREATE TABLE people (id text PRIMARY KEY, email text NOT NULL)\`);
await db.insert(people).values([{ id: 'ada', email: 'ada@example.com' }, { id: 'bob', email: 'bob@example.com' }]);

await db.transaction((tx) => herald.enqueue(tx, trial, { to: { id: 'u', email: 'u@example.com' }, labels: {} }));
await db
  .transaction(async (tx) => {
    await herald.enqueue(tx, trial, { to: { id: 'never', email: 'n@example.com' }, labels: {} });
    if ((await drain(tx)).length !== 1) throw new Error('nothing was written');
    tx.rollback();
  })
  .catch((error: Error) => {
    if (!/rollback/i.test(error.message + error.name)) throw error;
  });
await db.transaction(async (tx) => {
  const recipients = tx.select({ id: people.id, email: people.email }).from(people).where(eq(people.id, 'ada'));
  await herald.enqueueFrom(tx, trial, { recipients, labels: {} });
  await herald.enqueueFrom(tx, trial, { recipients: sql\`SELECT id, email FROM people WHERE id = \${'bob'}\`, labels: {} });
});
const table = ${table};
const rows = await db.select({ recipient: table.recipientId }).from(table).orderBy(table.recipientId);
const found = rows.map((row) => row.recipient).join(' ');
if (found !== 'ada bob u') throw new Error(\`messages for: \${found}\`);
await pool.end();
`;

const folder = mkdtempSync(join(tmpdir(), 'pg-herald-drizzle-'));
const server = await startPostgres();
try {
  const tarball = pack(folder);
  for (const version of versions) {
    const project = join(folder, version);
    newProject(project, tarball, `drizzle-orm@${version}`, 'pg@8', '@types/pg@8', '@types/node@24', 'typescript@5.9.3');
    writeFileSync(join(project, 'use.ts'), program(version.startsWith('0.') ? 'message' : 'message as any'));
    const url = await createDatabase(server.url, { name: `drizzle_${version.replaceAll(/\W/g, '_')}` });
    const env = { ...process.env, DATABASE_URL: url };
    run(process.execPath, ['node_modules/pg-herald/dist/cli/main.js', 'migrate', '--database-url', url], project);
    execFileSync(process.execPath, ['--no-warnings', 'use.ts'], { cwd: project, env, stdio: 'inherit' });
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2023'];
    run(process.execPath, ['node_modules/typescript/bin/tsc', ...options, 'use.ts'], project);
    console.log(`Drizzle ${version} works`);
  }
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
