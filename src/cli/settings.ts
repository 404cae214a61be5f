/** Every environment variable, as one table: config.ts reads by it, and docs/configuration.md is generated from it. */
import { tlsModes } from '../dispatch/smtp/smtp-options.ts';

/** Log levels, least severe first. */
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
/** One of `logLevels`. */
export type LogLevel = (typeof logLevels)[number];

interface SettingBase {
  readonly description: string;
  /** As the documentation says it, for example `587`; without one, the setting is off. */
  readonly default?: string;
  /** A secret can also come from the file that `<name>_FILE` names. */
  readonly secret?: true;
}

/** How a variable is checked, and what the documentation says about it. */
export type Setting = SettingBase &
  (
    | { readonly type: 'text' | 'file' | 'list' }
    | { readonly type: 'number'; readonly unit: string; readonly min: number; readonly max: number }
    | { readonly type: 'choice'; readonly values: readonly string[] }
    | { readonly type: 'url'; readonly schemes: readonly string[] }
  );

const web = ['https:', 'http:'];

/** Which database. */
export const databaseSettings = {
  DATABASE_URL: {
    type: 'url',
    schemes: ['postgres:', 'postgresql:'],
    secret: true,
    description:
      'The PostgreSQL database, for example `postgres://user:password@host:5432/app`, with the parameters of libpq. ' +
      '`--database-url` overrides it. Without either, `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD` and `PGDATABASE` ' +
      'count, as for psql; `PGSSLMODE`, `PGSSLROOTCERT`, `PGSSLCERT` and `PGSSLKEY` always do, unless the URL says it.',
  },
} as const satisfies Record<string, Setting>;

/** What emails and pages say about the application. */
export const brandSettings = {
  HERALD_APP_NAME: {
    type: 'text',
    default: 'My application',
    description: 'Name of the application in emails and pages.',
  },
  HERALD_BASE_URL: {
    type: 'url',
    schemes: web,
    default: 'http://localhost',
    description: 'URL of the application: `{{baseUrl}}` in templates.',
  },
  HERALD_LOGO_URL: { type: 'url', schemes: ['https:'], description: 'Logo in emails, PNG or JPEG.' },
  HERALD_LOGO_DARK_URL: {
    type: 'url',
    schemes: ['https:'],
    description: 'The logo in dark mode, where dark letters on a transparent background disappear.',
  },
  HERALD_LOGO_WIDTH: {
    type: 'number',
    unit: 'pixels',
    min: 8,
    max: 400,
    default: 'as the height demands',
    description: 'Width of the logo.',
  },
  HERALD_LOGO_HEIGHT: {
    type: 'number',
    unit: 'pixels',
    min: 8,
    max: 200,
    default: '36',
    description: 'Height of the logo.',
  },
  HERALD_BRAND_COLOR: {
    type: 'text',
    default: '`#0b5cad`',
    description: 'Colour of buttons and links. Where it is too weak, a darker or lighter shade is used.',
  },
  HERALD_FOOTER: {
    type: 'text',
    description:
      'Lines below every email, for example a postal address and where to find support, separated by `|`; 5 at most.',
  },
} as const satisfies Record<string, Setting>;

/** How a worker runs. */
export const workerSettings = {
  HERALD_LOG_LEVEL: {
    type: 'choice',
    values: logLevels,
    default: '`info`; `warn` for the console',
    description: 'Least severe level that is logged on standard error, as JSON unless that is a terminal.',
  },
  HERALD_STOP_TIMEOUT_SECONDS: {
    type: 'number',
    unit: 'seconds',
    min: 1,
    max: 900,
    default: '30',
    description: 'How long a stopping worker waits for attempts in flight.',
  },
  HERALD_RECIPIENT_GUARD: {
    type: 'text',
    description:
      'A function of the database, as `schema.function`, that is asked about all recipients before anything is sent ' +
      'to them: see [guards](guards.md).',
  },
  HERALD_SECRET_KEY: {
    type: 'list',
    secret: true,
    description:
      'Base64 of 32 bytes (`openssl rand -base64 32`). Encrypts secret labels and stored endpoints. To ' +
      'rotate, put the new key in front.',
  },
} as const satisfies Record<string, Setting>;

/** How email is sent. */
export const smtpSettings = {
  HERALD_SMTP_HOST: { type: 'text', description: 'The SMTP relay. Turns the method `smtp` on.' },
  HERALD_SMTP_SENDERS_FILE: {
    type: 'file',
    description: 'JSON file with several senders, instead of the other `HERALD_SMTP_` variables.',
  },
  HERALD_SMTP_FROM: { type: 'text', description: 'Email address of the author. Required with `HERALD_SMTP_HOST`.' },
  HERALD_SMTP_FROM_NAME: { type: 'text', description: 'Display name of the author.' },
  HERALD_SMTP_PORT: {
    type: 'number',
    unit: 'port',
    min: 1,
    max: 65_535,
    default: '587',
    description: 'Port of the relay; 465 implies `implicit` TLS.',
  },
  HERALD_SMTP_TLS: {
    type: 'choice',
    values: tlsModes,
    default: '`starttls`; `implicit` on port 465',
    description:
      '`starttls` requires TLS. `none` is refused except for loopback, or with `HERALD_SMTP_ALLOW_PLAINTEXT`.',
  },
  HERALD_SMTP_MIN_TLS: {
    type: 'choice',
    values: ['TLSv1.2', 'TLSv1.3'],
    default: '`TLSv1.2`',
    description: 'Oldest TLS version.',
  },
  HERALD_SMTP_ALLOW_PLAINTEXT: {
    type: 'choice',
    values: ['true', 'false'],
    default: '`false`',
    description: 'Allows email in clear text to a relay that is not on loopback.',
  },
  HERALD_SMTP_USER: { type: 'text', description: 'Login name. Needs a password or an OAuth 2.0 token URL.' },
  HERALD_SMTP_PASSWORD: { type: 'text', secret: true, description: 'Password of `HERALD_SMTP_USER`.' },
  HERALD_SMTP_OAUTH2_TOKEN_URL: {
    type: 'url',
    schemes: web,
    description: 'Token endpoint for a login by access token (XOAUTH2); `http:` only on loopback.',
  },
  HERALD_SMTP_OAUTH2_CLIENT_ID: { type: 'text', description: 'Client id at the token endpoint.' },
  HERALD_SMTP_OAUTH2_CLIENT_SECRET: { type: 'text', secret: true, description: 'Client secret at the token endpoint.' },
  HERALD_SMTP_OAUTH2_REFRESH_TOKEN: {
    type: 'text',
    secret: true,
    description: 'Refresh token; without it the client credentials grant is used.',
  },
  HERALD_SMTP_OAUTH2_SCOPE: { type: 'text', description: 'Scope of the access token.' },
  HERALD_SMTP_CA_FILE: { type: 'file', description: 'PEM of the CA to trust instead of the public ones.' },
  HERALD_SMTP_CERT_FILE: { type: 'file', description: 'PEM of a client certificate.' },
  HERALD_SMTP_KEY_FILE: { type: 'file', description: 'PEM of its key.' },
  HERALD_SMTP_DKIM_DOMAIN: {
    type: 'text',
    description: 'Domain that signs (DKIM). All three DKIM variables, or none.',
  },
  HERALD_SMTP_DKIM_SELECTOR: { type: 'text', description: 'Selector of the DKIM key.' },
  HERALD_SMTP_DKIM_KEY_FILE: { type: 'file', description: 'PEM of the private DKIM key.' },
  HERALD_SMTP_PROXY: {
    type: 'text',
    secret: true,
    description:
      'HTTP or SOCKS proxy, for example `socks5://user:password@host:1080`. SOCKS needs the package `socks`.',
  },
  HERALD_SMTP_ENVELOPE_FROM: { type: 'text', default: 'the author', description: 'Where bounces go; see `{token}`.' },
  HERALD_SMTP_REPLY_TO: { type: 'text', description: 'Address that replies go to.' },
  HERALD_SMTP_EHLO_NAME: {
    type: 'text',
    default: 'the host name, or the domain of HERALD_SMTP_FROM if the host name has no dot',
    description: 'Name in the EHLO command.',
  },
  HERALD_SMTP_MAX_CONNECTIONS: {
    type: 'number',
    unit: 'connections',
    min: 1,
    max: 100,
    default: '5',
    description: 'Connections of one worker process.',
  },
  HERALD_SMTP_MESSAGES_PER_SECOND: {
    type: 'number',
    unit: 'messages per second',
    min: 0.001,
    max: 10_000,
    default: 'no limit',
    description: 'Rate over all workers.',
  },
} as const satisfies Record<string, Setting>;

/** How webhooks are called. */
export const webhookSettings = {
  HERALD_WEBHOOK_URL: { type: 'text', description: 'Default endpoint: receives what no stored endpoint selects.' },
  HERALD_WEBHOOK_SECRET: {
    type: 'text',
    secret: true,
    description: 'Signing secret of the default endpoint. Required with its URL.',
  },
  HERALD_WEBHOOK_CONCURRENCY: {
    type: 'number',
    unit: 'calls',
    min: 1,
    max: 1000,
    default: '50',
    description: 'Calls in flight in one worker process.',
  },
  HERALD_WEBHOOK_ALLOW_CIDRS: {
    type: 'list',
    default: 'public addresses only',
    description: 'Private addresses that may be called, separated by commas, for example `10.1.0.0/16`.',
  },
  HERALD_WEBHOOK_ALLOW_HOSTS: {
    type: 'list',
    default: 'public hosts only',
    description: 'Private hosts that may be called, separated by commas, for example `.internal.example`.',
  },
  HERALD_WEBHOOK_PROXY: { type: 'text', secret: true, description: 'Proxy of all calls.' },
} as const satisfies Record<string, Setting>;

/** The links in messages that let recipients unsubscribe. */
export const linkSettings = {
  HERALD_LINKS_URL: {
    type: 'url',
    schemes: web,
    description:
      "Public URL of the recipients' pages (`createRecipientPages`). Gives each message that can be turned off a " +
      'link to unsubscribe and one to preferences.',
  },
  HERALD_LINKS_KEY: {
    type: 'list',
    secret: true,
    description:
      'Base64 of 32 bytes (`openssl rand -base64 32`), the same as in the pages. Required with `HERALD_LINKS_URL`. ' +
      'To rotate, put the new key in front.',
  },
} as const satisfies Record<string, Setting>;

/** How operators sign in to the console. */
export const consoleSettings = {
  HERALD_CONSOLE_TOKEN: {
    type: 'text',
    secret: true,
    description: 'Token to sign in to the console. Required beyond loopback. `--token-file` overrides it.',
  },
} as const satisfies Record<string, Setting>;

/** Who uses the command line. */
export const operatorSettings = {
  HERALD_OPERATOR: {
    type: 'text',
    default: 'the login name',
    description: 'Name of the operator in the audit log.',
  },
} as const satisfies Record<string, Setting>;

/** All variables by name. */
export const settings = {
  ...databaseSettings,
  ...brandSettings,
  ...workerSettings,
  ...smtpSettings,
  ...webhookSettings,
  ...linkSettings,
  ...consoleSettings,
  ...operatorSettings,
} as const satisfies Record<string, Setting>;

/** The name of a variable. */
export type SettingName = keyof typeof settings;

/** The sections of docs/configuration.md. */
export const settingGroups: readonly (readonly [heading: string, settings: Readonly<Record<string, Setting>>])[] = [
  ['Database', databaseSettings],
  ['Application', brandSettings],
  ['Worker', workerSettings],
  ['Email (`smtp`)', smtpSettings],
  ['Webhooks (`webhook`)', webhookSettings],
  ['Links to unsubscribe', linkSettings],
  ['Console', consoleSettings],
  ['Command line', operatorSettings],
];
