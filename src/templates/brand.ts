/** What a brand must be, wherever it is given. */
import { ConfigurationError } from '../errors.ts';
import type { Brand } from '../vocabulary.ts';

/** A brand field by field; null removes what was set before. */
export type BrandChange = { readonly [Field in keyof Brand]?: Brand[Field] | null };

const maxNameLength = 200;
const maxUrlLength = 900;
const maxFooterLines = 5;
const maxFooterLength = 200;

/** @throws {ConfigurationError} if the name or the base URL is missing, and for a field that is not valid. */
export function checkBrand(brand: Brand): void {
  if (typeof brand !== 'object' || brand === null)
    throw new ConfigurationError('brand', 'is missing; give { appName, baseUrl }');
  if (brand.appName === undefined || brand.appName === null)
    throw new ConfigurationError('brand.appName', 'must be the name of the application');
  if (brand.baseUrl === undefined) checkUrl('brand.baseUrl', brand.baseUrl);
  checkBrandFields(brand);
}

/** @throws {ConfigurationError} for a field that is not valid or not known; it names the field and the value. */
export function checkBrandFields(brand: BrandChange): void {
  if (typeof brand !== 'object' || brand === null) throw new ConfigurationError('brand', 'must be an object');
  for (const [field, value] of Object.entries(brand)) {
    const check = Object.hasOwn(checks, field) ? checks[field as keyof Brand] : undefined;
    if (check === undefined)
      throw new ConfigurationError(`brand.${field}`, `is not a field of a brand; known: ${fieldNames.join(', ')}`);
    if (value !== undefined && value !== null) check(`brand.${field}`, value);
  }
}

const checks: Readonly<Record<keyof Brand, (place: string, value: unknown) => void>> = {
  appName(place, value) {
    if (typeof value !== 'string' || value.trim() === '')
      throw new ConfigurationError(place, 'must be the name of the application');
    checkLine(place, value, maxNameLength);
  },
  baseUrl: checkUrl,
  logoUrl: checkUrl,
  logoDarkUrl: checkUrl,
  logoWidth: (place, value) => checkPixels(place, value, 400),
  logoHeight: (place, value) => checkPixels(place, value, 200),
  color(place, value) {
    if (typeof value === 'string' && /^#[0-9a-f]{6}$/i.test(value)) return;
    throw new ConfigurationError(place, `${shown(value)} is not a colour such as #0b5cad`);
  },
  footer(place, value) {
    if (!Array.isArray(value) || value.length > maxFooterLines)
      throw new ConfigurationError(place, `must be a list of ${maxFooterLines} lines at most`);
    value.forEach((text, index) => checkLine(`${place}.${index}`, text, maxFooterLength));
  },
};

/** The names of the fields. */
export const fieldNames = Object.keys(checks) as readonly (keyof Brand)[];

function checkUrl(place: string, value: unknown): void {
  const url = isLine(value, maxUrlLength) ? URL.parse(value) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new ConfigurationError(place, `${shown(value)} is not an absolute URL such as https://acme.example`);
  // Links with a user or password are refused when a message is rendered.
  if (url.username !== '' || url.password !== '')
    throw new ConfigurationError(place, 'must not hold a user or password');
}

function checkLine(place: string, value: unknown, max: number): void {
  if (isLine(value, max)) return;
  throw new ConfigurationError(place, `must be one line of 1 to ${max} characters`);
}

/** A value in an error: of text the start, of anything else its type. */
function shown(value: unknown): string {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 100)) : `a value of type ${typeof value}`;
}

/** Postgres takes no half of a surrogate pair; a control of direction would change what is written beside it. */
function isLine(value: unknown, max: number): value is string {
  if (typeof value !== 'string' || value.length > max || value.trim() === '') return false;
  return value.isWellFormed() && !/[\p{Cc}\u2028-\u202e\u2066-\u2069]/u.test(value);
}

function checkPixels(place: string, value: unknown, max: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 8 && value <= max) return;
  throw new ConfigurationError(place, `${shown(value)} is not a whole number of pixels from 8 to ${max}`);
}
