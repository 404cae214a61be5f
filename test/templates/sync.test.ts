/** `syncTemplates` in a pool or in the caller's own transaction, whatever the driver. */
import { PGlite } from '@electric-sql/pglite';
import { drizzle as drizzleNodePg } from 'drizzle-orm/node-postgres';
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite';
import { Client } from 'pg';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Transaction } from '../../src/database/caller-transaction.ts';
import { installScript } from '../../src/database/migrate.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { syncTemplates } from '../../src/templates/catalog.ts';
import { readTemplates, shippedTemplatesFolder } from '../../src/templates/files.ts';
import { parseTemplate, type TemplateSource } from '../../src/templates/template-file.ts';
import { useDatabase } from '../support/use-database.ts';

const database = useDatabase();

function source(header: string, body = 'Hi'): TemplateSource {
  const { source: parsed, issues } = parseTemplate('hello.md', `---\ntitle: Hello\n${header}---\n${body}\n`);
  if (parsed === null) throw new Error(JSON.stringify(issues));
  return parsed;
}

type Work = (tx: Transaction) => Promise<unknown>;
interface Driver {
  readonly transaction: (work: Work) => Promise<unknown>;
  readonly query: (text: string) => Promise<unknown[]>;
  readonly close: () => Promise<unknown>;
}

const drivers: Readonly<Record<string, () => Promise<Driver>>> = {
  'a pg client': async () => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    const transaction = async (work: Work) => {
      await client.query('BEGIN');
      await work(client).then(
        () => client.query('COMMIT'),
        (error: unknown) => client.query('ROLLBACK').then(() => Promise.reject(error as Error)),
      );
    };
    return { transaction, query: async (text) => (await client.query(text)).rows, close: () => client.end() };
  },
  'Drizzle on node-postgres': async () => {
    const db = drizzleNodePg(database.url);
    const { $client: pool } = db;
    const query = async (text: string) => (await pool.query(text)).rows;
    return { transaction: (work) => db.transaction((tx) => work(tx)), query, close: () => pool.end() };
  },
  'postgres-js': async () => {
    const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
    const transaction = (work: Work) => sql.begin((tx) => work(tx));
    return { transaction, query: async (text) => [...(await sql.unsafe(text))], close: () => sql.end() };
  },
  PGlite: async () => {
    const pglite = new PGlite();
    await pglite.exec(installScript());
    const query = async (text: string) => (await pglite.query(text)).rows;
    return { transaction: (work) => pglite.transaction((tx) => work(tx)), query, close: () => pglite.close() };
  },
  'Drizzle on PGlite': async () => {
    const pglite = new PGlite();
    await pglite.exec(installScript());
    const db = drizzlePglite(pglite);
    const query = async (text: string) => (await pglite.query(text)).rows;
    return { transaction: (work) => db.transaction((tx) => work(tx)), query, close: () => pglite.close() };
  },
};

describe.each(Object.keys(drivers))('syncTemplates in a transaction of %s', { timeout: 60_000 }, (name) => {
  let driver: Driver;
  beforeAll(async () => {
    driver = (await drivers[name]?.()) as Driver;
  });
  const empty = async () => {
    await driver.query('DELETE FROM herald.template_version');
    await driver.query('DELETE FROM herald.template');
  };
  beforeEach(empty);
  afterAll(async () => {
    await empty();
    await driver.close();
  });

  test('stores versions and options, and reports each change', async () => {
    const changes: unknown[] = [];
    const steps = [
      [source('')],
      [source('')],
      [source('methods: [smtp, webhook]\nttlSeconds: 60\nexample: { labels: {}, data: { a: 1 } }\n')],
      [source('', 'Hi {{labels.who}}')],
      [],
    ];
    for (const sources of steps)
      await driver.transaction(async (tx) => changes.push(...(await syncTemplates(tx, sources))));
    expect(changes).toEqual([
      { name: 'hello', version: 1, change: 'created' },
      { name: 'hello', version: 1, change: 'unchanged' },
      { name: 'hello', version: 1, change: 'options' },
      { name: 'hello', version: 2, change: 'new version' },
      { name: 'hello', version: 2, change: 'missing' },
    ]);
    expect(await driver.query('SELECT version, body, labels FROM herald.template_version ORDER BY 1')).toEqual([
      { version: 1, body: 'Hi', labels: [] },
      { version: 2, body: 'Hi {{labels.who}}', labels: ['who'] },
    ]);
  });

  test('changes nothing in a dry run, nor if the transaction rolls back', async () => {
    const failing = driver.transaction(async (tx) => {
      expect(await syncTemplates(tx, [source('')], { dryRun: true })).toMatchObject([{ change: 'created' }]);
      expect(await syncTemplates(tx, [source('')])).toMatchObject([{ change: 'created' }]);
      throw new Error('roll back');
    });
    await expect(failing).rejects.toThrow('roll back');
    expect(await driver.query('SELECT FROM herald.template')).toEqual([]);
  });

  test('stores every template of the package', async () => {
    const { sources } = await readTemplates(shippedTemplatesFolder);
    await driver.transaction((tx) => syncTemplates(tx, sources));
    expect(await driver.query('SELECT name FROM herald.template')).toHaveLength(sources.length);
    const [report] = await driver.query(
      `SELECT example -> 'data' ->> 'failed' AS failed, methods, kind FROM herald.template WHERE name = 'weekly-build-report'`,
    );
    expect(report).toEqual({ failed: expect.stringMatching(/^\d+$/), methods: null, kind: 'system' });
  });
});

test('syncTemplates opens a transaction of its own in a pool, and refuses a client without one', async () => {
  expect(await syncTemplates(database.pool, [source('')], { dryRun: true })).toMatchObject([{ change: 'created' }]);
  expect((await database.pool.query('SELECT FROM herald.template')).rowCount).toBe(0);
  const client = await database.pool.connect();
  try {
    await expect(syncTemplates(client, [source('')])).rejects.toThrow(ConfigurationError);
    await expect(syncTemplates(client, [source('')])).rejects.toThrow('needs a pg pool or an open transaction');
  } finally {
    client.release();
  }
});
