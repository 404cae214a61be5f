/** The options of `createRecipientPages`, checked before anything is served. */
import type { Pool } from 'pg';
import { ConfigurationError } from '../errors.ts';
import { checkBrand } from '../templates/brand.ts';
import { createTenants, type Tenants } from '../tenants/tenants.ts';
import { type Brand, type Logger, silentLogger } from '../vocabulary.ts';
import { type LinkOptions, parseLinks } from './links.ts';
import type { TokenBox } from './token.ts';

/** Options of `createRecipientPages`. */
export interface RecipientPagesOptions {
  /** The host's pool; the pages do not close it. The role `herald_enqueuer` has the rights that they need. */
  readonly pool: Pool;
  /** The same as the worker's. */
  readonly links: LinkOptions;
  /** Shown at the top of every page, with what the tenant of the link has of its own. Use the worker's. */
  readonly brand: Brand;
  /** Where the server mounts the pages, if a proxy changes the path. Default: the path of `links.url`. */
  readonly basePath?: string;
  /**
   * Returns the tenant that the requested host belongs to, so that a link opens only on its tenant's host; null: the
   * messages without a tenant. Default: links of every tenant open everywhere.
   */
  readonly tenantOf?: (request: Request) => string | null | Promise<string | null>;
  /** Receives failures of the database. Default: silent. */
  readonly logger?: Logger;
}

/** The options with their defaults. */
export interface PageSettings {
  readonly pool: Pool;
  readonly box: TokenBox;
  readonly brand: Brand;
  readonly tenants: Tenants;
  /** Empty, or with a leading and without a trailing slash. */
  readonly basePath: string;
  readonly tenantOf: RecipientPagesOptions['tenantOf'];
  readonly logger: Logger;
}

/** @throws {ConfigurationError} if an option is missing or wrong. */
export function parsePageOptions(options: RecipientPagesOptions): PageSettings {
  const { pool, brand, tenantOf, logger = silentLogger } = options;
  if (typeof pool?.query !== 'function') throw new ConfigurationError('pool', 'must be a Pool of the package pg');
  const { url, box } = parseLinks(options.links);
  checkBrand(brand);
  const basePath = options.basePath ?? new URL(url).pathname;
  if (!/^(\/[\w.~-]+)*\/?$/.test(basePath))
    throw new ConfigurationError('basePath', `"${basePath}" is not a valid path; expected something like /mail`);
  const tenants = createTenants((id) => readTenant(pool, id), { brand, logger });
  return { pool, box, brand, tenants, basePath: basePath.replace(/\/$/, ''), tenantOf, logger };
}

async function readTenant(pool: Pool, id: string) {
  const { rows } = await pool.query<{ brand: unknown }>('SELECT herald.tenant_brand($1) AS brand', [id]);
  return rows.map(({ brand }) => ({ brand, sender: null }));
}
