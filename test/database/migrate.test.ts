import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate as migrateHost } from 'drizzle-orm/node-postgres/migrator';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { functionFiles } from '../../src/database/functions/index.ts';
import { type Migration, requireMigrated, shippedMigrations, splitStatements } from '../../src/database/journal.ts';
import { applyMigration, migrate, migrationPlan, migrationScript } from '../../src/database/migrate.ts';
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

  test('says which session it waits for, and gives up after its time', async () => {
    const holder = new Client({ connectionString: database.url, application_name: 'another deployment' });
    holder.on('error', () => undefined);
    await holder.connect();
    onTestFinished(() => holder.end());
    // The key that every release takes.
    await holder.query('BEGIN; SELECT pg_advisory_xact_lock(4720190817)');
    const told: string[] = [];
    await expect(migrate(database.url, { waitSeconds: 0, onWait: (line) => told.push(line) })).rejects.toThrow(
      /^database: process \d+ \(another deployment.*\) has been migrating for more than 0 s$/,
    );
    expect(told).toEqual([expect.stringMatching(/^process \d+ \(another deployment/)]);
  });

  test('fails with one error when its connections break, and completes the next time', async () => {
    const { url, pool, close } = await createTestDatabase({ empty: true });
    onTestFinished(close);
    const other = new Client({ connectionString: url });
    other.on('error', () => undefined);
    await other.connect();
    onTestFinished(() => other.end());
    await other.query('BEGIN; CREATE SCHEMA herald');
    const migrating = migrate(url).catch((error: unknown) => error);
    const sessions = `FROM pg_stat_activity WHERE application_name = 'pg-herald migrate' AND datname = current_database()`;
    await until(async () => (await pool.query(`SELECT ${sessions} AND wait_event_type = 'Lock'`)).rows.length > 0);
    await pool.query(`SELECT pg_terminate_backend(pid) ${sessions}`);
    expect(await migrating).toMatchObject({ message: expect.stringMatching(/terminat/) });
    await other.query('ROLLBACK');
    expect((await migrate(url)).applied).not.toEqual([]);
  });

  test('a plan shows the SQL and changes nothing', async () => {
    expect(await migrationPlan(database.url)).toMatch(
      /CREATE TABLE "herald"\."message"[\s\S]*CREATE TABLE herald_queue\.queue/,
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
    await database.pool.query(
      `INSERT INTO herald_meta.migration (name, sha256, release) VALUES ('9999_from_the_future', 'x', '99.0.0')`,
    );
    expect((await migrate(database.url)).applied).toEqual([]);
    const worker = testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() } });
    await worker.start();
    await worker.stop();
  });

  test('rolls a file back as a whole when it fails', async () => {
    await database.pool.query(`CREATE FUNCTION public.stop() RETURNS event_trigger LANGUAGE plpgsql
      AS $$ BEGIN RAISE 'stopped'; END $$;
      CREATE EVENT TRIGGER stop ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION public.stop()`);
    await expect(migrate(database.url)).rejects.toThrow('stopped');
    expect((await database.pool.query(`SELECT FROM pg_tables WHERE schemaname = 'herald'`)).rows).toEqual([]);
    expect((await database.pool.query('SELECT name FROM herald_meta.migration')).rows).toEqual([]);
  });

  test('a role that may not create schemas uses those that an administrator made for it', async () => {
    const role = `${database.name}_role`;
    const url = `${database.url}?options=${encodeURIComponent(`-c role=${role}`)}`;
    await database.pool.query(`CREATE ROLE ${role}`);
    const refusal: unknown = await migrate(url).catch((error: unknown) => error);
    const remedy = /ask the administrator to run: (.*)$/.exec(String(refusal))?.[1] ?? '';
    expect(remedy).toContain(`CREATE SCHEMA herald AUTHORIZATION ${role};`);
    await database.pool.query(remedy);
    expect(await migrate(url)).toMatchObject({ applied: names, queueSchema: { before: null, after: 46 } });
    expect(await migrate(url)).toMatchObject({ applied: [], createdMethods: [] });
    await database.pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });

  test.each(['herald', 'herald_queue', 'herald_meta'])(
    "refuses a schema %s that holds another program's table, type or function, before it writes anything",
    async (schema) => {
      for (const kind of [
        'TYPE $.kind AS ENUM ()',
        'TYPE $.pair AS (a int)',
        'DOMAIN $.amount AS int',
        'VIEW $.v AS SELECT 1',
      ]) {
        await database.pool.query(`CREATE SCHEMA ${schema}; CREATE ${kind.replace('$', schema)}`);
        await expect(migrate(database.url)).rejects.toThrow(
          /which pg-herald did not create; move it to another schema/,
        );
        await database.pool.query(`DROP SCHEMA ${schema} CASCADE`);
      }
      await database.pool.query(
        `CREATE SCHEMA ${schema}; CREATE FUNCTION ${schema}.total() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
      );
      await expect(migrate(database.url)).rejects.toThrow(`the schema ${schema} holds "total"`);
      await database.pool.query(`DROP SCHEMA ${schema} CASCADE`);
      await database.pool.query(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.invoice (id int)`);
      const refused = new RegExp(`the schema ${schema} holds "invoice", which pg-herald did not create`);
      await expect(migrate(database.url)).rejects.toThrow(refused);
      await expect(migrationPlan(database.url)).rejects.toThrow(refused);
      const { rows } = await database.pool.query(`SELECT nspname FROM pg_namespace WHERE nspname LIKE 'herald%'`);
      expect(rows).toEqual([{ nspname: schema }]);
    },
  );

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

/** A step of a later release. */
const step = (name: string, sql: string): Migration => ({ name, sql, sha256: name, release: '0.1.0' });

describe('the functions', () => {
  test('are applied again when their text changed, and keep what a later release installed', async () => {
    await migrate(database.url);
    const { pool } = database;
    const functionsRow = async () =>
      (await pool.query(`SELECT release, sha256 FROM herald_meta.migration WHERE name = 'functions'`)).rows[0];
    const shipped = await functionsRow();
    await pool.query(`CREATE OR REPLACE FUNCTION herald.uuid_v7() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'`);
    await pool.query(`UPDATE herald_meta.migration SET sha256 = 'other', release = '0.0.9' WHERE name = 'functions'`);
    expect((await migrate(database.url)).applied).toEqual(['functions']);
    expect(await functionsRow()).toEqual(shipped);
    expect((await pool.query('SELECT herald.uuid_v7() IS NOT NULL AS made')).rows).toEqual([{ made: true }]);

    await pool.query(`UPDATE herald_meta.migration SET sha256 = 'other', release = '99.0.0' WHERE name = 'functions'`);
    expect((await migrate(database.url)).applied).toEqual([]);
    await requireMigrated(pool);
  });

  test('of an earlier release stop a worker until the database is migrated', async () => {
    await migrate(database.url);
    await database.pool.query(
      `UPDATE herald_meta.migration SET sha256 = 'x', release = '0.0.9' WHERE name = 'functions'`,
    );
    await expect(requireMigrated(database.pool)).rejects.toThrow(
      /migration functions not applied; run "pg-herald migrate"/,
    );
  });

  test('may not be executed by everybody', async () => {
    await migrate(database.url);
    const open = await database.pool.query(
      `SELECT p.proname FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
       WHERE p.pronamespace = 'herald'::regnamespace AND a.grantee = 0`,
    );
    expect(open.rows).toEqual([]);
  });

  test('have one text each, in src/database/functions', () => {
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const files = ['src', 'drizzle', 'scripts', 'bench', 'examples'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)),
    );
    const texts = files
      .filter((path) => /\.(ts|sql)$/.test(path))
      .map((path) => [path, readFileSync(join(root, path), 'utf8')] as const);
    const created = texts.flatMap(([path, text]) =>
      [...text.matchAll(/CREATE (?:OR REPLACE )?FUNCTION (herald\.\w+)\s*\(([^)]*)\)/g)].map(
        ([, name, parameters]) => ({
          path,
          signature: `${name}(${parameters?.replace(/\s+/g, ' ').trim()})`,
        }),
      ),
    );
    expect(created.filter(({ path }) => !path.startsWith('src/database/functions/'))).toEqual([]);
    expect(created.length).toBeGreaterThan(30);
    expect(new Set(created.map(({ signature }) => signature)).size).toBe(created.length);
    const listed = readdirSync(join(root, 'src/database/functions')).filter((name) => name.endsWith('.sql'));
    expect([...functionFiles].map((name) => `${name}.sql`).toSorted()).toEqual(listed.toSorted());
  });

  test('are split into statements at semicolons that end a line, outside of their bodies', () => {
    const body = 'CREATE FUNCTION f() AS $$\nBEGIN\n  SELECT 1;\nEND\n$$;';
    expect(splitStatements(`-- one; two;\nSELECT 1;\n\n${body}\n`)).toEqual(['-- one; two;\nSELECT 1;', body]);
  });
});

describe('upgrading a database with rows in it', () => {
  test('holds up no other transaction for long while an old one reads', { timeout: 60_000 }, async () => {
    const { pool } = database;
    await migrate(database.url);
    const reader = await pool.connect();
    await reader.query('BEGIN; SELECT count(*) FROM herald.message');
    let migrated = false;
    const client = new Client({ connectionString: database.url });
    await client.connect();
    const later = step('0001_later', 'ALTER TABLE herald.message ADD COLUMN later text');
    const migrating = applyMigration(client, later).then(() => {
      migrated = true;
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
    await migrating;
    await client.end();
    const { rows } = await pool.query(`SELECT name FROM herald_meta.migration WHERE name = '0001_later'`);
    expect(rows).toEqual([{ name: '0001_later' }]);
  });

  const landed = readdirSync(new URL('landed', import.meta.url)).filter((file) => file.endsWith('.sql'));

  test.each(landed)('keeps what was enqueued and delivers it, from %s on', async (file) => {
    const { pool } = database;
    await pool.query(readFileSync(new URL(`landed/${file}`, import.meta.url), 'utf8'));
    const before = await pool.query(`SELECT id FROM herald.message WHERE recipient_id = '1'`);

    await migrate(database.url);

    const again = await pool.query(
      `SELECT message_id, deduplicated FROM herald.enqueue('greeting', '{"id": "1", "email": "a@example.com"}', '{"who": "Ada"}', dedupe_key => 'k')`,
    );
    expect(again.rows).toEqual([{ message_id: before.rows[0].id, deduplicated: true }]);
    const smtp = scriptedDispatcher();
    const worker = testWorker(database.url, { dispatchers: { smtp } });
    await worker.start();
    const sent = async () => (await pool.query(`SELECT FROM herald.message WHERE status = 'sent'`)).rowCount;
    try {
      await until(async () => (await sent()) === 2);
      await pool.query(`SELECT herald.retry(ARRAY(SELECT id FROM herald.message WHERE status = 'held'))`);
      await until(async () => (await sent()) === 3);
    } finally {
      await worker.stop();
    }
  });

  test('refuses a database of the time before the first release with one clear error', async () => {
    await database.pool.query(`CREATE SCHEMA herald_meta;
      CREATE TABLE herald_meta.migration (name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
      INSERT INTO herald_meta.migration VALUES ('0000_tables', 'x'), ('0001_functions', 'y')`);
    await expect(migrate(database.url)).rejects.toThrow(
      /a development version of pg-herald, before 0\.1\.0, made this database.*drop the schemas herald, herald_queue and herald_meta/,
    );
  });

  test('an index that an interrupted build left behind is built again', async () => {
    await migrate(database.url);
    const { pool } = database;
    await pool.query(`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'herald.message_open'::regclass`);
    const rebuild = step(
      '0001_index',
      'CREATE INDEX CONCURRENTLY "message_open" ON "herald"."message" USING btree ("method","next_attempt_at");',
    );
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await applyMigration(client, rebuild);
    await client.end();
    const { rows } = await pool.query(
      `SELECT indisvalid FROM pg_index WHERE indexrelid = 'herald.message_open'::regclass`,
    );
    expect(rows).toEqual([{ indisvalid: true }]);
  });
});
