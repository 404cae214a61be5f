/** The package as users get it, made once for each state of the source: compiled, with the files that would be packed. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
export const compiler = join(root, 'node_modules/typescript/bin/tsc');

interface Manifest {
  readonly files: readonly string[];
}

/**
 * Makes a project that has the package and everything that it could install, and the commands of both.
 *
 * @param manifest false where the page begins with `npm init`: the folder has no package.json yet
 */
export function createProject(folder: string, { manifest }: { readonly manifest: boolean }): void {
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '.bin'), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules')))
    if (!name.startsWith('.')) symlinkSync(join(root, 'node_modules', name), join(modules, name));
  for (const name of ['drizzle-kit', 'tsc', 'vitest'])
    symlinkSync(join(root, 'node_modules/.bin', name), join(modules, '.bin', name));
  // A copy: with a link, its imports would be looked up in our own folder.
  cpSync(builtPackage(), join(modules, 'pg-herald'), { recursive: true });
  symlinkSync('../pg-herald/dist/cli/main.js', join(modules, '.bin/pg-herald'));
  if (manifest)
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'application', private: true, type: 'module' }));
  writeFileSync(join(folder, 'npm'), standIn, { mode: 0o755 });
}

/**
 * In place of npm's download: checks that what is asked for is there. `npm init` writes what npm 11 writes; `npm pkg` is npm's own.
 * `npm exec`, which is npx, needs no download.
 */
const standIn = `#!/bin/sh
case "$1" in
  init) [ -e package.json ] || echo '{ "name": "application", "version": "1.0.0", "type": "commonjs" }' >package.json; exit 0 ;;
  pkg) PATH=\${PATH#*:} exec npm "$@" ;;
  install) shift ;;
  *) echo "npm $1 is not known to the test" >&2; exit 1 ;;
esac
for name in "$@"; do
  case "$name" in -*) continue ;; esac
  [ -e "node_modules/$name/package.json" ] || { echo "$name is not installed for the test" >&2; exit 1; }
done
`;

function builtPackage(): string {
  const cache = join(root, 'node_modules/.cache/pg-herald');
  const built = join(cache, `package-${fingerprint()}`);
  if (existsSync(built)) return built;
  mkdirSync(cache, { recursive: true });
  const draft = mkdtempSync(join(cache, 'draft-'));
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
  const left = files.filter((name) => name.startsWith('!')).map((name) => join(root, name.slice(1)));
  execFileSync(process.execPath, ['scripts/build.ts', join(draft, 'dist')], { cwd: root, stdio: 'pipe' });
  for (const file of ['package.json', ...files.filter((name) => name !== 'dist' && !name.startsWith('!'))]) {
    mkdirSync(dirname(join(draft, file)), { recursive: true });
    cpSync(join(root, file), join(draft, file), { recursive: true, filter: (path) => !left.includes(path) });
  }
  // Not this one: another test file may have finished it, and be copying it.
  for (const old of readdirSync(cache))
    if (old.startsWith('package-') && join(cache, old) !== built) rmSync(join(cache, old), { recursive: true });
  try {
    renameSync(draft, built);
  } catch (error) {
    // Another test file was quicker.
    rmSync(draft, { recursive: true });
    if (!existsSync(built)) throw error;
  }
  return built;
}

function fingerprint(): string {
  const hash = createHash('sha256');
  for (const part of ['package.json', 'src', 'scripts', 'drizzle', 'templates'])
    for (const file of filesBelow(join(root, part))) hash.update(file).update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

function filesBelow(path: string): string[] {
  if (path.endsWith('.json')) return [path];
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}
