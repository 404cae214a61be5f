/** The settings of one relay: the options of `smtp`, checked before anything is sent. */
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { domainToASCII } from 'node:url';
import * as v from 'valibot';
import { formatAddress, parseAddress } from '../../email-address.ts';
import { ConfigurationError } from '../../errors.ts';
import { createReturnAddresses, type ReturnAddresses, tokenPlace } from '../../return-address.ts';
import { isLoopback } from '../egress/ip-address.ts';
import { requirementOf } from '../settings.ts';
import { type Mailbox, type SmtpOptions, tlsModes } from './smtp-options.ts';

/** The options, checked and with their defaults. */
export interface SmtpSettings
  extends Required<
    Pick<
      SmtpOptions,
      | 'host'
      | 'port'
      | 'tls'
      | 'ehloName'
      | 'maxConnections'
      | 'maxMessageBytes'
      | 'sendTimeoutSeconds'
      | 'replyTimeoutSeconds'
    >
  > {
  /** How errors name these settings: `smtp`, or one of its senders. */
  readonly place: string;
  readonly auth?: SmtpOptions['auth'];
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly minTlsVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly dkim?: NonNullable<SmtpOptions['dkim']>;
  readonly proxy?: string;
  readonly servername: string | null;
  readonly from: Mailbox;
  /** An address, or the pattern of one with `{token}`. */
  readonly envelopeFrom: string;
  /** Makes the tokens; null: every message has the same address. */
  readonly returnAddresses: ReturnAddresses | null;
  readonly replyTo?: Mailbox;
  readonly messagesPerSecond: number | null;
  /** Keys in lower case, as A-labels. */
  readonly messagesPerSecondToDomain: Readonly<Record<string, number>>;
}

const line = (most: number) =>
  v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(most),
    v.check((text) => !/\p{Cc}/u.test(text), 'holds control characters'),
  );
/** Our own addresses are ASCII before the @, so that every relay accepts them. */
const ownAddress = v.pipe(
  line(320),
  v.check((text) => {
    const parsed = parseAddress(text);
    return 'address' in parsed && !parsed.address.internationalised;
  }, 'is not one plain address, in ASCII before the @'),
);
const mailbox = v.strictObject({
  name: v.optional(line(200)),
  address: ownAddress,
});
const seconds = (most: number, standard: number) =>
  v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(most)), standard);

const rate = v.pipe(v.number(), v.minValue(0.001), v.maxValue(10_000));
/** Without TLS anybody on the network could read the secret in a token request. */
const tokenUrl = v.pipe(
  line(2048),
  v.check((text) => {
    const url = URL.parse(text);
    return url !== null && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)));
  }, 'must be an https: URL'),
);

/** At least two labels, the last of which is not a number. */
const domainName = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?!\d+$)[a-z0-9][a-z0-9-]*$/i;
const proxySchemes = ['http:', 'https:', 'socks:', 'socks4:', 'socks4a:', 'socks5:'];

const schema = v.strictObject({
  host: line(255),
  port: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)), 587),
  tls: v.optional(v.picklist(tlsModes)),
  allowPlaintext: v.optional(v.boolean(), false),
  auth: v.optional(
    v.strictObject({
      user: line(320),
      password: v.optional(v.string()),
      passwordFile: v.optional(line(4096)),
      oauth2: v.optional(
        v.strictObject({
          tokenUrl,
          clientId: line(500),
          clientSecret: v.optional(v.string()),
          clientSecretFile: v.optional(line(4096)),
          refreshToken: v.optional(v.string()),
          refreshTokenFile: v.optional(line(4096)),
          scope: v.optional(line(2000)),
        }),
      ),
      method: v.optional(v.picklist(['PLAIN', 'LOGIN', 'CRAM-MD5', 'XOAUTH2'])),
    }),
  ),
  caFile: v.optional(line(4096)),
  certFile: v.optional(line(4096)),
  keyFile: v.optional(line(4096)),
  minTlsVersion: v.optional(v.picklist(['TLSv1.2', 'TLSv1.3']), 'TLSv1.2'),
  dkim: v.optional(
    v.strictObject({
      domain: v.pipe(line(253), v.regex(/^[A-Za-z0-9.-]+$/, 'is not a domain')),
      selector: v.pipe(line(63), v.regex(/^[A-Za-z0-9._-]+$/, 'is not a valid selector')),
      keyFile: line(4096),
    }),
  ),
  proxy: v.optional(
    v.pipe(
      line(2048),
      v.check(
        (text) => URL.canParse(text) && proxySchemes.includes(new URL(text).protocol),
        'is not the URL of a proxy',
      ),
    ),
  ),
  servername: v.optional(line(255)),
  from: mailbox,
  envelopeFrom: v.optional(
    v.pipe(
      ownAddress,
      v.check((text) => !text.slice(text.lastIndexOf('@')).includes(tokenPlace), 'has {token} behind the @'),
      v.check(
        (text) => 'address' in parseAddress(text.replace(tokenPlace, 'x'.repeat(34))),
        'has more than 30 characters beside {token} before the @',
      ),
    ),
  ),
  envelopeKeys: v.optional(v.pipe(v.array(v.string()), v.minLength(1))),
  replyTo: v.optional(mailbox),
  ehloName: v.optional(v.pipe(line(255), v.regex(/^[A-Za-z0-9.[\]:_-]+$/, 'is not a host name'))),
  maxConnections: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100)), 5),
  messagesPerSecond: v.optional(rate),
  messagesPerSecondToDomain: v.optional(
    v.record(
      v.pipe(
        line(253),
        v.check((text) => text === '*' || domainToASCII(text) !== '', 'is not a domain'),
      ),
      rate,
    ),
    {},
  ),
  maxMessageBytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(10_000), v.maxValue(100_000_000)), 25_000_000),
  sendTimeoutSeconds: seconds(600, 120),
  replyTimeoutSeconds: seconds(600, 600),
});

const everythingInClearText =
  '"none" would send email and logins in clear text; use "starttls", or set allowPlaintext on a network you trust';

type CheckedOptions = v.InferOutput<typeof schema>;

/** @throws {ConfigurationError} if an option is invalid; it names `smtp.<path>`, never the value. */
export function parseSmtpOptions(options: SmtpOptions, place = 'smtp'): SmtpSettings {
  const given = parse(options, place);
  const tls = given.tls ?? (given.port === 465 ? 'implicit' : 'starttls');
  requireSense({ ...given, tls }, place);
  const { allowPlaintext: _, envelopeKeys: __, ...rest } = given;
  return {
    ...rest,
    place,
    returnAddresses: returnAddressesOf(given, place),
    tls,
    ehloName: given.ehloName ?? ehloNameOf(hostname(), domainOf(given.from.address)),
    servername: given.servername ?? (isIP(given.host) ? null : given.host),
    envelopeFrom: given.envelopeFrom ?? plain(given.from.address),
    messagesPerSecond: given.messagesPerSecond ?? null,
    messagesPerSecondToDomain: byAsciiDomain(given.messagesPerSecondToDomain),
  } as SmtpSettings;
}

function returnAddressesOf({ envelopeFrom, envelopeKeys }: CheckedOptions, place: string): ReturnAddresses | null {
  if (envelopeFrom?.includes(tokenPlace) !== true) return null;
  const wrong = (why: string) => new ConfigurationError(`${place}.envelopeKeys`, why);
  if (envelopeKeys === undefined) throw wrong('is missing: the {token} of envelopeFrom is made with its first key');
  try {
    return createReturnAddresses(envelopeKeys);
  } catch {
    throw wrong('must be base64 texts of 32 bytes; make one with: openssl rand -base64 32');
  }
}

/** Where one message returns to. */
export function envelopeFromOf(
  { envelopeFrom, returnAddresses }: Pick<SmtpSettings, 'envelopeFrom' | 'returnAddresses'>,
  messageId: string,
): string {
  return returnAddresses === null ? envelopeFrom : envelopeFrom.replace(tokenPlace, returnAddresses.tokenOf(messageId));
}

function parse(options: SmtpOptions, place: string): CheckedOptions {
  const parsed = v.safeParse(schema, options);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new ConfigurationError(`${place}.${v.getDotPath(issue) ?? ''}`.replace(/\.$/, ''), requirementOf(issue));
}

function byAsciiDomain(limits: CheckedOptions['messagesPerSecondToDomain']): Record<string, number> {
  const named = Object.entries(limits).map(
    ([domain, most]) => [domain === '*' ? domain : domainToASCII(domain).toLowerCase(), most] as const,
  );
  return Object.fromEntries(named);
}

/** Checks options against each other. */
function requireSense(given: CheckedOptions & Pick<SmtpSettings, 'tls'>, place: string): void {
  const wrong = (setting: string, why: string) => {
    throw new ConfigurationError(`${place}.${setting}`, why);
  };
  const { auth } = given;
  const clearText = clearTextProblem(given);
  if (clearText !== null) wrong('tls', clearText);
  if (auth && [auth.password, auth.passwordFile, auth.oauth2].filter((way) => way !== undefined).length !== 1)
    wrong('auth', 'needs either password or passwordFile, or oauth2');
  if (auth && (auth.method === 'XOAUTH2') !== (auth.oauth2 !== undefined) && auth.method !== undefined)
    wrong('auth.method', 'is XOAUTH2 with oauth2, and another one with a password');
  const oauth2 = auth?.oauth2 === undefined ? null : oauth2Problem(auth.oauth2);
  if (oauth2 !== null) wrong('auth.oauth2', oauth2);
  if ((given.certFile === undefined) !== (given.keyFile === undefined))
    wrong('certFile', 'needs certFile and keyFile together');
}

function clearTextProblem({ tls, auth, host, allowPlaintext }: CheckedOptions): string | null {
  if (tls === 'none' && !isLoopback(host) && !allowPlaintext) return everythingInClearText;
  return tls === 'opportunistic' && auth
    ? '"opportunistic" may end in clear text, where a login must not go; use "starttls" with auth'
    : null;
}

function oauth2Problem(oauth2: NonNullable<NonNullable<CheckedOptions['auth']>['oauth2']>): string | null {
  const { clientSecret, clientSecretFile, refreshToken, refreshTokenFile } = oauth2;
  if (clientSecret !== undefined && clientSecretFile !== undefined)
    return 'takes either clientSecret or clientSecretFile';
  if (refreshToken !== undefined && refreshTokenFile !== undefined)
    return 'takes either refreshToken or refreshTokenFile';
  const given = clientSecret ?? clientSecretFile ?? refreshToken ?? refreshTokenFile;
  return given === undefined ? 'needs clientSecret or clientSecretFile, or a refresh token' : null;
}

/** The domain of an address of the settings, as A-label. */
export function domainOf(address: string): string {
  const parsed = parseAddress(address);
  return 'address' in parsed ? parsed.address.domain : 'localhost';
}

function plain(text: string): string {
  const parsed = parseAddress(text);
  return 'address' in parsed ? formatAddress(parsed.address) : text;
}

/**
 * The name for EHLO: the first of the two that is a domain name with a dot, else an address literal (RFC 5321 section
 * 4.1.4). The name of a container is neither, and a host name may not even be legal.
 */
export function ehloNameOf(hostName: string, fromDomain: string): string {
  return [hostName, fromDomain].find((name) => domainName.test(name) && isIP(name) === 0) ?? '[127.0.0.1]';
}
