import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate as migrateHost } from 'drizzle-orm/node-postgres/migrator';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createJournal, recordOf, shippedMigrations } from '../../src/database/journal.ts';
import { migrate, migrationPlan, migrationScript } from '../../src/database/migrate.ts';
import { queueInstallScript } from '../../src/queue/queue.ts';
import { scriptedDispatcher, testWorker } from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { until } from '../support/wait.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase({ empty: true });
});
afterEach(() => database.close());

const names = shippedMigrations().map((migration) => migration.name);

describe('migrating', () => {
  test('from four replicas at once works: one does it, the others find nothing to do', async () => {
    const reports = await Promise.all(Array.from({ length: 4 }, () => migrate(database.url)));
    expect(reports.map((report) => report.applied.length).toSorted((a, b) => a - b)).toEqual([0, 0, 0, names.length]);
    expect(reports.flatMap((report) => report.createdMethods).toSorted()).toEqual(['inbox', 'smtp', 'webhook']);
    expect(await migrate(database.url)).toMatchObject({
      applied: [],
      createdMethods: [],
      queueSchema: { before: 46, after: 46 },
    });
  });

  test('a plan shows the SQL and changes nothing', async () => {
    expect(await migrationPlan(database.url)).toMatch(
      /CREATE TABLE "herald"\."message"[\s\S]*CREATE SCHEMA IF NOT EXISTS herald_queue/,
    );
    expect((await database.pool.query(`SELECT 1 FROM pg_namespace WHERE nspname LIKE 'herald%'`)).rowCount).toBe(0);
    await migrate(database.url);
    expect(await migrationPlan(database.url)).toBe('');
  });

  test('refuses a database that saw another content under the same name', async () => {
    await migrate(database.url);
    await database.pool.query(`UPDATE herald_meta.migration SET sha256 = 'edited' WHERE name = '${names[0]}'`);
    await expect(migrate(database.url)).rejects.toThrow(
      new RegExp(`migration ${names[0]} was applied with another content`),
    );
  });

  test('leaves a newer database alone, and a worker starts on it', async () => {
    await migrate(database.url);
    await database.pool.query(`INSERT INTO herald_meta.migration (name, sha256) VALUES ('9999_from_the_future', 'x')`);
    expect((await migrate(database.url)).applied).toEqual([]);
    const worker = testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() } });
    await worker.start();
    await worker.stop();
  });

  test('rolls a file back as a whole when it fails', async () => {
    await database.pool.query('CREATE SCHEMA herald');
    await expect(migrate(database.url)).rejects.toThrow(/schema "herald" already exists/);
    expect((await database.pool.query('SELECT name FROM herald_meta.migration')).rows).toEqual([]);
  });

  test('a worker refuses a queue of a version that it does not know', async () => {
    await migrate(database.url);
    await database.pool.query('UPDATE herald_queue.version SET version = 47');
    await expect(testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() } }).start()).rejects.toThrow(
      /of another version; run "pg-herald migrate"/,
    );
  });

  test('a host keeps our SQL in its own drizzle-kit folder, and our migrate finds it applied', {
    timeout: 60_000,
  }, async () => {
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const host = mkdtempSync(join(tmpdir(), 'herald-host-'));
    try {
      symlinkSync(join(root, 'node_modules'), join(host, 'node_modules'));
      writeFileSync(join(host, 'package.json'), '{"type":"module"}');
      writeFileSync(
        join(host, 'schema.ts'),
        `import { pgTable, text } from 'drizzle-orm/pg-core';\nexport const customer = pgTable('customer', { id: text().primaryKey() });\n`,
      );
      writeFileSync(
        join(host, 'drizzle.config.json'),
        JSON.stringify({ dialect: 'postgresql', schema: './schema.ts', out: './drizzle' }),
      );
      const kit = (...args: string[]) =>
        execFileSync(process.execPath, [join(root, 'node_modules/drizzle-kit/bin.cjs'), ...args], {
          cwd: host,
          stdio: 'pipe',
        });
      kit('generate', '--name=customer');
      kit('generate', '--custom', '--name=herald');
      const file = readdirSync(join(host, 'drizzle')).find((name) => name.endsWith('_herald.sql')) ?? '';
      writeFileSync(join(host, 'drizzle', file), migrationScript());
      await migrateHost(drizzle(database.pool), { migrationsFolder: join(host, 'drizzle') });
      expect(await migrate(database.url)).toMatchObject({ applied: [], createdMethods: ['smtp', 'webhook', 'inbox'] });
      expect(migrationScript(names[0])).not.toContain('CREATE TABLE "herald"."message"');
    } finally {
      rmSync(host, { recursive: true, force: true });
    }
  });
});

describe('upgrading a database with rows in it', () => {
  test('holds up nobody for long while something old is being read', { timeout: 60_000 }, async () => {
    const { pool } = database;
    await pool.query(createJournal);
    for (const migration of shippedMigrations().slice(0, 5))
      for (const statement of [...migration.sql.split('--> statement-breakpoint'), recordOf(migration)])
        await pool.query(statement);
    const reader = await pool.connect();
    await reader.query('BEGIN; SELECT count(*) FROM herald.message');
    let migrated = false;
    const migrating = migrate(database.url).then((report) => {
      migrated = true;
      return report;
    });
    const waits: number[] = [];
    for (let i = 0; i < 60; i++) {
      const startedAt = performance.now();
      await pool.query('SELECT count(*) FROM herald.message');
      waits.push(performance.now() - startedAt);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(migrated).toBe(false);
    // It did wait for the lock, and let go of its place in the queue after a second.
    expect(Math.max(...waits)).toBeGreaterThan(500);
    expect(Math.max(...waits)).toBeLessThan(3000);
    await reader.query('COMMIT');
    reader.release();
    expect((await migrating).applied).toEqual(names.slice(5));
  });

  /** How many migrations each earlier release had. */
  const releases = [2, 5, 12];

  test.each(releases)(
    'keeps what was enqueued and delivers it, from the release with %i migrations on',
    async (count) => {
      const { pool } = database;
      const earlier = names.slice(0, count);
      await pool.query(createJournal);
      for (const migration of shippedMigrations().filter(({ name }) => earlier.includes(name)))
        for (const statement of [...migration.sql.split('--> statement-breakpoint'), recordOf(migration)])
          await pool.query(statement);
      await pool.query(queueInstallScript(['smtp', 'webhook', 'inbox']));
      // As that release wrote them: the sync of today knows columns that are not there yet.
      await pool.query(
        `INSERT INTO herald.template (name, "group", current_version) VALUES ('greeting', 'Greetings', 1);
         INSERT INTO herald.template_version (template, version, title, body, labels, secrets, content_hash) VALUES ('greeting', 1, 'Hello {{labels.who}}', 'Dear {{labels.who}}', '{who}', '{}', 'x')`,
      );
      const before = await pool.query(
        `SELECT message_id FROM herald.enqueue('greeting', '[{"id": "1", "email": "a@example.com"}, {"id": "2", "email": "b@example.com"}]', '{"who": "Ada"}', dedupe_key => 'k')`,
      );
      await pool.query(`UPDATE herald.message SET status = 'held' WHERE recipient_id = '2'`);

      expect((await migrate(database.url)).applied).toEqual(names.slice(count));

      const again = await pool.query(
        `SELECT message_id, deduplicated FROM herald.enqueue('greeting', '{"id": "1", "email": "a@example.com"}', '{"who": "Ada"}', dedupe_key => 'k')`,
      );
      expect(again.rows).toEqual([{ message_id: before.rows[0].message_id, deduplicated: true }]);
      const smtp = scriptedDispatcher();
      const worker = testWorker(database.url, { dispatchers: { smtp } });
      await worker.start();
      try {
        await until(async () => (await pool.query(`SELECT FROM herald.message WHERE status = 'sent'`)).rowCount === 1);
        await pool.query(`SELECT herald.retry(ARRAY(SELECT id FROM herald.message WHERE status = 'held'))`);
        await until(async () => (await pool.query(`SELECT FROM herald.message WHERE status = 'sent'`)).rowCount === 2);
      } finally {
        await worker.stop();
      }
    },
  );

  test('an index that an interrupted build left behind is built again', async () => {
    await migrate(database.url);
    const { pool } = database;
    await pool.query(`DELETE FROM herald_meta.migration WHERE name = '0003_indexes'`);
    await pool.query(`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'herald.message_open'::regclass`);
    expect((await migrate(database.url)).applied).toEqual(['0003_indexes']);
    const { rows } = await pool.query(
      `SELECT indisvalid FROM pg_index WHERE indexrelid = 'herald.message_open'::regclass`,
    );
    expect(rows).toEqual([{ indisvalid: true }]);
  });
});
