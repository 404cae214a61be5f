/**
 * The style sheet, the script and the icon. Their version is a hash of the content, so browsers may cache them forever.
 */
import { createHash } from 'node:crypto';
import { assetFiles, type AssetName, assetTypes } from './asset-files.ts';

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
  const files = assetFiles();
  const asset = (name: AssetName): Asset => ({
    content: files[name],
    type: `${assetTypes[name]}; charset=utf-8`,
    version: createHash('sha256').update(files[name]).digest('base64url').slice(0, 10),
  });
  return { 'console.css': asset('console.css'), 'console.js': asset('console.js'), 'icon.svg': asset('icon.svg') };
}

/** Whether the text names one of the files. */
export function isAssetName(name: string): name is AssetName {
  return Object.hasOwn(assetTypes, name);
}
