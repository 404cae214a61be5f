/** The console inside an application that a bundler has put into one file: no file is read from beside it. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { token } from './support.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const modules = join(root, 'node_modules');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'herald-bundle-'));
  execFileSync(process.execPath, [join(root, 'scripts/build.ts'), join(folder, 'dist')]);
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each(['esm', 'cjs'] as const)('a bundle in the format %s serves pages, style sheet and script', async (format) => {
  const application = `
    import { createConsole } from './dist/console/index.js';
    const herald = createConsole({ connectionString: 'postgres://nobody@127.0.0.1:1/none', token: '${token}' });
    const get = async (path) => {
      const response = await herald.fetch(new Request('http://console.example' + path));
      return [path, response.status, (await response.text()).length > 100];
    };
    Promise.all(['/login', '/assets/console.css', '/assets/console.js', '/assets/icon.svg'].map(get))
      .then((answers) => console.log(JSON.stringify(answers)))
      .finally(() => herald.close());`;
  await writeFile(join(folder, 'application.mjs'), application);
  // Beside nothing that the bundle could read.
  const outfolder = await mkdtemp(join(folder, 'out-'));
  const outfile = join(outfolder, format === 'esm' ? 'application.mjs' : 'application.cjs');
  await build({
    entryPoints: [join(folder, 'application.mjs')],
    ...{ outfile, format, bundle: true, platform: 'node', logLevel: 'error', nodePaths: [modules] },
    external: ['pg-native'],
    // What some CommonJS dependencies expect in an ES module.
    ...(format === 'esm' && {
      banner: { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);` },
    }),
  });
  const printed = execFileSync(process.execPath, [outfile], { cwd: outfolder, encoding: 'utf8' });
  expect(JSON.parse(printed)).toEqual([
    ['/login', 200, true],
    ['/assets/console.css', 200, true],
    ['/assets/console.js', 200, true],
    ['/assets/icon.svg', 200, true],
  ]);
});
