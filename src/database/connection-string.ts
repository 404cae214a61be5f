/**
 * Checks a connection string before the driver reads it: an error names the part and the remedy, and never a password.
 * The forms are those of libpq (PostgreSQL documentation, 32.1.1.2).
 */
import { accessSync, constants } from 'node:fs';
import { ConfigurationError } from '../errors.ts';

const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];
const fileParameters = ['sslrootcert', 'sslcert', 'sslkey'];
const example = 'postgres://user:password@host:5432/database';
const encoding = 'percent-encode it: # is %23, / is %2F, ? is %3F, @ is %40, % is %25';

/**
 * Returns the string as the driver should get it: with the meaning of libpq where the driver has another one, and
 * unchanged otherwise. `setting` is named in errors, for example `DATABASE_URL`.
 * @throws {ConfigurationError} if it is not valid.
 */
export function checkedConnectionString(text: string, setting: string): string {
  const invalid = (message: string) => new ConfigurationError(setting, message);
  const parts = /^postgres(?:ql)?:\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?(#.*)?$/s.exec(text);
  if (parts === null) throw invalid(`is not a PostgreSQL URL: expected ${example}`);
  const [, authority = '', path = '', query = '', fragment] = parts;
  const at = authority.lastIndexOf('@');
  const hosts = authority.slice(at + 1);
  const port = /:([^:\]]*)$/.exec(hosts)?.[1];
  // Without its reserved characters encoded, a password ends the part that holds user, password and host.
  const isCutShort = at < 0 && (path.includes('@') || !/^\d*$/.test(port ?? ''));
  if (fragment !== undefined || isCutShort || /(^|&)[^=&]+(&|$)/.test(query))
    throw invalid(`has a password or name with a reserved character: ${encoding}`);
  if (authority.slice(0, Math.max(at, 0)).includes('@')) throw invalid(`has more than one @: ${encoding}`);
  if (hosts.includes(','))
    throw invalid('names several hosts, and only one is supported: name the primary, or a proxy');
  if (!/^\d*$/.test(port ?? '') || Number(port ?? 0) > 65_535)
    throw invalid(`has an invalid port: expected ${example}`);
  for (const part of [authority, path, query])
    if (!isDecodable(part)) throw invalid(`has a % that encodes nothing: ${encoding}`);
  if (/%(23|2F|3F)/i.test(path)) throw invalid('names a database with #, / or ?, which a URL cannot: rename it');
  const parameters = checkedParameters(query, invalid);
  return (
    text.slice(0, text.length - (query === '' ? 0 : query.length + 1)) + (parameters === '' ? '' : `?${parameters}`)
  );
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function checkedParameters(query: string, invalid: (message: string) => ConfigurationError): string {
  const parameters = query.split('&').flatMap((pair): (readonly [name: string, value: string])[] => {
    const [name = '', value = ''] = pair.split('=');
    return pair === '' ? [] : [[name, value]];
  });
  const isCompatible = parameters.some(([name, value]) => name === 'uselibpqcompat' && value === 'true');
  return parameters
    .flatMap(([name, value]) => {
      if (name === 'sslmode')
        return [`sslmode=${checkedSslMode(decodeURIComponent(value), { isCompatible, invalid })}`];
      if (!fileParameters.includes(name)) return [`${name}=${value}`];
      // The authorities of the system are the default of Node.js.
      if (name === 'sslrootcert' && value === 'system') return [];
      if (!isReadable(decodeURIComponent(value)))
        throw invalid(`${name}: cannot read ${decodeURIComponent(value)}; give the path of a PEM file`);
      return [`${name}=${value}`];
    })
    .join('&');
}

/** The driver verifies like `verify-full` for the modes in between, and warns about it; this says it in its words. */
function checkedSslMode(
  mode: string,
  {
    isCompatible,
    invalid,
  }: { readonly isCompatible: boolean; readonly invalid: (message: string) => ConfigurationError },
): string {
  if (!sslModes.includes(mode))
    throw invalid(`has an unknown sslmode "${mode}": expected one of ${sslModes.join(', ')}`);
  if (isCompatible) return mode;
  // libpq tries without TLS first.
  if (mode === 'allow') return 'disable';
  return ['prefer', 'require', 'verify-ca'].includes(mode) ? 'verify-full' : mode;
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
