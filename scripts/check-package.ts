/**
 * Packs the library, installs the tarball into an empty project and uses it there as a user would: imports, types and
 * the command. Needs the package registry.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const project = mkdtempSync(join(tmpdir(), 'pg-herald-package-'));

const run = (command: string, args: string[], cwd: string) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

const useIt = `
import { createHerald, createWorker, defineTemplate, migrationScript } from 'pg-herald';
import { createConsole } from 'pg-herald/console';
import { message } from 'pg-herald/schema';
import { collectingDispatcher } from 'pg-herald/testing';
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
console.log('imports work');
`;

try {
  const packed: unknown = JSON.parse(
    run('npm', ['pack', '--json', '--pack-destination', project], root).replace(/^[^[{]*/, ''),
  );
  const entry = Array.isArray(packed) ? packed[0] : Object.values(packed as object)[0];
  const tarball = join(project, String((entry as { filename: string }).filename));
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
  writeFileSync(join(project, 'use.ts'), useIt);
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: { module: 'nodenext', strict: true, noEmit: true, skipLibCheck: true, types: [] },
      files: ['use.ts'],
    }),
  );
  run(
    'npm',
    [
      'install',
      '--no-audit',
      '--no-fund',
      '--ignore-scripts',
      tarball,
      'drizzle-orm@0.45.4',
      'valibot@1.5.0',
      '@types/pg@8.23.1',
    ],
    project,
  );
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], project);
  console.log(run(process.execPath, ['use.ts'], project).trim());
  const help = run(process.execPath, [join(project, 'node_modules/pg-herald/dist/cli/main.js'), '--help'], project);
  if (!help.includes('migrate')) throw new Error(`the command does not answer: ${help}`);
  console.log('the command answers');
} finally {
  rmSync(project, { recursive: true, force: true });
}
