/**
 * Packs the library and checks the tarball: publint, arethetypeswrong, and types with two compilers and both ways to
 * resolve modules, skipping no declaration file. Then installs it into an empty project and uses it as a user would:
 * imports and the command, with `pg-herald dev` up to an email in the catcher, with this Node and with the oldest one that
 * package.json promises. Needs the package registry and a PostgreSQL.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase } from '../test/support/postgres/databases.ts';
import { startPostgres } from '../test/support/postgres/server.ts';
import { oldestNode } from '../src/node-version.ts';
import { startProgram } from '../test/support/processes.ts';
import { checkWeight } from './package-weight.ts';
import { install, newProject, pack, root, run } from './packed.ts';

const project = mkdtempSync(join(tmpdir(), 'pg-herald-package-'));

const useIt = `
import { createHerald, createWorker, defineTemplate, migrationScript } from 'pg-herald';
import { createConsole } from 'pg-herald/console';
import { createInbox } from 'pg-herald/inbox';
import { createInboxStore } from 'pg-herald/inbox-client';
import { HeraldInboxElement } from 'pg-herald/inbox-client/element';
import { useInbox } from 'pg-herald/inbox-client/react';
import { createRecipientPages } from 'pg-herald/recipients';
import { message } from 'pg-herald/schema';
import { collectingDispatcher } from 'pg-herald/testing';
import { Pool } from 'pg';
import * as v from 'valibot';

const template = defineTemplate({ name: 'hello', labels: v.object({ who: v.string() }) });
const worker = createWorker({
  connectionString: 'postgres://nowhere.invalid/x',
  dispatchers: { smtp: collectingDispatcher() },
  brand: { appName: 'x', baseUrl: 'https://x.example' },
});
if (typeof createHerald().enqueue !== 'function' || template.name !== 'hello' || worker.name === '') throw new Error('exports');
if (!migrationScript().includes('CREATE TABLE "herald"."message"')) throw new Error('the SQL files are not in the package');
if (!('recipientId' in message)) throw new Error('the schema is not in the package');
const page = createConsole({ connectionString: 'postgres://nowhere.invalid/x', token: 'a token of sixteen characters at least' });
const style = await page.fetch(new Request('http://localhost/assets/console.css'));
if (!style.ok || !(await style.text()).includes('{')) throw new Error('the files of the console are not in the package');
await page.close();
const pool = new Pool({ connectionString: 'postgres://nowhere.invalid/x' });
const pages = createRecipientPages({
  pool,
  links: { url: 'https://x.example/mail', keys: [Buffer.alloc(32).toString('base64')] },
  brand: { appName: 'x', baseUrl: 'https://x.example' },
});
if ((await pages.fetch(new Request('https://x.example/mail/u/x'))).status !== 404) throw new Error('the pages of recipients do not answer');
const store = createInboxStore();
if (store.getSnapshot().status !== 'loading' || typeof useInbox !== 'function') throw new Error('the client of the inbox');
if (!HeraldInboxElement.observedAttributes.includes('url')) throw new Error('the element does not load without a DOM');
const inbox = createInbox({ pool, brand: { appName: 'x', baseUrl: 'https://x.example' }, authorize: () => null });
const element = await inbox.fetch(new Request('http://localhost/element.js'));
if (!(await element.text()).includes('herald-inbox')) throw new Error('the element is not in the package');
await inbox.close();
await pool.end();
console.log('imports work');
`;

/** With what the tarball brings alone: the worker, the catchers and the console run, and all of it ends. */
async function develop(command: string, node: string): Promise<void> {
  const server = await startPostgres();
  try {
    const env = { DATABASE_URL: await createDatabase(server.url, { name: 'package_check' }), NO_COLOR: '1' };
    const shipped = join(project, 'node_modules/pg-herald/templates');
    const dev = startProgram(command, {
      args: ['dev', '--port', '0', '--templates', shipped],
      cwd: project,
      env,
      node,
    });
    const page = (await dev.line(/^ {2}http:/, { timeoutMs: 60_000 })).trim();
    await dev.line(/test-notification v1: created/, { timeoutMs: 30_000 });
    const words = ['send', 'test-notification', '--to', 'ada@example.com', '--label', 'initiator=me'];
    execFileSync(node, [command, ...words], { env: { ...process.env, ...env } });
    await dev.line(/mail +captured .* -> ada@example\.com/, { timeoutMs: 30_000 });
    if (!(await (await fetch(`${page}captured`)).text()).includes('ada@example.com'))
      throw new Error('not in the console');
    const { code } = await dev.kill('SIGINT');
    if (code !== 0 || dev.stderr() !== '') throw new Error(`dev ended with ${code}: ${dev.stderr()}`);
  } finally {
    await server.stop();
  }
}

/** The program of a release of Node, from the package that carries it. */
function nodeOf(release: string): string {
  const carrier = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const folder = join(project, 'oldest-node');
  mkdirSync(folder);
  install(folder, `${carrier}@${release}`);
  return join(folder, 'node_modules', carrier, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
}

/** What the package says about itself is true: exports, files and types. It is ESM only. */
function checkManifest(tarball: string): void {
  const command = (path: string, ...args: string[]) =>
    run(process.execPath, [join(root, 'node_modules', path), ...args], root);
  command('publint/src/cli.js', 'run', tarball, '--strict');
  command('@arethetypeswrong/cli/dist/index.js', tarball, '--profile', 'esm-only', '--no-emoji');
  console.log('publint and arethetypeswrong pass');
}

/** Without its optional peers, each command says in one line what to install. */
function checkMissingPeers(): void {
  const command = join(project, 'node_modules/pg-herald/dist/cli/main.js');
  const settings = { HERALD_SMTP_HOST: 'localhost', HERALD_SMTP_FROM: 'a@example.com' };
  const env = { ...process.env, ...settings, DATABASE_URL: 'postgres://localhost/x', HERALD_APP_NAME: 'x' };
  const args = ['worker', '--metrics-port', '0'];
  const { stderr, status } = spawnSync(process.execPath, [command, ...args], {
    cwd: project,
    encoding: 'utf8',
    env: { ...env, HERALD_BASE_URL: 'https://x.example' },
  });
  const expected = /^pg-herald: --metrics-port: needs a package that is not installed; run "npm install @opentelemetry/;
  if (status !== 2 || !expected.test(stderr)) throw new Error(`without OpenTelemetry: ${status} ${stderr}`);
  console.log('a missing peer is named');
}

/** The compilers that an application may use, the oldest and the newest. */
const compilers = ['5.9.3', '7.0.2'];
const resolutions = [
  { module: 'nodenext', moduleResolution: 'nodenext' },
  { module: 'preserve', moduleResolution: 'bundler' },
];

/** No declaration file is skipped, so ours must be complete and find the types of their dependencies. */
function checkTypes(): void {
  for (const version of compilers) {
    const folder = join(project, `typescript-${version}`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    install(folder, `typescript@${version}`);
    for (const resolution of resolutions) {
      const config = join(project, `tsconfig-${version}-${resolution.moduleResolution}.json`);
      const compilerOptions = {
        ...resolution,
        target: 'es2023',
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        types: [],
      };
      writeFileSync(config, JSON.stringify({ compilerOptions, files: ['use.ts'] }));
      const compiler = join(folder, 'node_modules/typescript/bin/tsc');
      const { stdout, status } = spawnSync(process.execPath, [compiler, '-p', config], {
        cwd: project,
        encoding: 'utf8',
      });
      // Drizzle's declarations contradict each other for databases whose drivers are not installed.
      const errors = stdout
        .split('\n')
        .filter((line) => /^\S.*error TS/.test(line) && !/^node_modules\/drizzle-orm/.test(line));
      if (errors.length > 0 || (status !== 0 && stdout === ''))
        throw new Error(`TypeScript ${version}: ${errors.join('\n')}`);
      console.log(`types: TypeScript ${version}, ${resolution.moduleResolution}`);
    }
  }
}

try {
  const tarball = pack(project);
  checkManifest(tarball);
  newProject(project, tarball);
  checkWeight(project);
  checkMissingPeers();
  writeFileSync(join(project, 'use.ts'), useIt);
  install(project, 'drizzle-orm@0.45.4', 'react@19.3.1', '@types/react@19.3.3', 'valibot@1.5.0', 'smtp-server');
  checkTypes();
  const command = join(project, 'node_modules/pg-herald/dist/cli/main.js');
  for (const node of [process.execPath, nodeOf(oldestNode)]) {
    console.log(`Node ${run(node, ['--version'], project).trim()}`);
    console.log(run(node, ['--experimental-strip-types', '--no-warnings', 'use.ts'], project).trim());
    const help = run(node, [command, '--help'], project);
    if (!help.includes('migrate')) throw new Error(`the command does not answer: ${help}`);
    console.log('the command answers');
    await develop(command, node);
    console.log('dev captures an email');
  }
} finally {
  rmSync(project, { recursive: true, force: true });
}
