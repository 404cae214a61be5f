/** Which database: --database-url, DATABASE_URL, or the variables of libpq, which psql reads as well. */
import { checkedConnectionString } from '../database/connection-string.ts';
import { ConfigurationError } from '../errors.ts';
import { createSettingReader, type Environment } from './environment.ts';

/** Any of these names a database where there is no URL. The driver reads them itself. */
const databaseVariables = ['PGHOST', 'PGDATABASE', 'PGUSER'] as const;
/** The driver reads none of these as libpq does, so that they become parameters of the URL. */
const tlsParameters = new Map([
  ['PGSSLMODE', 'sslmode'],
  ['PGSSLROOTCERT', 'sslrootcert'],
  ['PGSSLCERT', 'sslcert'],
  ['PGSSLKEY', 'sslkey'],
]);

/** Returns which database to use, as the driver should get it. @throws {ConfigurationError} if it is not valid. */
export function databaseUrlOf(given: string | undefined, environment: Environment): string {
  const named = given ?? createSettingReader(environment).secret('DATABASE_URL') ?? '';
  const setting = given === undefined ? 'DATABASE_URL' : '--database-url';
  const url = checkedConnectionString(named === '' ? fromVariables(environment) : named, setting);
  return withTls(url, setting, environment);
}

/** A URL that leaves everything to the variables. */
function fromVariables(environment: Environment): string {
  const { PGHOST = '', PGPORT = '' } = environment;
  if (!databaseVariables.some((name) => environment[name]))
    throw new ConfigurationError(
      'DATABASE_URL',
      'is not set: set it, or DATABASE_URL_FILE to a file that contains it, or PGHOST, PGUSER, PGPASSWORD and ' +
        'PGDATABASE, or pass --database-url, for example postgres://user@localhost:5432/app',
    );
  if (PGHOST.includes(','))
    throw new ConfigurationError('PGHOST', 'names several hosts: name the primary, or a proxy in front of them');
  if (!/^\d{0,5}$/.test(PGPORT) || Number(PGPORT) > 65_535)
    throw new ConfigurationError('PGPORT', `invalid port "${PGPORT}": expected 1-65535`);
  return 'postgres://';
}

/** Adds what the variables say about TLS, unless the URL says something about it. */
function withTls(url: string, setting: string, environment: Environment): string {
  if (/[?&]ssl[a-z]*=/.test(url)) return url;
  const set = [...tlsParameters].filter(([variable]) => environment[variable]);
  if (set.length === 0) return url;
  const query = set.map(([variable, name]) => `${name}=${encodeURIComponent(environment[variable] ?? '')}`).join('&');
  // Checked alone first, so that an error names the variables.
  checkedConnectionString(`postgres://?${query}`, set.map(([variable]) => variable).join(', '));
  return checkedConnectionString(`${url}${url.includes('?') ? '&' : '?'}${query}`, setting);
}
