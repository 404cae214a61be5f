/** The environment as validated settings: the only reader of `process.env`. */
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { EgressOptions } from '../dispatch/egress/egress-options.ts';
import { parseSenders, type SmtpSendersOptions } from '../dispatch/smtp/senders.ts';
import type { SmtpOptions } from '../dispatch/smtp/smtp-options.ts';
import type { WebhookOptions } from '../dispatch/webhook/webhook-options.ts';
import { ConfigurationError } from '../errors.ts';
import type { Brand } from '../vocabulary.ts';
import { databaseUrlOf } from './database-url.ts';
import { createSettingReader, type Environment, type SettingReader } from './environment.ts';
import type { LogLevel } from './settings.ts';

/** Everything a worker needs. */
export interface Config {
  readonly databaseUrl: string;
  readonly brand: Brand;
  /** Null if neither HERALD_SMTP_HOST nor HERALD_SMTP_SENDERS_FILE is set. */
  readonly smtp: SmtpOptions | SmtpSendersOptions | null;
  /** Without `endpoint` if HERALD_WEBHOOK_URL is not set. */
  readonly webhook: WebhookOptions;
  /**
   * For stored endpoints and secret labels, the current key first. Empty: no endpoints, and labels are stored in
   * clear text.
   */
  readonly secretKeys: readonly string[];
  readonly logLevel: LogLevel;
  readonly stopTimeoutSeconds: number;
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

/** Reads everything a worker needs. @throws {ConfigurationError} for the first setting that is not valid. */
export function readConfig(databaseUrl?: string, environment: Environment = process.env): Config {
  const read = createSettingReader(environment);
  return {
    databaseUrl: readDatabaseUrl(databaseUrl, environment),
    brand: readBrand(environment),
    smtp: readSmtp(read),
    webhook: readWebhook(read),
    secretKeys: secretKeysOf(read),
    logLevel: read.choice('HERALD_LOG_LEVEL') ?? 'info',
    stopTimeoutSeconds: read.number('HERALD_STOP_TIMEOUT_SECONDS') ?? 30,
  };
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
    token: read.secret('HERALD_CONSOLE_TOKEN'),
    from: read.text('HERALD_SMTP_FROM'),
    logLevel: read.choice('HERALD_LOG_LEVEL') ?? 'warn',
  };
}

/** The application's name, URL and logo. */
export function readBrand(environment: Environment = process.env, defaultName = 'My application'): Brand {
  const read = createSettingReader(environment);
  const baseUrl = read.url('HERALD_BASE_URL') ?? 'http://localhost';
  return {
    appName: read.text('HERALD_APP_NAME') ?? defaultName,
    baseUrl: baseUrl.replace(/\/$/, ''),
    ...given('logoUrl', read.url('HERALD_LOGO_URL')),
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

function egressOf(read: SettingReader): EgressOptions {
  return {
    ...given('allowCidrs', read.list('HERALD_WEBHOOK_ALLOW_CIDRS')),
    ...given('allowHosts', read.list('HERALD_WEBHOOK_ALLOW_HOSTS')),
    ...given('proxy', read.secret('HERALD_WEBHOOK_PROXY')),
  };
}

function readWebhook(read: SettingReader): WebhookOptions {
  const url = read.text('HERALD_WEBHOOK_URL');
  return {
    ...(url !== null && {
      endpoint: { url, secret: read.secret('HERALD_WEBHOOK_SECRET') ?? missing('HERALD_WEBHOOK_SECRET') },
    }),
    egress: egressOf(read),
    ...given('concurrency', read.number('HERALD_WEBHOOK_CONCURRENCY')),
  };
}

function readSmtp(read: SettingReader): SmtpOptions | SmtpSendersOptions | null {
  const host = read.text('HERALD_SMTP_HOST');
  const file = read.text('HERALD_SMTP_SENDERS_FILE');
  if (file !== null && host !== null)
    throw new ConfigurationError('HERALD_SMTP_SENDERS_FILE', 'is set together with HERALD_SMTP_HOST: use one of them');
  if (file !== null) return readSenders(file);
  return host === null ? null : { host, ...readRelay(read), ...readMessages(read) };
}

/** How the relay is reached. */
function readRelay(read: SettingReader): Omit<SmtpOptions, 'host' | 'from'> {
  return {
    ...given('port', read.number('HERALD_SMTP_PORT')),
    ...given('tls', read.choice('HERALD_SMTP_TLS')),
    ...(read.choice('HERALD_SMTP_ALLOW_PLAINTEXT') === 'true' && { allowPlaintext: true }),
    ...given('auth', readLogin(read)),
    ...given('caFile', read.text('HERALD_SMTP_CA_FILE')),
    ...given('certFile', read.text('HERALD_SMTP_CERT_FILE')),
    ...given('keyFile', read.text('HERALD_SMTP_KEY_FILE')),
    ...given('minTlsVersion', read.choice('HERALD_SMTP_MIN_TLS')),
    ...given('proxy', read.secret('HERALD_SMTP_PROXY')),
    ...given('ehloName', read.text('HERALD_SMTP_EHLO_NAME')),
    ...given('maxConnections', read.number('HERALD_SMTP_MAX_CONNECTIONS')),
    ...given('messagesPerSecond', read.number('HERALD_SMTP_MESSAGES_PER_SECOND')),
  };
}

/** What the emails carry. */
function readMessages(read: SettingReader): Pick<SmtpOptions, 'from' | 'replyTo' | 'envelopeFrom' | 'dkim'> {
  const address = read.text('HERALD_SMTP_FROM');
  if (address === null)
    throw new ConfigurationError(
      'HERALD_SMTP_FROM',
      'is not set: it is the author of the emails, for example noreply@example.com',
    );
  const replyTo = read.text('HERALD_SMTP_REPLY_TO');
  return {
    from: { address, ...given('name', read.text('HERALD_SMTP_FROM_NAME')) },
    ...(replyTo !== null && { replyTo: { address: replyTo } }),
    ...given('envelopeFrom', read.text('HERALD_SMTP_ENVELOPE_FROM')),
    ...given('dkim', readDkim(read)),
  };
}

/** Several senders: a JSON file with `[{ "name": ..., "host": ..., "from": ... }, ...]`, the options of `smtp`. */
function readSenders(file: string): SmtpSendersOptions {
  const invalid = (why: string) => new ConfigurationError('HERALD_SMTP_SENDERS_FILE', `${file} ${why}`);
  let senders: SmtpSendersOptions['senders'];
  try {
    senders = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw invalid(error instanceof SyntaxError ? 'is not valid JSON' : 'cannot be read');
  }
  if (!Array.isArray(senders)) throw invalid('is not a list of senders: expected [ at the start');
  parseSenders({ senders });
  return { senders };
}

/**
 * By access token if there is a token endpoint. Files are named, not read, because they are read again when they
 * change.
 */
function readLogin(read: SettingReader): SmtpOptions['auth'] | null {
  const user = read.text('HERALD_SMTP_USER');
  if (user === null) return null;
  const tokenUrl = read.url('HERALD_SMTP_OAUTH2_TOKEN_URL');
  if (tokenUrl === null) {
    const password = read.secretOrFile('HERALD_SMTP_PASSWORD') ?? missing('HERALD_SMTP_PASSWORD');
    return 'file' in password ? { user, passwordFile: password.file } : { user, password: password.value };
  }
  const clientSecret = read.secretOrFile('HERALD_SMTP_OAUTH2_CLIENT_SECRET');
  const refreshToken = read.secretOrFile('HERALD_SMTP_OAUTH2_REFRESH_TOKEN');
  return {
    user,
    oauth2: {
      tokenUrl,
      clientId: read.text('HERALD_SMTP_OAUTH2_CLIENT_ID') ?? missing('HERALD_SMTP_OAUTH2_CLIENT_ID'),
      ...(clientSecret &&
        ('file' in clientSecret ? { clientSecretFile: clientSecret.file } : { clientSecret: clientSecret.value })),
      ...(refreshToken &&
        ('file' in refreshToken ? { refreshTokenFile: refreshToken.file } : { refreshToken: refreshToken.value })),
      ...given('scope', read.text('HERALD_SMTP_OAUTH2_SCOPE')),
    },
  };
}

/** All three variables, or none. */
function readDkim(read: SettingReader): SmtpOptions['dkim'] | null {
  const names = ['HERALD_SMTP_DKIM_DOMAIN', 'HERALD_SMTP_DKIM_SELECTOR', 'HERALD_SMTP_DKIM_KEY_FILE'] as const;
  const [domain, selector, keyFile] = names.map((name) => read.text(name));
  if (domain && selector && keyFile) return { domain, selector, keyFile };
  const absent = names.find((name) => read.text(name) === null);
  if (absent !== undefined && (domain || selector || keyFile))
    throw new ConfigurationError(absent, `is not set: DKIM needs ${names.join(', ')}`);
  return null;
}

/** An object with the field, or none if the value is not set. */
function given<Name extends string, Value>(name: Name, value: Value | null | undefined): { [Key in Name]?: Value } {
  return value === null || value === undefined ? {} : ({ [name]: value } as { [Key in Name]?: Value });
}

function missing(variable: string): never {
  throw new ConfigurationError(
    variable,
    `is not set: set it, or ${variable}_FILE to the path of a file that contains it`,
  );
}
