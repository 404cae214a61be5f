/** The style sheet, the script and the icon, read once and named by their content, so that browsers may keep them. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const types = { 'console.css': 'text/css', 'console.js': 'text/javascript', 'icon.svg': 'image/svg+xml' } as const;
export type AssetName = keyof typeof types;

export interface Asset {
  readonly content: string;
  readonly type: string;
  /** Changes with the content. */
  readonly version: string;
}

export type Assets = Readonly<Record<AssetName, Asset>>;

export function readAssets(): Assets {
  const read = (name: AssetName): Asset => {
    const content = readFileSync(new URL(`./assets/${name}`, import.meta.url), 'utf8');
    const version = createHash('sha256').update(content).digest('base64url').slice(0, 10);
    return { content, type: `${types[name]}; charset=utf-8`, version };
  };
  return { 'console.css': read('console.css'), 'console.js': read('console.js'), 'icon.svg': read('icon.svg') };
}

export function isAssetName(name: string): name is AssetName {
  return Object.hasOwn(types, name);
}
