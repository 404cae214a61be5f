/**
 * The texts of `assets/`. This module reads them from the source tree; scripts/build.ts replaces it in `dist/` by one
 * that holds the same texts as constants, so that a bundler needs no files beside the code.
 */
import { readFileSync } from 'node:fs';

/** The files, each with its media type. */
export const assetTypes = {
  'console.css': 'text/css',
  'console.js': 'text/javascript',
  'icon.svg': 'image/svg+xml',
} as const;

/** The name of a file in `assets/`. */
export type AssetName = keyof typeof assetTypes;

/** Returns the texts by file name. */
export function assetFiles(): Readonly<Record<AssetName, string>> {
  const read = (name: AssetName) => readFileSync(new URL(`./assets/${name}`, import.meta.url), 'utf8');
  return { 'console.css': read('console.css'), 'console.js': read('console.js'), 'icon.svg': read('icon.svg') };
}
