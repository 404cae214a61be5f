/**
 * The environment as a validated Config: the only reader of `process.env`. Errors name the variable and the remedy, and
 * never quote a value that may be a secret.
 */
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { type SmtpOptions, tlsModes } from '../dispatch/smtp/smtp-options.ts';
import { parseSenders, type SmtpSendersOptions } from '../dispatch/smtp/senders.ts';
import type { EgressOptions } from '../dispatch/egress/egress-options.ts';
import type { WebhookOptions } from '../dispatch/webhook/webhook-options.ts';
import { ConfigurationError } from '../errors.ts';
import type { Brand } from '../vocabulary.ts';

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** What the command line knows of its surroundings. */
export interface Config {
  readonly databaseUrl: string;
  readonly brand: Brand;
  /** null: neither HERALD_SMTP_HOST nor HERALD_SMTP_SENDERS_FILE. */
  readonly smtp: SmtpOptions | SmtpSendersOptions | null;
  /** Without `endpoint`: no HERALD_WEBHOOK_URL. */
  readonly webhook: WebhookOptions;
  /** For endpoints and for labels that templates declare secret, the current key first; empty: no endpoints, labels are stored as they are. */
  readonly secretKeys: readonly string[];
  readonly logLevel: LogLevel;
  readonly stopTimeoutSeconds: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads DATABASE_URL alone, for commands that need nothing else. Throws ConfigurationError. */
export function readDatabaseUrl(given?: string, environment: Environment = process.env): string {
  const url = given ?? secretOf('DATABASE_URL', environment) ?? undefined;
  const setting = given === undefined ? 'DATABASE_URL' : '--database-url';
  if (url === undefined || url === '')
    throw new ConfigurationError(
      'DATABASE_URL',
      'is not set; set it (or DATABASE_URL_FILE to a file that holds it) or pass --database-url, for example postgres://user@localhost:5432/app',
    );
  if (!/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url))
    throw new ConfigurationError(
      setting,
      'is no PostgreSQL URL; it looks like postgres://user:password@host:5432/database',
    );
  return url;
}

/** What `pg-herald dev` takes from its surroundings. `databaseUrl` null: none is named, so it starts one. */
export function readDevelopment(given?: string, environment: Environment = process.env) {
  const named = (given ?? environment.DATABASE_URL ?? '') !== '';
  return {
    databaseUrl: named ? readDatabaseUrl(given, environment) : null,
    path: environment.PATH ?? '',
    brand: readBrand(environment),
    secretKeys: secretKeysOf(environment) ?? [],
  };
}

/** Who operates, for the record: the login name. */
export function readOperator(environment: Environment = process.env): string {
  return environment.SUDO_USER ?? environment.USER ?? environment.LOGNAME ?? 'cli';
}

/** Reads everything a worker needs. Throws ConfigurationError for the first setting that is wrong. */
export function readConfig(databaseUrl?: string, environment: Environment = process.env): Config {
  return {
    databaseUrl: readDatabaseUrl(databaseUrl, environment),
    brand: readBrand(environment),
    smtp: readSmtp(environment),
    webhook: readWebhook(environment),
    secretKeys: secretKeysOf(environment) ?? [],
    logLevel: oneOf('HERALD_LOG_LEVEL', logLevels, environment) ?? 'info',
    stopTimeoutSeconds: number('HERALD_STOP_TIMEOUT_SECONDS', { least: 1, most: 900 }, environment) ?? 30,
  };
}

/** What the console needs beside the database: nothing of it is demanded. Throws ConfigurationError. */
export function readConsole(environment: Environment = process.env) {
  return {
    brand: readBrand(environment),
    secretKeys: secretKeysOf(environment) ?? [],
    egress: readEgress(environment),
    token: secretOf('HERALD_CONSOLE_TOKEN', environment),
    from: environment.HERALD_SMTP_FROM || null,
    logLevel: oneOf('HERALD_LOG_LEVEL', logLevels, environment) ?? 'warn',
  };
}

/** `HERALD_APP_NAME`, `HERALD_BASE_URL`, `HERALD_LOGO_URL`. */
export function readBrand(environment: Environment = process.env): Brand {
  const baseUrl = url('HERALD_BASE_URL', ['https:', 'http:'], environment) ?? 'http://localhost';
  const logoUrl = url('HERALD_LOGO_URL', ['https:'], environment);
  return {
    appName: environment.HERALD_APP_NAME || 'My application',
    baseUrl: baseUrl.replace(/\/$/, ''),
    ...(logoUrl && { logoUrl }),
  };
}

function readSmtp(environment: Environment): SmtpOptions | SmtpSendersOptions | null {
  const host = environment.HERALD_SMTP_HOST;
  const file = environment.HERALD_SMTP_SENDERS_FILE;
  if (file && host)
    throw new ConfigurationError('HERALD_SMTP_SENDERS_FILE', 'is set together with HERALD_SMTP_HOST; use one of them');
  if (file) return readSenders(file);
  if (!host) return null;
  const address = environment.HERALD_SMTP_FROM;
  if (!address)
    throw new ConfigurationError(
      'HERALD_SMTP_FROM',
      'is not set; it is the sender of the mails, for example noreply@example.com',
    );
  const port = number('HERALD_SMTP_PORT', { least: 1, most: 65_535 }, environment);
  const tls = oneOf('HERALD_SMTP_TLS', tlsModes, environment);
  const minTlsVersion = oneOf('HERALD_SMTP_MIN_TLS', ['TLSv1.2', 'TLSv1.3'] as const, environment);
  const proxy = secretOf('HERALD_SMTP_PROXY', environment);
  const maxConnections = number('HERALD_SMTP_MAX_CONNECTIONS', { least: 1, most: 100 }, environment);
  const messagesPerSecond = number('HERALD_SMTP_MESSAGES_PER_SECOND', { least: 0.001, most: 10_000 }, environment);
  return {
    host,
    from: { address, ...(environment.HERALD_SMTP_FROM_NAME && { name: environment.HERALD_SMTP_FROM_NAME }) },
    ...(port !== null && { port }),
    ...(tls !== null && { tls }),
    ...(environment.HERALD_SMTP_ALLOW_PLAINTEXT === 'true' && { allowPlaintext: true }),
    ...(environment.HERALD_SMTP_USER && { auth: readLogin(environment.HERALD_SMTP_USER, environment) }),
    ...(environment.HERALD_SMTP_CA_FILE && { caFile: environment.HERALD_SMTP_CA_FILE }),
    ...(environment.HERALD_SMTP_CERT_FILE && { certFile: environment.HERALD_SMTP_CERT_FILE }),
    ...(environment.HERALD_SMTP_KEY_FILE && { keyFile: environment.HERALD_SMTP_KEY_FILE }),
    ...(minTlsVersion !== null && { minTlsVersion }),
    ...readDkim(environment),
    ...(proxy !== null && { proxy }),
    ...(environment.HERALD_SMTP_ENVELOPE_FROM && { envelopeFrom: environment.HERALD_SMTP_ENVELOPE_FROM }),
    ...(environment.HERALD_SMTP_REPLY_TO && { replyTo: { address: environment.HERALD_SMTP_REPLY_TO } }),
    ...(environment.HERALD_SMTP_EHLO_NAME && { ehloName: environment.HERALD_SMTP_EHLO_NAME }),
    ...(maxConnections !== null && { maxConnections }),
    ...(messagesPerSecond !== null && { messagesPerSecond }),
  };
}

/** Several senders: a JSON file that holds `[{ "name": ..., "host": ..., "from": ... }, ...]`, the options of `smtp`. */
function readSenders(file: string): SmtpSendersOptions {
  const variable = 'HERALD_SMTP_SENDERS_FILE';
  const wrong = (why: string) => new ConfigurationError(variable, `${file} ${why}`);
  let senders: SmtpSendersOptions['senders'];
  try {
    senders = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw wrong(error instanceof SyntaxError ? 'holds no JSON' : 'cannot be read');
  }
  if (!Array.isArray(senders)) throw wrong('holds no list of senders; it begins with [');
  parseSenders({ senders });
  return { senders };
}

/** By access token where there is a token endpoint. Files are named rather than read: they are read again when they change. */
function readLogin(user: string, environment: Environment): NonNullable<SmtpOptions['auth']> {
  const from = (variable: string, name: string) => {
    const file = environment[`${variable}_FILE`];
    return file ? { [`${name}File`]: file } : environment[variable] ? { [name]: environment[variable] } : {};
  };
  const tokenUrl = url('HERALD_SMTP_OAUTH2_TOKEN_URL', ['https:', 'http:'], environment);
  if (tokenUrl === null) {
    const password = from('HERALD_SMTP_PASSWORD', 'password');
    return Object.keys(password).length > 0 ? { user, ...password } : missing('HERALD_SMTP_PASSWORD');
  }
  return {
    user,
    oauth2: {
      tokenUrl,
      clientId: environment.HERALD_SMTP_OAUTH2_CLIENT_ID || missing('HERALD_SMTP_OAUTH2_CLIENT_ID'),
      ...from('HERALD_SMTP_OAUTH2_CLIENT_SECRET', 'clientSecret'),
      ...from('HERALD_SMTP_OAUTH2_REFRESH_TOKEN', 'refreshToken'),
      ...(environment.HERALD_SMTP_OAUTH2_SCOPE && { scope: environment.HERALD_SMTP_OAUTH2_SCOPE }),
    },
  };
}

/** All three variables, or none. */
function readDkim(environment: Environment): Pick<SmtpOptions, 'dkim'> {
  const names = ['HERALD_SMTP_DKIM_DOMAIN', 'HERALD_SMTP_DKIM_SELECTOR', 'HERALD_SMTP_DKIM_KEY_FILE'] as const;
  const [domain, selector, keyFile] = names.map((name) => environment[name]);
  if (domain && selector && keyFile) return { dkim: { domain, selector, keyFile } };
  const absent = names.find((name) => !environment[name]);
  if (absent !== undefined && (domain || selector || keyFile))
    throw new ConfigurationError(absent, `is not set; DKIM needs ${names.join(', ')}`);
  return {};
}

function readWebhook(environment: Environment): WebhookOptions {
  const target = environment.HERALD_WEBHOOK_URL;
  const concurrency = number('HERALD_WEBHOOK_CONCURRENCY', { least: 1, most: 1000 }, environment);
  return {
    ...(target && {
      endpoint: {
        url: target,
        secret: secretOf('HERALD_WEBHOOK_SECRET', environment) ?? missing('HERALD_WEBHOOK_SECRET'),
      },
    }),
    egress: readEgress(environment),
    ...(concurrency !== null && { concurrency }),
  };
}

/** What outgoing HTTP calls may reach beyond public https: addresses, and by which proxy. */
export function readEgress(environment: Environment = process.env): EgressOptions {
  const list = (variable: string) => {
    const words = environment[variable]?.split(',').map((word) => word.trim());
    return words?.filter((word) => word !== '');
  };
  const allowCidrs = list('HERALD_WEBHOOK_ALLOW_CIDRS');
  const allowHosts = list('HERALD_WEBHOOK_ALLOW_HOSTS');
  const proxy = secretOf('HERALD_WEBHOOK_PROXY', environment);
  return { ...(allowCidrs && { allowCidrs }), ...(allowHosts && { allowHosts }), ...(proxy !== null && { proxy }) };
}

/** The keys of HERALD_SECRET_KEY, the current one first. Throws ConfigurationError where there is none. */
export function readSecretKeys(environment: Environment = process.env): readonly string[] {
  const keys = secretKeysOf(environment);
  if (keys !== null) return keys;
  throw new ConfigurationError(
    'HERALD_SECRET_KEY',
    'is not set, and endpoints are stored encrypted; make a key with "openssl rand -base64 32" and give the workers the same one',
  );
}

function secretKeysOf(environment: Environment): readonly string[] | null {
  return secretOf('HERALD_SECRET_KEY', environment)?.split(/[\s,]+/) ?? null;
}

function missing(variable: string): never {
  throw new ConfigurationError(variable, `is not set; set it, or ${variable}_FILE to the path of a file that holds it`);
}

/** A secret from the variable itself, or from the file that `<variable>_FILE` names. One trailing newline is dropped. */
function secretOf(variable: string, environment: Environment): string | null {
  const file = environment[`${variable}_FILE`];
  if (!file) return environment[variable] || null;
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch {
    throw new ConfigurationError(`${variable}_FILE`, `cannot read ${file}`);
  }
}

function number(variable: string, bounds: { least: number; most: number }, environment: Environment): number | null {
  const text = environment[variable];
  if (!text) return null;
  const parsed = v.safeParse(
    v.pipe(v.string(), v.decimal(), v.transform(Number), v.minValue(bounds.least), v.maxValue(bounds.most)),
    text,
  );
  if (!parsed.success)
    throw new ConfigurationError(variable, `"${text}" is no number from ${bounds.least} to ${bounds.most}`);
  return parsed.output;
}

function oneOf<const Values extends readonly string[]>(
  variable: string,
  values: Values,
  environment: Environment,
): Values[number] | null {
  const text = environment[variable];
  if (!text) return null;
  if (!values.includes(text)) throw new ConfigurationError(variable, `"${text}" is not one of ${values.join(', ')}`);
  return text;
}

function url(variable: string, schemes: readonly string[], environment: Environment): string | null {
  const text = environment[variable];
  if (!text) return null;
  if (!URL.canParse(text) || !schemes.includes(new URL(text).protocol))
    throw new ConfigurationError(
      variable,
      `"${text}" is no absolute URL (${schemes.map((scheme) => `${scheme}//`).join(' or ')})`,
    );
  return text;
}
