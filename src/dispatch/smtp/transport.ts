/** nodemailer's connections to one relay, with the files that its settings name. */
import nodemailer, { type SMTPSentMessageInfo } from 'nodemailer';
import type MailMessage from 'nodemailer/lib/mailer/mail-message';
import type MimeNode from 'nodemailer/lib/mime-node';
import * as socks from 'socks';
import type { SmtpFailure } from './classify-reply.ts';
import { readSmtpFiles, type SmtpFiles, stampOf } from './smtp-files.ts';
import { accessTokenLogin, type TokenSource } from './login.ts';
import type { SmtpSettings } from './smtp-options.ts';
import { type Progress, trackedStream } from './message-stream.ts';

export type Transport = ReturnType<typeof createTransport>;

/** What a server says about itself after EHLO. */
export interface Capabilities {
  /** Names of extensions, for example `SMTPUTF8`. */
  readonly extensions: readonly string[];
  /** Largest message in bytes; null: it names none. */
  readonly maxBytes: number | null;
}

export interface Connected {
  readonly transport: Transport;
  readonly files: SmtpFiles;
}

export interface Relay {
  /** @throws {ConfigurationError} */
  connect(): Connected;
  /** After a refused login: looks at the files at once. True: they have changed since the login was made with them. */
  refresh(): boolean;
  /** What the server offers, from its last words or from a connection of its own. Rejects with nodemailer's error. */
  look(): Promise<Capabilities>;
  /** Tells what a server offered when it took a message. */
  learn(ehlo: readonly string[]): void;
  close(): void;
}

/** How often the files are looked at. */
const lookMs = 1000;
/** How long what a server offers is believed. */
const believeMs = 600_000;

/** The pool of connections; a new one when a file has changed. What is under way ends on the old one. */
export function createRelay(settings: SmtpSettings, tokens: TokenSource | null): Relay {
  let current: (Connected & { readonly stamp: string }) | null = null;
  let lookedAt = 0;
  let known: { readonly capabilities: Capabilities; readonly at: number } | null = null;
  const believe = (capabilities: Capabilities) => {
    known = { capabilities, at: performance.now() };
    return capabilities;
  };

  function connect(): Connected {
    const now = performance.now();
    if (current !== null && now - lookedAt < lookMs) return current;
    lookedAt = now;
    const stamp = stampOf(settings);
    if (current?.stamp === stamp) return current;
    const before = current;
    current = null;
    before?.transport.close();
    const files = readSmtpFiles(settings);
    current = { transport: createTransport(settings, files, tokens), files, stamp };
    return current;
  }

  return {
    connect,
    refresh() {
      const changed = current !== null && current.stamp !== stampOf(settings);
      if (changed) lookedAt = Number.NEGATIVE_INFINITY;
      return changed;
    },
    async look() {
      if (known !== null && performance.now() - known.at < believeMs) return known.capabilities;
      return believe(await ask(settings, connect().files));
    },
    learn(ehlo) {
      const sizes = ehlo.map((line) => /^SIZE +([0-9]+)$/i.exec(line)?.[1]).filter((size) => size !== undefined);
      believe({
        extensions: ehlo.map((line) => line.split(' ')[0]?.toUpperCase() ?? ''),
        maxBytes: sizes[0] === undefined ? null : Number(sizes[0]) || null,
      });
    },
    // Called after the last dispatch: what is still busy waits for a server that stopped reading.
    close: () => current?.transport.close({ force: true }),
  };
}

/** Connects, reads what the server offers and hangs up. nodemailer shows that to those who log in their own way: this one says nothing. */
async function ask(settings: SmtpSettings, files: SmtpFiles): Promise<Capabilities> {
  let seen: Capabilities = { extensions: [], maxBytes: null };
  const transport = nodemailer.createTransport({
    ...connectionOptions(settings, files),
    pool: true,
    forceAuth: true,
    auth: { user: 'nobody', method: 'LOOK' },
    customAuth: {
      LOOK(context) {
        seen = { extensions: context.extensions, maxBytes: context.maxAllowedSize || null };
        context.resolve();
      },
    },
  });
  transport.set('proxy_socks_module', socks);
  try {
    await transport.verify();
    return seen;
  } finally {
    transport.close();
  }
}

function createTransport(settings: SmtpSettings, files: SmtpFiles, tokens: TokenSource | null) {
  const transport = nodemailer.createTransport({
    ...connectionOptions(settings, files),
    ...loginOptions(settings, files, tokens),
    pool: true,
    maxConnections: settings.maxConnections,
    maxMessages: 100,
    // See overKeptConnection.
    maxRequeues: 0,
    idleTimeout: 60_000,
  });
  // nodemailer brings the HTTP proxy itself, SOCKS by this package.
  transport.set('proxy_socks_module', socks);
  // `sendMail` would pass this on.
  if (transport.getSocket) transport.transporter.getSocket = transport.getSocket;
  return transport;
}

export interface WrittenMail {
  /** Plain addresses, domains as A-labels. */
  readonly from: string;
  readonly to: string;
  readonly messageId: string;
  readonly bytes: Buffer;
}

/**
 * Hands a mail to the pool as it is. nodemailer's `sendMail` would first make a mail of it once more, only to send the same bytes.
 * Rejects with nodemailer's error.
 */
export function sendWritten(
  { transporter }: Transport,
  { from, to, messageId, bytes }: WrittenMail,
  { signal, progress }: { readonly signal: AbortSignal; readonly progress: Progress },
): Promise<SMTPSentMessageInfo> {
  const message: Pick<MimeNode, 'getEnvelope' | 'messageId' | 'getHeader' | 'createReadStream'> = {
    getEnvelope: () => ({ from, to: [to], size: bytes.length }),
    messageId: () => messageId,
    getHeader: () => messageId,
    createReadStream: () => trackedStream(bytes, progress),
  };
  const written: Pick<MailMessage, 'data'> & { readonly message: typeof message } = { data: { signal }, message };
  return new Promise((resolve, reject) => {
    transporter.send(written as MailMessage<SMTPSentMessageInfo>, (error, info) =>
      info === undefined ? reject(error) : resolve(info),
    );
  });
}

function loginOptions({ auth }: SmtpSettings, files: SmtpFiles, tokens: TokenSource | null) {
  if (auth === undefined) return {};
  if (tokens !== null)
    return {
      auth: { user: auth.user, method: accessTokenLogin },
      customAuth: { [accessTokenLogin]: tokens.login },
      forceAuth: true,
    };
  const { user, method } = auth;
  return {
    auth: { user, pass: auth.password ?? files.password ?? '', ...(method && { method }) },
    ...(method && { authMethod: method }),
    forceAuth: true,
  };
}

function connectionOptions(settings: SmtpSettings, { ca, cert, key }: SmtpFiles) {
  const { tls, servername } = settings;
  // Half of the time for all, so that nodemailer's verdict, which names the phase, comes before ours. The first bounds the
  // others: it runs from the look-up of the name to the end of the TLS handshake, the greeting in between.
  return {
    host: settings.host,
    port: settings.port,
    name: settings.ehloName,
    secure: tls === 'implicit',
    requireTLS: tls === 'starttls',
    opportunisticTLS: tls === 'opportunistic',
    ignoreTLS: tls === 'none',
    tls: {
      minVersion: settings.minTlsVersion,
      ...(servername !== null && { servername }),
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    },
    ...(settings.proxy !== undefined && { proxy: settings.proxy }),
    connectionTimeout: Math.min(60, settings.sendTimeoutSeconds / 2) * 1000,
    greetingTimeout: Math.min(60, settings.sendTimeoutSeconds / 2) * 1000,
    dnsTimeout: Math.min(10, settings.sendTimeoutSeconds / 4) * 1000,
    socketTimeout: settings.replyTimeoutSeconds * 1000,
    socketCloseTimeout: 2000,
    maxResponseSize: 65_536,
  };
}

/** The fields of nodemailer's error that classification may see; its message may quote addresses. */
export function failureOf(error: unknown, stream: SmtpFailure['stream'], aborted: SmtpFailure['aborted']): SmtpFailure {
  const fields = (typeof error === 'object' && error !== null ? error : {}) as Readonly<Record<string, unknown>>;
  const text = (name: string) => (typeof fields[name] === 'string' ? { [name]: fields[name] } : {});
  const limit = /larger than allowed ([0-9]+)$/.exec(typeof fields.message === 'string' ? fields.message : '')?.[1];
  return {
    ...text('code'),
    // The only errors of a connection that come without a code.
    ...(error instanceof socks.SocksClientError && { code: 'EPROXY' }),
    ...text('response'),
    ...text('command'),
    ...text('originalCode'),
    ...text('timeoutType'),
    ...(typeof fields.responseCode === 'number' && { responseCode: fields.responseCode }),
    ...(limit !== undefined && { limit: Number(limit) }),
    stream,
    ...(aborted !== undefined && { aborted }),
  };
}
