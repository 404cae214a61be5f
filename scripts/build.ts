/**
 * Emits `dist/`, or the folder that is named: JavaScript and declarations, the executable of the command line,
 * the assets of the console, the web component and the SQL, each embedded into its module, and the libraries that are
 * part of the package.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assetFiles, assetTypes } from '../src/console/asset-files.ts';
import { shippedSql } from '../src/database/shipped-sql.ts';
import { elementFile } from '../src/inbox/element-file.ts';
import { bundleLibraries } from './bundled.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = resolve(process.argv[2] ?? `${root}/dist`);
const node = (...args: string[]) => execFileSync(process.execPath, args, { cwd: root, stdio: 'inherit' });

rmSync(target, { recursive: true, force: true });
for (const project of ['tsconfig.build.json', 'src/inbox-client/tsconfig.json'])
  node('node_modules/typescript/bin/tsc', '-p', project, '--outDir', target);
writeFileSync(
  `${target}/console/asset-files.js`,
  `export const assetTypes = ${JSON.stringify(assetTypes)};\n` +
    `const files = ${JSON.stringify(assetFiles(), null, 2)};\nexport const assetFiles = () => files;\n`,
);
writeFileSync(
  `${target}/database/shipped-sql.js`,
  `const sql = ${JSON.stringify(shippedSql(), null, 2)};\nexport const shippedSql = () => sql;\n`,
);
writeFileSync(
  `${target}/inbox/element-file.js`,
  `const text = ${JSON.stringify(await elementFile())};\nexport const elementFile = async () => text;\n`,
);
await bundleLibraries(target);
chmodSync(`${target}/cli/main.js`, 0o755);
