/** The options of `createInbox`, checked before anything is served. */
import type { Pool } from 'pg';
import { ConfigurationError } from '../errors.ts';
import { checkBrand } from '../templates/brand.ts';
import { type Brand, type Logger, silentLogger } from '../vocabulary.ts';
import type { Reader } from './item.ts';

/** Options of `createInbox`. */
export interface InboxOptions {
  /**
   * The host's pool; at least 2 connections, because one listens while streams are open. The inbox does not close it.
   */
  readonly pool: Pool;
  /** Renders items. Use the worker's. */
  readonly brand: Brand;
  /**
   * Returns whose inbox the request may read, null to refuse it, or a response of the host's own. Called for every
   * request, and again when a stream has lasted a quarter of an hour. Nothing else names a reader.
   */
  readonly authorize: (request: Request) => Reader | Response | null | Promise<Reader | Response | null>;
  /** Where the inbox is mounted, for example `/inbox`. Default: the root. */
  readonly basePath?: string;
  /** Receives failures. Default: silent. */
  readonly logger?: Logger;
}

/** The options with their defaults. */
export interface InboxSettings extends Required<InboxOptions> {}

const leastConnections = 2;

/** @throws {ConfigurationError} if an option is missing or wrong. */
export function parseInboxOptions(options: InboxOptions): InboxSettings {
  const { pool, brand, authorize, basePath = '', logger = silentLogger } = options;
  if (typeof pool?.connect !== 'function') throw new ConfigurationError('pool', 'must be a pool of the package pg');
  if ((pool.options?.max ?? leastConnections) < leastConnections)
    throw new ConfigurationError('pool', `must allow ${leastConnections} connections: one listens for changes`);
  if (typeof authorize !== 'function')
    throw new ConfigurationError('authorize', 'must be a function that returns whose inbox a request may read');
  if (!/^(\/[\w.~-]+)*\/?$/.test(basePath))
    throw new ConfigurationError('basePath', `"${basePath}" is not a valid path; expected something like /inbox`);
  checkBrand(brand);
  return { pool, brand, authorize, logger, basePath: basePath.replace(/\/$/, '') };
}
