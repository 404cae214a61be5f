/** The peers: installed on first use, from their own lock file, and only here. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** Installs them if they are not there; answers why they cannot be used, or null. */
export function peersMissing(): string | null {
  if (existsSync(`${folder}node_modules/graphile-worker`)) return null;
  try {
    execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: folder, stdio: 'ignore' });
    return null;
  } catch {
    return 'not run: the peers are not installed (npm ci in bench/)';
  }
}

export function peerProgram(name: string): string {
  return `${folder}peers/${name}.ts`;
}
