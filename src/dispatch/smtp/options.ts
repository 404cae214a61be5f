/** What `smtp` can be told, checked before anything is sent. */
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import * as v from 'valibot';
import { formatAddress, parseAddress } from '../../address.ts';
import { ConfigurationError } from '../../errors.ts';
import { requirementOf } from '../requirement.ts';

export interface Mailbox {
  readonly name?: string;
  readonly address: string;
}

export interface SmtpOptions {
  readonly host: string;
  /** Default 587; 465 implies `implicit`. */
  readonly port?: number;
  /**
   * `starttls` (default): required, a server that does not offer it pauses the method. `implicit`: TLS from the first byte
   * (default on port 465). `none`: refused unless the host is loopback or `allowPlaintext` is set.
   */
  readonly tls?: 'starttls' | 'implicit' | 'none';
  readonly allowPlaintext?: boolean;
  /** Login; never sent without TLS except to loopback. */
  readonly auth?: {
    readonly user: string;
    readonly password?: string;
    readonly passwordFile?: string;
    /** Default: what the server offers, PLAIN first. */
    readonly method?: 'PLAIN' | 'LOGIN' | 'CRAM-MD5';
  };
  /** PEM file of the authority that signed the server's certificate, instead of the well-known ones. */
  readonly caFile?: string;
  /** PEM files of a client certificate and its key. */
  readonly certFile?: string;
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
  readonly replyTo?: Mailbox;
  /** Name for EHLO; default this host's name. */
  readonly ehloName?: string;
  /** Connections at once, 1 to 100; default 5. */
  readonly maxConnections?: number;
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
      'host' | 'port' | 'tls' | 'ehloName' | 'maxConnections' | 'sendTimeoutSeconds' | 'replyTimeoutSeconds'
    >
  > {
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
}

const line = (most: number) =>
  v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(most),
    v.check((text) => !/\p{Cc}/u.test(text), 'holds control characters'),
  );
const mailbox = v.strictObject({
  name: v.optional(line(200)),
  address: v.pipe(
    line(320),
    v.check((text) => 'address' in parseAddress(text), 'is not one plain address'),
  ),
});
const seconds = (most: number, standard: number) =>
  v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(most)), standard);

const proxySchemes = ['http:', 'https:', 'socks:', 'socks4:', 'socks4a:', 'socks5:'];

const schema = v.strictObject({
  host: line(255),
  port: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)), 587),
  tls: v.optional(v.picklist(['starttls', 'implicit', 'none'])),
  allowPlaintext: v.optional(v.boolean(), false),
  auth: v.optional(
    v.strictObject({
      user: line(320),
      password: v.optional(v.string()),
      passwordFile: v.optional(line(4096)),
      method: v.optional(v.picklist(['PLAIN', 'LOGIN', 'CRAM-MD5'])),
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
  envelopeFrom: v.optional(
    v.pipe(
      line(320),
      v.check((text) => 'address' in parseAddress(text), 'is not one plain address'),
    ),
  ),
  replyTo: v.optional(mailbox),
  ehloName: v.optional(v.pipe(line(255), v.regex(/^[A-Za-z0-9.[\]:_-]+$/, 'is no host name')), hostname()),
  maxConnections: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100)), 5),
  sendTimeoutSeconds: seconds(600, 120),
  replyTimeoutSeconds: seconds(600, 600),
});

/** Throws ConfigurationError, named `smtp.<path>`, without the value. */
export function parseSmtpOptions(options: SmtpOptions): SmtpSettings {
  const parsed = v.safeParse(schema, options);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new ConfigurationError(`smtp.${v.getDotPath(issue) ?? ''}`.replace(/\.$/, ''), requirementOf(issue));
  }
  const given = parsed.output;
  const tls = given.tls ?? (given.port === 465 ? 'implicit' : 'starttls');
  if (tls === 'none' && !isLoopback(given.host) && !given.allowPlaintext)
    throw new ConfigurationError(
      'smtp.tls',
      '"none" would send mail and logins in clear text; use "starttls", or set allowPlaintext on a network you trust',
    );
  if (given.auth && (given.auth.password === undefined) === (given.auth.passwordFile === undefined))
    throw new ConfigurationError('smtp.auth', 'needs either password or passwordFile');
  if ((given.certFile === undefined) !== (given.keyFile === undefined))
    throw new ConfigurationError('smtp.certFile', 'needs certFile and keyFile together');
  const { allowPlaintext: _, ...rest } = given;
  return {
    ...rest,
    tls,
    servername: given.servername ?? (isIP(given.host) ? null : given.host),
    envelopeFrom: given.envelopeFrom ?? plain(given.from.address),
  } as SmtpSettings;
}

function plain(text: string): string {
  const parsed = parseAddress(text);
  return 'address' in parsed ? formatAddress(parsed.address) : text;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
