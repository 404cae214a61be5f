/** An application that a bundler has put into one file migrates, enqueues and delivers: nothing is read from beside it. */
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { greetingFile } from './support/application.ts';
import { createTestDatabase } from './support/database.ts';
import { startSmtpServer } from './support/smtp-server.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'herald-bundle-'));
  execFileSync(process.execPath, [join(root, 'scripts/build.ts'), join(folder, 'dist')]);
  await writeFile(join(folder, 'application.mjs'), application);
  await writeFile(join(folder, 'greeting.md'), greetingFile);
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const application = `
import pg from 'pg';
import { createHerald, createWorker, migrate, readTemplates, smtp, syncTemplates, templateFromFile } from './dist/index.js';

async function main() {
  const connectionString = process.env.DATABASE_URL;
  await migrate(connectionString);
  const pool = new pg.Pool({ connectionString });
  await syncTemplates(pool, (await readTemplates(process.env.TEMPLATES)).sources);
  const client = await pool.connect();
  await client.query('BEGIN');
  await createHerald().enqueue(client, templateFromFile({ name: 'greeting', labels: ['who'] }), {
    to: { id: 'ada', email: 'ada@example.com' }, labels: { who: 'Ada' },
  });
  await client.query('COMMIT');
  client.release();
  const from = { address: 'n@acme.example' };
  const worker = createWorker({
    connectionString,
    brand: { appName: 'Acme', baseUrl: 'https://acme.example' },
    dispatchers: { smtp: smtp({ host: '127.0.0.1', port: Number(process.env.PORT), tls: 'none', from }) },
  });
  await worker.start();
  let status = '';
  while (status !== 'sent') status = (await pool.query('SELECT status FROM herald.message')).rows[0].status;
  const { version } = (await pool.query('SELECT version FROM herald.worker')).rows[0];
  await worker.stop();
  await pool.end();
  console.log(status, version);
}
main();
`;

test.each(['esm', 'cjs'] as const)('a bundle in the format %s', { timeout: 60_000 }, async (format) => {
  const [database, relay] = await Promise.all([createTestDatabase({ empty: true }), startSmtpServer()]);
  onTestFinished(async () => void (await Promise.all([database.close(), relay.close()])));
  const { stdout } = await promisify(execFile)(process.execPath, [await bundle(format)], {
    timeout: 50_000,
    env: { DATABASE_URL: database.url, PORT: String(relay.port), TEMPLATES: folder },
  });
  expect(stdout).toBe(`sent ${version}\n`);
  expect(String((await relay.waitFor(1))[0]?.raw)).toContain('Subject: Hello Ada');
});

async function bundle(format: 'esm' | 'cjs'): Promise<string> {
  // Beside nothing that the bundle could read.
  const outfolder = await mkdtemp(join(folder, 'out-'));
  const outfile = join(outfolder, format === 'esm' ? 'application.mjs' : 'application.cjs');
  await build({
    entryPoints: [join(folder, 'application.mjs')],
    ...{ outfile, format, bundle: true, platform: 'node', logLevel: 'error', nodePaths: [join(root, 'node_modules')] },
    external: ['pg-native'],
    // What some CommonJS dependencies expect in an ES module.
    ...(format === 'esm' && {
      banner: { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);` },
    }),
  });
  return outfile;
}
