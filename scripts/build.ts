/**
 * Emits `dist/`, or the folder that is named: JavaScript and declarations, the executable of the command line,
 * the assets of the console, and the SQL embedded into its module.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shippedSql } from '../src/database/shipped-sql.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = resolve(process.argv[2] ?? `${root}/dist`);
const node = (...args: string[]) => execFileSync(process.execPath, args, { cwd: root, stdio: 'inherit' });

rmSync(target, { recursive: true, force: true });
node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', target);
cpSync(`${root}/src/console/assets`, `${target}/console/assets`, { recursive: true });
writeFileSync(
  `${target}/database/shipped-sql.js`,
  `const sql = ${JSON.stringify(shippedSql(), null, 2)};\nexport const shippedSql = () => sql;\n`,
);
chmodSync(`${target}/cli/main.js`, 0o755);
