/** The environment as validated settings: the only reader of `process.env`. */
import { userInfo } from 'node:os';
import type { EgressOptions } from '../dispatch/egress/egress-options.ts';
import type { SmtpSendersOptions } from '../dispatch/smtp/senders.ts';
import type { SmtpOptions } from '../dispatch/smtp/smtp-options.ts';
import type { WebhookOptions } from '../dispatch/webhook/webhook-options.ts';
import { ConfigurationError } from '../errors.ts';
import { type LinkOptions, parseLinks } from '../recipients/links.ts';
import type { Brand } from '../vocabulary.ts';
import { databaseUrlOf } from './database-url.ts';
import { collected, createSettingReader, type Environment, required, type SettingReader } from './environment.ts';
import type { LogLevel } from './settings.ts';
import { readSmtp } from './smtp-settings.ts';

/** Everything a worker needs. */
export interface Config {
  readonly databaseUrl: string;
  readonly brand: Brand;
  /** Missing if neither HERALD_SMTP_HOST nor HERALD_SMTP_SENDERS_FILE is set. */
  readonly smtp?: SmtpOptions | SmtpSendersOptions;
  /** Without `endpoint` if HERALD_WEBHOOK_URL is not set. */
  readonly webhook: WebhookOptions;
  /**
   * For stored endpoints and secret labels, the current key first. Empty: no endpoints, and labels are stored in
   * clear text.
   */
  readonly secretKeys: readonly string[];
  /** Missing if HERALD_LINKS_URL is not set. */
  readonly links?: LinkOptions;
  readonly logLevel: LogLevel;
  readonly stopTimeoutSeconds: number;
  /** `schema.function` of the database. */
  readonly recipientGuard?: string;
}

/** Reads which database to use, for commands that need nothing else. @throws {ConfigurationError} if it is invalid. */
export function readDatabaseUrl(given?: string, environment: Environment = process.env): string {
  return databaseUrlOf(given, environment);
}

/** What `pg-herald dev` needs. `databaseUrl` is null if none is named, so that it starts a database. */
export function readDevelopment(given?: string, appName?: string, environment: Environment = process.env) {
  const named = (given ?? environment.DATABASE_URL ?? '') !== '';
  return {
    databaseUrl: named ? readDatabaseUrl(given, environment) : null,
    path: environment.PATH ?? '',
    brand: readBrand(environment, appName),
    secretKeys: secretKeysOf(createSettingReader(environment)),
  };
}

/** The name of the operator, for the audit log: HERALD_OPERATOR, or the login name. */
export function readOperator(environment: Environment = process.env): string {
  const { HERALD_OPERATOR, SUDO_USER, USER, LOGNAME } = environment;
  return HERALD_OPERATOR || SUDO_USER || USER || LOGNAME || loginName() || 'cli';
}

/** Null for a process whose user id has no name, as in many containers. */
function loginName(): string | null {
  try {
    return userInfo().username;
  } catch {
    return null;
  }
}

/**
 * Reads everything a worker needs.
 * @throws {ConfigurationError} that names every setting that is missing or not valid.
 */
export function readConfig(databaseUrl?: string, environment: Environment = process.env): Config {
  const read = createSettingReader(environment);
  return collected({
    databaseUrl: () => readDatabaseUrl(databaseUrl, environment),
    brand: () => readBrand(environment),
    smtp: () => readSmtp(read),
    webhook: () => readWebhook(read),
    secretKeys: () => secretKeysOf(read),
    links: () => linksOf(read),
    logLevel: () => read.choice('HERALD_LOG_LEVEL') ?? 'info',
    recipientGuard: () => read.text('HERALD_RECIPIENT_GUARD'),
    stopTimeoutSeconds: () => read.number('HERALD_STOP_TIMEOUT_SECONDS') ?? 30,
  });
}

/**
 * What the console needs beside the database; all of it is optional. @throws {ConfigurationError} if one is not
 * valid.
 */
export function readConsole(environment: Environment = process.env) {
  const read = createSettingReader(environment);
  return {
    brand: readBrand(environment),
    secretKeys: secretKeysOf(read),
    egress: egressOf(read),
    linksUrl: read.url('HERALD_LINKS_URL'),
    token: read.secret('HERALD_CONSOLE_TOKEN'),
    from: read.text('HERALD_SMTP_FROM'),
    logLevel: read.choice('HERALD_LOG_LEVEL') ?? 'warn',
  };
}

/** The application's name, URL, logo, colour and footer. */
export function readBrand(environment: Environment = process.env, defaultName = 'My application'): Brand {
  const read = createSettingReader(environment);
  const baseUrl = read.url('HERALD_BASE_URL') ?? 'http://localhost';
  const optional = {
    logoUrl: read.url('HERALD_LOGO_URL'),
    logoDarkUrl: read.url('HERALD_LOGO_DARK_URL'),
    logoWidth: read.number('HERALD_LOGO_WIDTH'),
    logoHeight: read.number('HERALD_LOGO_HEIGHT'),
    color: read.text('HERALD_BRAND_COLOR'),
    footer:
      read
        .text('HERALD_FOOTER')
        ?.split('|')
        .map((line) => line.trim()) ?? null,
  };
  return {
    appName: read.text('HERALD_APP_NAME') ?? defaultName,
    baseUrl: baseUrl.replace(/\/$/, ''),
    ...(Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== null)) as Partial<Brand>),
  };
}

/** What outgoing HTTP calls may reach beyond public https: addresses, and through which proxy. */
export function readEgress(environment: Environment = process.env): EgressOptions {
  return egressOf(createSettingReader(environment));
}

/** The keys of HERALD_SECRET_KEY, the current one first. @throws {ConfigurationError} if there is none. */
export function readSecretKeys(environment: Environment = process.env): readonly string[] {
  const keys = secretKeysOf(createSettingReader(environment));
  if (keys.length > 0) return keys;
  throw new ConfigurationError(
    'HERALD_SECRET_KEY',
    'is not set, and endpoints are stored encrypted: create a key with "openssl rand -base64 32" and give the ' +
      'workers the same one',
  );
}

function secretKeysOf(read: SettingReader): readonly string[] {
  return read.secret('HERALD_SECRET_KEY')?.split(/[\s,]+/) ?? [];
}

function linksOf(read: SettingReader): LinkOptions | null {
  const url = read.url('HERALD_LINKS_URL');
  if (url === null) return null;
  const keys = required('HERALD_LINKS_KEY', read.secret('HERALD_LINKS_KEY')).split(/[\s,]+/);
  parseLinks({ url, keys }, { url: 'HERALD_LINKS_URL', keys: 'HERALD_LINKS_KEY' });
  return { url, keys };
}

function egressOf(read: SettingReader): EgressOptions {
  return collected({
    allowCidrs: () => read.list('HERALD_WEBHOOK_ALLOW_CIDRS'),
    allowHosts: () => read.list('HERALD_WEBHOOK_ALLOW_HOSTS'),
    proxy: () => read.secret('HERALD_WEBHOOK_PROXY'),
  });
}

function readWebhook(read: SettingReader): WebhookOptions {
  const url = read.text('HERALD_WEBHOOK_URL');
  const secretName = 'HERALD_WEBHOOK_SECRET';
  return collected({
    endpoint: () => (url === null ? null : { url, secret: required(secretName, read.secret(secretName)) }),
    egress: () => egressOf(read),
    concurrency: () => read.number('HERALD_WEBHOOK_CONCURRENCY'),
  });
}
