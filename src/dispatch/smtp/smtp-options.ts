/** The options of `smtp`. */

/** An address with a display name. */
export interface Mailbox {
  /** Display name, one line. */
  readonly name?: string;
  /** One RFC 5321 address. */
  readonly address: string;
}

/** Where access tokens come from: a refresh token if there is one, else client credentials (RFC 6749, section 4.4). */
export interface OAuth2Options {
  /** Token endpoint: https, or http to loopback. */
  readonly tokenUrl: string;
  /** Id that the provider gave the application. */
  readonly clientId: string;
  /** Secret of the application; or `clientSecretFile`. */
  readonly clientSecret?: string;
  /** Path of a file with the secret. */
  readonly clientSecretFile?: string;
  /** Long-lived token that access tokens are requested with; or `refreshTokenFile`. */
  readonly refreshToken?: string;
  /** Path of a file with the token. */
  readonly refreshTokenFile?: string;
  /** For example `https://outlook.office365.com/.default`. */
  readonly scope?: string;
}

/** The modes of `tls`. */
export const tlsModes = ['starttls', 'implicit', 'opportunistic', 'none'] as const;

/** One relay, and how to send through it. */
export interface SmtpOptions {
  /** Host name or IP address of the relay. */
  readonly host: string;
  /** Default 587; 465 implies `implicit`. */
  readonly port?: number;
  /**
   * `starttls` (default): required, a server that does not offer it pauses the method. `implicit`: TLS from the first
   * byte (default on port 465). `opportunistic`: TLS where the server offers it, plain text elsewhere; never together
   * with `auth`. `none`: refused unless the host is loopback or `allowPlaintext` is set.
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
  /** Signs every email (RFC 6376). A key that cannot be used pauses the method: nothing is sent unsigned. */
  readonly dkim?: {
    readonly domain: string;
    /** The public key is the TXT record `<selector>._domainkey.<domain>`. */
    readonly selector: string;
    /** PEM of an RSA key of 1,024 bits at least. */
    readonly keyFile: string;
  };
  /**
   * URL of an HTTP (CONNECT) or SOCKS proxy, for example `http://user:password@proxy:3128` or `socks5://proxy:1080`.
   */
  readonly proxy?: string;
  /** Author of the emails. */
  readonly from: Mailbox;
  /**
   * Where bounces go. Default: the author's address. With `{token}` before the @, for example
   * `bounces+{token}@acme.example`, every message has an address of its own, so that `pg-herald bounces accept` knows
   * which one came back.
   */
  readonly envelopeFrom?: string;
  /**
   * The keys of the tokens in `envelopeFrom`, each the base64 text of 32 random bytes. The first one makes tokens; to
   * rotate, put the new key in front and give `bounces accept` both.
   */
  readonly envelopeKeys?: readonly string[];
  /** Address that replies go to. Default: `from`. */
  readonly replyTo?: Mailbox;
  /**
   * Name for EHLO. Default: the name of this host if it is a domain name, such as `mail.acme.example`; else the domain
   * of `from`. Relays reject short names such as those of containers.
   */
  readonly ehloName?: string;
  /**
   * Connections at once in one process, 1 to 100; default 5. Fewer for a while where the server says that they are too
   * many.
   */
  readonly maxConnections?: number;
  /** Messages a second through this relay, over all replicas; 0.001 to 10,000. Default: no limit. */
  readonly messagesPerSecond?: number;
  /** The same by domain of the recipient; `*` for each domain that is not named. */
  readonly messagesPerSecondToDomain?: Readonly<Record<string, number>>;
  /**
   * Larger emails fail before anything is sent, in bytes with attachments and their encoding; 10,000 to 100,000,000,
   * default 25,000,000.
   */
  readonly maxMessageBytes?: number;
  /** From pick-up until the last byte of the message has left, in seconds; 1 to 600, default 120. */
  readonly sendTimeoutSeconds?: number;
  /** Then until the server's reply, in seconds; 1 to 600, default 600 (RFC 5321, section 4.5.3.2.6). */
  readonly replyTimeoutSeconds?: number;
}
