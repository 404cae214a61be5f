/** What a brand must be, wherever it is given. */
import { ConfigurationError } from '../errors.ts';
import type { Brand } from '../vocabulary.ts';

/** @throws {ConfigurationError} if `appName` is empty, or a URL is not an absolute one of http or https. */
export function checkBrand(brand: Brand): void {
  if (typeof brand !== 'object' || brand === null)
    throw new ConfigurationError('brand', 'is missing; give { appName, baseUrl }');
  if (typeof brand.appName !== 'string' || brand.appName.trim() === '')
    throw new ConfigurationError('brand.appName', 'must be the name of the application');
  checkUrl('brand.baseUrl', brand.baseUrl);
  if (brand.logoUrl !== undefined) checkUrl('brand.logoUrl', brand.logoUrl);
}

function checkUrl(place: string, value: unknown): void {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (url !== null && /^https?:$/.test(url.protocol)) return;
  throw new ConfigurationError(place, `"${String(value)}" is not an absolute URL such as https://acme.example`);
}
