/** The tarball that would be published, and empty projects that install it from the registry. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs a program and returns what it prints; its errors are shown. */
export function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Packs the library into a folder and returns the path of the tarball. */
export function pack(folder: string): string {
  const printed = run('npm', ['pack', '--json', '--pack-destination', folder], root);
  const packed: unknown = JSON.parse(printed.replace(/^[^[{]*/, ''));
  const entry = Array.isArray(packed) ? packed[0] : Object.values(packed as object)[0];
  return join(folder, String((entry as { filename: string }).filename));
}

/** Adds packages to a project. */
export function install(folder: string, ...packages: readonly string[]): void {
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder, ...packages], folder);
}

/** Makes an empty project of ES modules with the packages. */
export function newProject(folder: string, ...packages: readonly string[]): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
  install(folder, ...packages);
}
