/**
 * Checks a connection string before the driver reads it, and gives it the meaning of libpq where the driver has another
 * one. An error names the part and the remedy, and never a password (PostgreSQL documentation, 32.1.1.2).
 */
import { accessSync, constants } from 'node:fs';
import { ConfigurationError } from '../errors.ts';

const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];
const fileParameters = ['sslrootcert', 'sslcert', 'sslkey'];
const example = 'postgres://user:password@host:5432/database';
const encoding = 'percent-encode it: # is %23, / is %2F, ? is %3F, @ is %40, % is %25';
const severalHosts = 'names several hosts, and only one is supported: name the primary, or a proxy';

type Invalid = (message: string) => ConfigurationError;
type Parameters = ReadonlyMap<string, string>;

interface ConnectionUrl {
  readonly authority: string;
  readonly path: string;
  readonly query: string;
  readonly fragment: string | undefined;
  /** After the last @ of the authority. */
  readonly hosts: string;
  readonly port: string | undefined;
}

/**
 * Returns the string as the driver should get it: with the meaning of libpq where the driver has another one, and
 * unchanged otherwise. Checking its result again changes nothing. `setting` is named in errors, for example
 * `DATABASE_URL`.
 * @throws {ConfigurationError} if it is not valid.
 */
export function checkedConnectionString(text: string, setting: string): string {
  const invalid: Invalid = (message) => new ConfigurationError(setting, message);
  const parts = partsOf(text, invalid);
  checkReserved(parts, invalid);
  checkHost(parts, invalid);
  const parameters = parametersOf(parts.query);
  if ((decoded(parameters.get('host')) ?? '').includes(',')) throw invalid(severalHosts);
  const { dbname, ...others } = Object.fromEntries(parameters);
  const path = dbname === undefined ? parts.path : `/${dbname}`;
  checkDatabase(path, invalid);
  const query = queryOf(new Map([...Object.entries(others), ...tlsOf(parameters, invalid)]));
  return `${text.slice(0, text.indexOf('://') + 3)}${parts.authority}${path}${query}`;
}

function partsOf(text: string, invalid: Invalid): ConnectionUrl {
  if (text.trim() === '') throw invalid(`is empty: expected ${example}`);
  const parts = /^postgres(?:ql)?:\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?(#.*)?$/s.exec(text);
  if (parts === null) throw invalid(`is not a PostgreSQL URL: expected ${example}`);
  const [, authority = '', path = '', query = '', fragment] = parts;
  const hosts = authority.slice(authority.lastIndexOf('@') + 1);
  return { authority, path, query, fragment, hosts, port: /:([^:\]]*)$/.exec(hosts)?.[1] };
}

/** Without its reserved characters encoded, a password ends the part that holds user, password and host. */
function checkReserved({ authority, path, query, fragment, port }: ConnectionUrl, invalid: Invalid): void {
  const at = authority.lastIndexOf('@');
  const isCutShort =
    at < 0 && (path.includes('@') || !/^\d*$/.test(port ?? '') || (port !== undefined && query.includes('@')));
  if (fragment !== undefined || isCutShort || /(^|&)[^=&]+(&|$)/.test(query))
    throw invalid(`has a password or name with a reserved character: ${encoding}`);
  if (authority.slice(0, Math.max(at, 0)).includes('@')) throw invalid(`has more than one @: ${encoding}`);
  if ([authority, path, query].some((part) => decoded(part) === null))
    throw invalid(`has a % that encodes nothing: ${encoding}`);
}

function checkHost({ hosts, port }: ConnectionUrl, invalid: Invalid): void {
  if (hosts.includes(',')) throw invalid(severalHosts);
  if (!/^\d*$/.test(port ?? '') || Number(port ?? 0) > 65_535)
    throw invalid(`has an invalid port: expected ${example}`);
}

/** The driver does not decode these characters in the name of a database. */
function checkDatabase(path: string, invalid: Invalid): void {
  if (/%(23|2F|3F)/i.test(path))
    throw invalid(
      'names a database with #, / or ?, which the driver cannot read from a URL: set PGHOST, PGUSER, PGPASSWORD and ' +
        'PGDATABASE instead, or rename the database',
    );
}

/** Null if a % encodes nothing. */
function decoded(text: string | undefined): string | null {
  try {
    return decodeURIComponent(text ?? '');
  } catch {
    return null;
  }
}

/** Names, and values as they were written. */
function parametersOf(query: string): Parameters {
  const pairs = query.split('&').filter((pair) => pair !== '');
  return new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}

/** Without the parameters that `tlsOf` has dropped. */
function queryOf(parameters: ReadonlyMap<string, string | null>): string {
  const pairs = [...parameters].flatMap(([name, value]) => (value === null ? [] : [`${name}=${value}`]));
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

/**
 * The parameters of TLS that the driver should get; null drops one. For the modes that do not verify the host name, the
 * driver has the meaning of libpq only with `uselibpqcompat`.
 */
function tlsOf(parameters: Parameters, invalid: Invalid): Map<string, string | null> {
  const usesSystem = parameters.get('sslrootcert') === 'system';
  for (const name of fileParameters) if (!(usesSystem && name === 'sslrootcert')) checkFile(name, parameters, invalid);
  const mode = decoded(parameters.get('sslmode')) || (usesSystem ? 'verify-full' : null);
  if (mode === null) return new Map();
  if (!sslModes.includes(mode))
    throw invalid(`has an unknown sslmode "${mode}": expected one of ${sslModes.join(', ')}`);
  if (usesSystem && mode !== 'verify-full') throw invalid('sslrootcert=system needs sslmode=verify-full, as in libpq');
  if (mode === 'verify-ca' && !parameters.has('sslrootcert'))
    throw invalid('sslmode=verify-ca needs sslrootcert=/path/ca.pem; for a public authority use sslmode=verify-full');
  return new Map([
    // libpq tries without TLS first.
    ['sslmode', mode === 'allow' ? 'disable' : mode],
    ...(['prefer', 'require', 'verify-ca'].includes(mode) ? [['uselibpqcompat', 'true'] as const] : []),
    // The authorities of the system are the default of Node.js.
    ...(usesSystem ? [['sslrootcert', null] as const] : []),
  ]);
}

function checkFile(name: string, parameters: Parameters, invalid: Invalid): void {
  const path = decoded(parameters.get(name));
  if (path === null || path === '' || isReadable(path)) return;
  throw invalid(`${name}: cannot read ${path}; give the path of a PEM file`);
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
