/** The client as browsers load it: one file. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const client = fileURLToPath(new URL('../../src/inbox-client/', import.meta.url));

/** Bundles a module that imports parts of the client by their paths, for example `./index.ts`, or as users do. */
export async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: client, loader: 'tsx' },
    ...{ bundle: true, write: false, minify: true, format: 'esm', platform: 'browser', target: 'es2023' },
    ...{
      jsx: 'automatic',
      alias: { 'pg-herald/inbox-client': `${client}index.ts`, 'pg-herald/inbox-client/react': `${client}react.ts` },
    },
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  return outputFiles[0]?.text ?? '';
}
