/** What `smtp` can be told, checked before anything is sent. */
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { domainToASCII } from 'node:url';
import * as v from 'valibot';
import { formatAddress, parseAddress } from '../../email-address.ts';
import { isLoopback } from '../egress/ip-address.ts';
import { ConfigurationError } from '../../errors.ts';
import { requirementOf } from '../settings.ts';
import type { OAuth2Options } from './oauth2-options.ts';

/** A name and an address. */
export interface Mailbox {
  /** Display name, one line. */
  readonly name?: string;
  /** One RFC 5321 address. */
  readonly address: string;
}

/** The values of `tls`. */
export const tlsModes = ['starttls', 'implicit', 'opportunistic', 'none'] as const;

/** Options of one SMTP sender. */
export interface SmtpOptions {
  /** Host name or IP address of the relay. */
  readonly host: string;
  /** Default 587; 465 implies `implicit`. */
  readonly port?: number;
  /**
   * `starttls` (default): required, a server that does not offer it pauses the method. `implicit`: TLS from the first byte
   * (default on port 465). `opportunistic`: TLS where the server offers it, plain text elsewhere; never together with `auth`. `none`:
   * refused unless the host is loopback or `allowPlaintext` is set.
   */
  readonly tls?: 'starttls' | 'implicit' | 'opportunistic' | 'none';
  /** Allow `tls: 'none'` for a host that is not loopback, on a network that you trust. Default false. */
  readonly allowPlaintext?: boolean;
  /** Login; never sent without TLS except to loopback. */
  readonly auth?: {
    readonly user: string;
    readonly password?: string;
    readonly passwordFile?: string;
    /** Login by access token (XOAUTH2), in place of a password. */
    readonly oauth2?: OAuth2Options;
    /** Default: what the server offers, PLAIN first. */
    readonly method?: 'PLAIN' | 'LOGIN' | 'CRAM-MD5' | 'XOAUTH2';
  };
  /** PEM file of the authority that signed the server's certificate, instead of the well-known ones. */
  readonly caFile?: string;
  /** PEM files of a client certificate and its key. */
  readonly certFile?: string;
  /** Path of a PEM file with the key of `certFile`. */
  readonly keyFile?: string;
  /** Default `TLSv1.2`. */
  readonly minTlsVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** Name that the server's certificate must carry; default `host`. */
  readonly servername?: string;
  /** Signs every mail (RFC 6376). A key that cannot be used stops the method: nothing ever leaves unsigned. */
  readonly dkim?: {
    readonly domain: string;
    /** The public key is the TXT record `<selector>._domainkey.<domain>`. */
    readonly selector: string;
    /** PEM of an RSA key of 1,024 bits at least. */
    readonly keyFile: string;
  };
  /** URL of an HTTP (CONNECT) or SOCKS proxy, for example `http://user:password@proxy:3128` or `socks5://proxy:1080`. */
  readonly proxy?: string;
  /** Author of the mails. */
  readonly from: Mailbox;
  /** Where bounces go; default the author's address. */
  readonly envelopeFrom?: string;
  /** Address that replies go to. Default: `from`. */
  readonly replyTo?: Mailbox;
  /** Name for EHLO; default this host's name. */
  readonly ehloName?: string;
  /** Connections at once in one process, 1 to 100; default 5. Fewer for a while where the server says that they are too many. */
  readonly maxConnections?: number;
  /** Messages a second through this relay, over all replicas; 0.001 to 10,000. Default: no limit. */
  readonly messagesPerSecond?: number;
  /** The same by domain of the recipient; `*` for each domain that is not named. */
  readonly messagesPerSecondToDomain?: Readonly<Record<string, number>>;
  /** Larger mails fail before anything is sent, in bytes with attachments and their encoding; 10,000 to 100,000,000, default 25,000,000. */
  readonly maxMessageBytes?: number;
  /** From pick-up until the last byte of the message has left, in seconds; 1 to 600, default 120. */
  readonly sendTimeoutSeconds?: number;
  /** Then until the server's verdict, in seconds; 1 to 600, default 600 (RFC 5321, 4.5.3.2.6). */
  readonly replyTimeoutSeconds?: number;
}

/** The same, checked and with its defaults. */
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
  readonly envelopeFrom: string;
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
/** Ours are in ASCII before the @: every relay must take them. */
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
/** Without TLS a token request would show the secret to whoever listens. */
const tokenUrl = v.pipe(
  line(2048),
  v.check((text) => {
    const url = URL.parse(text);
    return url !== null && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)));
  }, 'must be an https: URL'),
);

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
      domain: v.pipe(line(253), v.regex(/^[A-Za-z0-9.-]+$/, 'is no domain')),
      selector: v.pipe(line(63), v.regex(/^[A-Za-z0-9._-]+$/, 'is no selector')),
      keyFile: line(4096),
    }),
  ),
  proxy: v.optional(
    v.pipe(
      line(2048),
      v.check((text) => URL.canParse(text) && proxySchemes.includes(new URL(text).protocol), 'is no URL of a proxy'),
    ),
  ),
  servername: v.optional(line(255)),
  from: mailbox,
  envelopeFrom: v.optional(ownAddress),
  replyTo: v.optional(mailbox),
  ehloName: v.optional(v.pipe(line(255), v.regex(/^[A-Za-z0-9.[\]:_-]+$/, 'is no host name')), hostname()),
  maxConnections: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100)), 5),
  messagesPerSecond: v.optional(rate),
  messagesPerSecondToDomain: v.optional(
    v.record(
      v.pipe(
        line(253),
        v.check((text) => text === '*' || domainToASCII(text) !== '', 'is no domain'),
      ),
      rate,
    ),
    {},
  ),
  maxMessageBytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(10_000), v.maxValue(100_000_000)), 25_000_000),
  sendTimeoutSeconds: seconds(600, 120),
  replyTimeoutSeconds: seconds(600, 600),
});

/** @throws {ConfigurationError} if an option is wrong, named `smtp.<path>`, without its value. */
export function parseSmtpOptions(options: SmtpOptions, place = 'smtp'): SmtpSettings {
  const parsed = v.safeParse(schema, options);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new ConfigurationError(`${place}.${v.getDotPath(issue) ?? ''}`.replace(/\.$/, ''), requirementOf(issue));
  }
  const given = parsed.output;
  const tls = given.tls ?? (given.port === 465 ? 'implicit' : 'starttls');
  requireSense({ ...given, tls }, place);
  const { allowPlaintext: _, ...rest } = given;
  return {
    ...rest,
    place,
    tls,
    servername: given.servername ?? (isIP(given.host) ? null : given.host),
    envelopeFrom: given.envelopeFrom ?? plain(given.from.address),
    messagesPerSecond: given.messagesPerSecond ?? null,
    messagesPerSecondToDomain: Object.fromEntries(
      Object.entries(given.messagesPerSecondToDomain).map(([domain, most]) => [
        domain === '*' ? domain : domainToASCII(domain).toLowerCase(),
        most,
      ]),
    ),
  } as SmtpSettings;
}

/** What the parts must be to each other. */
function requireSense(given: v.InferOutput<typeof schema> & Pick<SmtpSettings, 'tls'>, place: string): void {
  const wrong = (setting: string, why: string) => {
    throw new ConfigurationError(`${place}.${setting}`, why);
  };
  const { tls, auth } = given;
  if (tls === 'none' && !isLoopback(given.host) && !given.allowPlaintext)
    wrong(
      'tls',
      '"none" would send mail and logins in clear text; use "starttls", or set allowPlaintext on a network you trust',
    );
  if (tls === 'opportunistic' && auth)
    wrong('tls', '"opportunistic" may end in clear text, where a login must not go; use "starttls" with auth');
  if (auth && [auth.password, auth.passwordFile, auth.oauth2].filter((way) => way !== undefined).length !== 1)
    wrong('auth', 'needs either password or passwordFile, or oauth2');
  if (auth && (auth.method === 'XOAUTH2') !== (auth.oauth2 !== undefined) && auth.method !== undefined)
    wrong('auth.method', 'is XOAUTH2 with oauth2, and another one with a password');
  const { clientSecret, clientSecretFile, refreshToken, refreshTokenFile } = auth?.oauth2 ?? {};
  if (clientSecret !== undefined && clientSecretFile !== undefined)
    wrong('auth.oauth2', 'takes either clientSecret or clientSecretFile');
  if (refreshToken !== undefined && refreshTokenFile !== undefined)
    wrong('auth.oauth2', 'takes either refreshToken or refreshTokenFile');
  if (auth?.oauth2 && (clientSecret ?? clientSecretFile ?? refreshToken ?? refreshTokenFile) === undefined)
    wrong('auth.oauth2', 'needs clientSecret or clientSecretFile, or a refresh token');
  if ((given.certFile === undefined) !== (given.keyFile === undefined))
    wrong('certFile', 'needs certFile and keyFile together');
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
