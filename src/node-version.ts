/**
 * Imported before everything else: an older Node.js would fail inside a dependency, with an error that names no remedy.
 */
import { ConfigurationError } from './errors.ts';

/** Oldest version of Node.js that the dependencies support, as in `engines` of package.json. */
export const oldestNode = '22.12.0';

/** @throws {ConfigurationError} if this version of Node.js is older than `oldestNode`. */
export function requireNode(version: string): void {
  if (version.localeCompare(oldestNode, 'en', { numeric: true }) >= 0) return;
  throw new ConfigurationError('Node.js', `${version} is too old for pg-herald; run it with ${oldestNode} or later`);
}

requireNode(process.versions.node);
