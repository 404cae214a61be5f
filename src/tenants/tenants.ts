/** The brand and the sender of each tenant, read when its messages are delivered. */
import { LruCache } from '../lru.ts';
import type { Brand, Logger } from '../vocabulary.ts';
import { brandOf, readBrandFields, type StoredTenant, type TenantSettings } from './tenant.ts';

/** Where the tenants are read. */
export interface Tenants {
  /**
   * Returns how messages of this tenant are delivered, as of at most 5 s ago. A tenant without a row is delivered like
   * the application itself, as is null. Rejects while the database is away; the next call tries again.
   */
  settingsOf(tenant: string | null): TenantSettings | Promise<TenantSettings>;
}

/** Reads one tenant. */
export const tenantStatement = {
  name: 'herald.tenant',
  text: 'SELECT brand, sender FROM herald.tenant WHERE id = $1',
};

const maxTenants = 1000;
const freshMs = 5000;

interface Entry {
  readonly readAt: number;
  readonly settings: Promise<TenantSettings>;
}

/** Creates an empty cache. `read` runs `tenantStatement`; `brand` is the application's. */
export function createTenants(
  read: (id: string) => Promise<readonly StoredTenant[]>,
  { brand, logger }: { readonly brand: Brand; readonly logger: Logger },
): Tenants {
  const cache = new LruCache<Entry>(maxTenants);
  const application: TenantSettings = { brand, sender: null };

  async function settingsFrom(id: string): Promise<TenantSettings> {
    const [row] = await read(id);
    if (row === undefined) return application;
    const { own, invalid } = readBrandFields(row.brand);
    if (invalid.length > 0)
      logger.warn({ tenant: id, fields: invalid }, 'ignored invalid fields of the brand of a tenant');
    return { brand: brandOf(brand, own), sender: row.sender };
  }

  function open(id: string): Entry {
    const settings = settingsFrom(id);
    settings.catch(() => cache.delete(id));
    return { readAt: performance.now(), settings };
  }

  return {
    settingsOf(id) {
      if (id === null) return application;
      const entry = cache.get(id, () => open(id));
      if (performance.now() - entry.readAt < freshMs) return entry.settings;
      cache.delete(id);
      return cache.get(id, () => open(id)).settings;
    },
  };
}
