/** Imported before everything else: an older Node would stop inside a dependency, with an error that names no remedy. */
import { ConfigurationError } from './errors.ts';

/** What the dependencies need; package.json's `engines` says the same. */
export const oldestNode = '22.12.0';

/** @throws ConfigurationError if this version of Node is older than `oldestNode`. */
export function demandNode(version: string): void {
  if (version.localeCompare(oldestNode, 'en', { numeric: true }) >= 0) return;
  throw new ConfigurationError('Node.js', `${version} is too old for pg-herald; run it with ${oldestNode} or newer`);
}

demandNode(process.versions.node);
