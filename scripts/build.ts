/** Emits `dist/`: JavaScript and declarations, with the command line executable, and its manual page. */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${root}/dist`, { recursive: true, force: true });
execFileSync(process.execPath, [`${root}/node_modules/typescript/bin/tsc`, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
// Served as they are.
cpSync(`${root}/src/console/assets`, `${root}/dist/console/assets`, { recursive: true });
chmodSync(`${root}/dist/cli/main.js`, 0o755);
execFileSync(process.execPath, [`${root}/scripts/man.ts`], { stdio: 'inherit' });
