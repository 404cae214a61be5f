/** What a tenant changes of the application's brand. Pure. */
import { ConfigurationError } from '../errors.ts';
import { type BrandChange, checkBrandFields } from '../templates/brand.ts';
import type { Brand } from '../vocabulary.ts';

/** What the row of a tenant says about delivery. */
export interface StoredTenant {
  /** As stored: an application may write the row itself. */
  readonly brand: unknown;
  readonly sender: string | null;
}

/** How the messages of a tenant are delivered. */
export interface TenantSettings {
  readonly brand: Brand;
  /** Name of its sender; null: the first. */
  readonly sender: string | null;
}

/**
 * The brand of a tenant: its own fields, and the application's where it has none. A tenant with a name or
 * a logo of its own gets no logo of the application beside it.
 */
export function brandOf(application: Brand, own: Partial<Brand>): Brand {
  if (own.appName === undefined && own.logoUrl === undefined) return { ...application, ...own };
  const { logoUrl: _, logoDarkUrl: __, logoWidth: ___, logoHeight: ____, ...rest } = application;
  return { ...rest, ...own };
}

/** Splits a stored brand into its valid fields and the names of the others. */
export function readBrandFields(stored: unknown): { readonly own: Partial<Brand>; readonly invalid: string[] } {
  if (typeof stored !== 'object' || stored === null) return { own: {}, invalid: [] };
  const entries = Object.entries(stored).filter(([, value]) => value !== null);
  const valid = entries.filter(([field, value]) => isValid({ [field]: value }));
  const invalid = entries.map(([field]) => field).filter((field) => !valid.some(([name]) => name === field));
  return { own: Object.fromEntries(valid), invalid };
}

function isValid(brand: BrandChange): boolean {
  try {
    checkBrandFields(brand);
    return true;
  } catch (error) {
    if (error instanceof ConfigurationError) return false;
    throw error;
  }
}
