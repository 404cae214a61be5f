/**
 * Libraries that are built into the package instead of being installed with it: pure functions on text, which would
 * bring 17 packages. A fix of one needs a release of pg-herald.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The module of each, by the name that the source imports. Of Handlebars the parser is enough. */
export const bundled: Readonly<Record<string, string>> = {
  handlebars: `import { parse } from 'handlebars/dist/cjs/handlebars/compiler/base.js';\nexport default { parse };`,
  'markdown-it': `export { default } from 'markdown-it';`,
  'string-width': `export { default } from 'string-width';`,
};

/** Writes the modules to `vendor/` of the built package, with their licences, and lets its files import them. */
export async function bundleLibraries(target: string): Promise<void> {
  const vendor = join(target, 'vendor');
  const inputs = new Set<string>();
  for (const [name, contents] of Object.entries(bundled)) {
    const { metafile } = await build({
      stdin: { contents, resolveDir: root },
      outfile: join(vendor, `${name}.js`),
      bundle: true,
      format: 'esm',
      platform: 'neutral',
      mainFields: ['module', 'main'],
      target: 'node22',
      metafile: true,
      logLevel: 'warning',
    });
    for (const input of Object.keys(metafile.inputs)) inputs.add(input);
  }
  writeFileSync(join(vendor, 'LICENSES.txt'), licences(inputs));
  for (const file of readdirSync(target, { recursive: true, encoding: 'utf8' }))
    if (file.endsWith('.js') && !file.startsWith('vendor')) redirect(join(target, file), vendor);
}

function redirect(file: string, vendor: string): void {
  const text = readFileSync(file, 'utf8');
  const changed = text.replace(/(?<=^import [^;\n]* from ')([^']+)(?=';$)/gm, (name) =>
    bundled[name] === undefined ? name : relativeModule(file, join(vendor, `${name}.js`)),
  );
  if (changed !== text) writeFileSync(file, changed);
}

function relativeModule(from: string, to: string): string {
  const path = relative(dirname(from), to).replaceAll('\\', '/');
  return path.startsWith('.') ? path : `./${path}`;
}

/** The licence of every package that a bundled file comes from. */
function licences(inputs: ReadonlySet<string>): string {
  const folders = [...inputs].flatMap((input) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? []);
  return [...new Set(folders)]
    .sort()
    .map((folder) => {
      const { name, version } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as {
        readonly name: string;
        readonly version: string;
      };
      const file = readdirSync(join(root, folder)).find((each) => /^licen[cs]e/i.test(each));
      if (file === undefined) throw new Error(`${name} has no licence file`);
      return `${name} ${version}\n\n${readFileSync(join(root, folder, file), 'utf8').trim()}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}
