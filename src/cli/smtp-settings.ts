/** The variables of email as the options of `smtp`. */
import { readFileSync } from 'node:fs';
import { parseSenders, type SmtpSendersOptions } from '../dispatch/smtp/senders.ts';
import type { OAuth2Options, SmtpOptions } from '../dispatch/smtp/smtp-options.ts';
import { ConfigurationError } from '../errors.ts';
import { collected, required, type SettingReader } from './environment.ts';

/** Null if neither HERALD_SMTP_HOST nor HERALD_SMTP_SENDERS_FILE is set. */
export function readSmtp(read: SettingReader): SmtpOptions | SmtpSendersOptions | null {
  const host = read.text('HERALD_SMTP_HOST');
  const file = read.text('HERALD_SMTP_SENDERS_FILE');
  if (file !== null && host !== null)
    throw new ConfigurationError('HERALD_SMTP_SENDERS_FILE', 'is set together with HERALD_SMTP_HOST: use one of them');
  if (file !== null) return readSenders(file);
  if (host === null) return null;
  const { relay, messages } = collected({ relay: () => readRelay(read), messages: () => readMessages(read) });
  return { host, ...relay, ...messages };
}

/** How the relay is reached. */
function readRelay(read: SettingReader): Omit<SmtpOptions, 'host' | 'from'> {
  return collected({
    port: () => read.number('HERALD_SMTP_PORT'),
    tls: () => read.choice('HERALD_SMTP_TLS'),
    allowPlaintext: () => (read.choice('HERALD_SMTP_ALLOW_PLAINTEXT') === 'true' ? true : null),
    auth: () => readLogin(read),
    caFile: () => read.text('HERALD_SMTP_CA_FILE'),
    certFile: () => read.text('HERALD_SMTP_CERT_FILE'),
    keyFile: () => read.text('HERALD_SMTP_KEY_FILE'),
    minTlsVersion: () => read.choice('HERALD_SMTP_MIN_TLS'),
    proxy: () => read.secret('HERALD_SMTP_PROXY'),
    ehloName: () => read.text('HERALD_SMTP_EHLO_NAME'),
    maxConnections: () => read.number('HERALD_SMTP_MAX_CONNECTIONS'),
    messagesPerSecond: () => read.number('HERALD_SMTP_MESSAGES_PER_SECOND'),
  });
}

/** What the emails carry. */
function readMessages(
  read: SettingReader,
): Pick<SmtpOptions, 'from' | 'replyTo' | 'envelopeFrom' | 'envelopeKeys' | 'dkim'> {
  const replyTo = read.text('HERALD_SMTP_REPLY_TO');
  const envelopeFrom = read.text('HERALD_SMTP_ENVELOPE_FROM');
  return collected({
    from: () => readAuthor(read),
    replyTo: () => (replyTo === null ? null : { address: replyTo }),
    envelopeFrom: () => envelopeFrom,
    envelopeKeys: () => (envelopeFrom?.includes('{token}') ? tokenKeys(read) : null),
    dkim: () => readDkim(read),
  });
}

function tokenKeys(read: SettingReader): readonly string[] {
  const keys = read.secret('HERALD_SECRET_KEY')?.split(/[\s,]+/);
  if (keys !== undefined) return keys;
  throw new ConfigurationError('HERALD_SECRET_KEY', 'is not set: the {token} of HERALD_SMTP_ENVELOPE_FROM needs it');
}

function readAuthor(read: SettingReader): SmtpOptions['from'] {
  const [address, name] = [read.text('HERALD_SMTP_FROM'), read.text('HERALD_SMTP_FROM_NAME')];
  if (address !== null) return { address, ...(name !== null && { name }) };
  const remedy = 'it is the author of the emails, for example noreply@example.com';
  throw new ConfigurationError('HERALD_SMTP_FROM', `is not set: ${remedy}`);
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
function readLogin(read: SettingReader): NonNullable<SmtpOptions['auth']> | null {
  const user = read.text('HERALD_SMTP_USER');
  if (user === null) return null;
  const tokenUrl = read.url('HERALD_SMTP_OAUTH2_TOKEN_URL');
  if (tokenUrl !== null) return { user, oauth2: readOAuth2(read, tokenUrl) };
  const password = required('HERALD_SMTP_PASSWORD', read.secretOrFile('HERALD_SMTP_PASSWORD'));
  return 'file' in password ? { user, passwordFile: password.file } : { user, password: password.value };
}

function readOAuth2(read: SettingReader, tokenUrl: string): OAuth2Options {
  const clientId = read.text('HERALD_SMTP_OAUTH2_CLIENT_ID');
  if (clientId === null)
    throw new ConfigurationError('HERALD_SMTP_OAUTH2_CLIENT_ID', 'is not set: the token endpoint needs it');
  const secret = read.secretOrFile('HERALD_SMTP_OAUTH2_CLIENT_SECRET');
  const token = read.secretOrFile('HERALD_SMTP_OAUTH2_REFRESH_TOKEN');
  const scope = read.text('HERALD_SMTP_OAUTH2_SCOPE');
  return {
    ...{ tokenUrl, clientId },
    ...(secret && ('file' in secret ? { clientSecretFile: secret.file } : { clientSecret: secret.value })),
    ...(token && ('file' in token ? { refreshTokenFile: token.file } : { refreshToken: token.value })),
    ...(scope !== null && { scope }),
  };
}

/** All three variables, or none. */
function readDkim(read: SettingReader): NonNullable<SmtpOptions['dkim']> | null {
  const names = ['HERALD_SMTP_DKIM_DOMAIN', 'HERALD_SMTP_DKIM_SELECTOR', 'HERALD_SMTP_DKIM_KEY_FILE'] as const;
  const [domain, selector, keyFile] = names.map((name) => read.text(name));
  if (domain && selector && keyFile) return { domain, selector, keyFile };
  const absent = names.find((name) => read.text(name) === null);
  if (absent !== undefined && (domain || selector || keyFile))
    throw new ConfigurationError(absent, `is not set: DKIM needs ${names.join(', ')}`);
  return null;
}
