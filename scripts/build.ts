/**
 * Emits `dist/`, or the folder that is named: JavaScript and declarations, with the command line executable, its manual page
 * and what is served as it is.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = resolve(process.argv[2] ?? `${root}/dist`);
const node = (...args: string[]) => execFileSync(process.execPath, args, { cwd: root, stdio: 'inherit' });

rmSync(target, { recursive: true, force: true });
node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', target);
cpSync(`${root}/src/console/assets`, `${target}/console/assets`, { recursive: true });
chmodSync(`${target}/cli/main.js`, 0o755);
node('scripts/man.ts', target);
