/**
 * The style sheet, the script and the icon. Their version is a hash of the content, so browsers may cache them
 * forever.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const types = { 'console.css': 'text/css', 'console.js': 'text/javascript', 'icon.svg': 'image/svg+xml' } as const;
/** The name of a file in `assets/`. */
export type AssetName = keyof typeof types;

/** One file as it is served. */
export interface Asset {
  readonly content: string;
  readonly type: string;
  /** Hash of the content. */
  readonly version: string;
}

/** All files, by name. */
export type Assets = Readonly<Record<AssetName, Asset>>;

/** Reads the files. */
export function readAssets(): Assets {
  const read = (name: AssetName): Asset => {
    const content = readFileSync(new URL(`./assets/${name}`, import.meta.url), 'utf8');
    const version = createHash('sha256').update(content).digest('base64url').slice(0, 10);
    return { content, type: `${types[name]}; charset=utf-8`, version };
  };
  return { 'console.css': read('console.css'), 'console.js': read('console.js'), 'icon.svg': read('icon.svg') };
}

/** Whether the text names one of the files. */
export function isAssetName(name: string): name is AssetName {
  return Object.hasOwn(types, name);
}
