/**
 * The text of the web component as one file. From the source tree it is bundled with a package of development;
 * scripts/build.ts replaces this module in `dist/` by one that holds the text as a constant.
 */
import { fileURLToPath } from 'node:url';

/** Returns a module for browsers that defines `<herald-inbox>`. */
export async function elementFile(): Promise<string> {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../inbox-client/element/index.ts', import.meta.url))],
    ...{ bundle: true, minify: true, write: false, format: 'esm', platform: 'browser', target: 'es2023' },
  });
  return outputFiles[0]?.text ?? '';
}
