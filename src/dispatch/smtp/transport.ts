/** nodemailer's connections to one relay, with the files that its settings name. */
import nodemailer, { type SMTPSentMessageInfo } from 'nodemailer';
import type MailMessage from 'nodemailer/lib/mailer/mail-message';
import type MimeNode from 'nodemailer/lib/mime-node';
import type { SmtpFailure } from './classify-failure.ts';
import { readSmtpFiles, type SmtpFiles, stampOf } from './smtp-files.ts';
import { createLoginGate, customLogin, type LoginGate, passwordLogin, type TokenSource } from './login.ts';
import type { SmtpSettings } from './smtp-settings.ts';
import { isSocksError, socksModule } from './socks.ts';
import { type Progress, trackedStream } from './message-stream.ts';

/** nodemailer's pool of connections. */
export type Transport = ReturnType<typeof createTransport>;

/** What a server announces after EHLO. */
export interface Capabilities {
  /** Names of extensions, for example `SMTPUTF8`. */
  readonly extensions: readonly string[];
  /** Largest message in bytes; null: it announces no limit. */
  readonly maxBytes: number | null;
}

/** The pool in use, and the files that it was made with. */
export interface Connected {
  readonly transport: Transport;
  readonly files: SmtpFiles;
}

/** The connections to one relay. */
export interface Relay {
  /** @throws {ConfigurationError} if a file of the settings cannot be used. */
  connect(): Connected;
  /** After a rejected login: checks the files at once. @returns whether they have changed since the login. */
  refresh(): boolean;
  /** Replaces the connections, if this pool is still in use. Messages in flight end on the old ones. */
  renew(transport: Transport): void;
  /** A connection was lost before it was ready. @returns whether a connection was logging in. */
  lostConnection(): boolean;
  /** What the server offers: as last announced, or asked over a new connection. Rejects with nodemailer's error. */
  capabilities(): Promise<Capabilities>;
  /** Keeps what the server announced when it accepted a message. */
  remember(ehlo: readonly string[]): void;
  close(): void;
}

/** How often the files are checked for changes. */
const checkMs = 1000;
/** How long the announced capabilities are used. */
const capabilitiesMs = 600_000;

/** A pool of connections, replaced when a file has changed. Messages in flight end on the old one. */
export function createRelay(settings: SmtpSettings, tokens: TokenSource | null): Relay {
  let current: (Connected & { readonly stamp: string }) | null = null;
  let checkedAt = 0;
  const gate = createLoginGate();
  let known: { readonly capabilities: Capabilities; readonly at: number } | null = null;
  const keep = (capabilities: Capabilities) => {
    known = { capabilities, at: performance.now() };
    return capabilities;
  };

  function connect(): Connected {
    const now = performance.now();
    if (current !== null && now - checkedAt < checkMs) return current;
    checkedAt = now;
    const stamp = stampOf(settings);
    if (current?.stamp === stamp) return current;
    const before = current;
    current = null;
    before?.transport.close();
    const files = readSmtpFiles(settings);
    current = { transport: createTransport(settings, files, { tokens, gate }), files, stamp };
    return current;
  }

  return {
    connect,
    refresh() {
      const changed = current !== null && current.stamp !== stampOf(settings);
      if (changed) checkedAt = Number.NEGATIVE_INFINITY;
      return changed;
    },
    renew(transport) {
      if (current?.transport !== transport) return;
      transport.close();
      current = { ...current, transport: createTransport(settings, current.files, { tokens, gate }) };
    },
    lostConnection() {
      const { busy } = gate;
      gate.abandon();
      return busy;
    },
    async capabilities() {
      if (known !== null && performance.now() - known.at < capabilitiesMs) return known.capabilities;
      return keep(await askCapabilities(settings, connect().files));
    },
    remember(ehlo) {
      const sizes = ehlo.map((line) => /^SIZE +([0-9]+)$/i.exec(line)?.[1]).filter((size) => size !== undefined);
      keep({
        extensions: ehlo.map((line) => line.split(' ')[0]?.toUpperCase() ?? ''),
        maxBytes: sizes[0] === undefined ? null : Number(sizes[0]) || null,
      });
    },
    // Called after the last dispatch: a connection that is still busy waits for a server that stopped reading.
    close: () => current?.transport.close({ force: true }),
  };
}

/**
 * Connects, reads what the server offers and disconnects. nodemailer shows it to custom logins; this one sends no
 * command.
 */
async function askCapabilities(settings: SmtpSettings, files: SmtpFiles): Promise<Capabilities> {
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
  transport.set('proxy_socks_module', socksModule);
  try {
    await transport.verify();
    return seen;
  } finally {
    transport.close();
  }
}

interface Login {
  readonly tokens: TokenSource | null;
  readonly gate: LoginGate;
}

function createTransport(settings: SmtpSettings, files: SmtpFiles, login: Login) {
  const transport = nodemailer.createTransport({
    ...connectionOptions(settings, files),
    ...loginOptions(settings, files, login),
    pool: true,
    // What is slow leaves its place to another message: see transmit.ts.
    maxConnections: settings.maxConnections * 2,
    maxMessages: 100,
    // See overReusedConnection.
    maxRequeues: 0,
    idleTimeout: 60_000,
  });
  // nodemailer has its own client for HTTP proxies; SOCKS needs this package.
  transport.set('proxy_socks_module', socksModule);
  // `sendMail` would pass this on.
  if (transport.getSocket) transport.transporter.getSocket = transport.getSocket;
  return transport;
}

/** A complete email and its envelope. */
export interface WrittenMail {
  /** Plain addresses, domains as A-labels. */
  readonly from: string;
  readonly to: string;
  readonly messageId: string;
  readonly bytes: Buffer;
  /** Announced to the server with MAIL; null: not announced. */
  readonly size: number | null;
}

/**
 * Sends the bytes as they are. nodemailer's `sendMail` would parse and write the message again, only to send the same
 * bytes. Rejects with nodemailer's error.
 */
export function sendWritten(
  { transporter }: Transport,
  { from, to, messageId, bytes, size }: WrittenMail,
  { signal, progress }: { readonly signal: AbortSignal; readonly progress: Progress },
): Promise<SMTPSentMessageInfo> {
  const message: Pick<MimeNode, 'getEnvelope' | 'messageId' | 'getHeader' | 'createReadStream'> = {
    getEnvelope: () => ({ from, to: [to], ...(size !== null && { size }) }),
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

function loginOptions({ auth }: SmtpSettings, files: SmtpFiles, { tokens, gate }: Login) {
  if (auth === undefined) return {};
  const { user, method } = auth;
  const password = { user, password: auth.password ?? files.password ?? '', method };
  return {
    auth: { user, method: customLogin },
    customAuth: { [customLogin]: gate.login(tokens?.login ?? passwordLogin(password)) },
    // Without it nodemailer would send without a login where the server offers none; the handler fails instead.
    forceAuth: true,
  };
}

function connectionOptions(settings: SmtpSettings, { ca, cert, key }: SmtpFiles) {
  const { tls, servername } = settings;
  // Half of the time each, so that nodemailer's error, which names the phase, comes before our deadline.
  // connectionTimeout bounds the others: it runs from the name look-up to the end of the TLS handshake, with the
  // greeting in between.
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
      // Opportunistic TLS protects against listeners only, so an unknown certificate is better than none (RFC 7435).
      ...(tls === 'opportunistic' && { rejectUnauthorized: false }),
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

/** The fields of nodemailer's error that are classified; its message may quote addresses. */
export function failureOf(error: unknown, stream: SmtpFailure['stream'], aborted: SmtpFailure['aborted']): SmtpFailure {
  const fields = (typeof error === 'object' && error !== null ? error : {}) as Readonly<Record<string, unknown>>;
  const text = (name: string) => (typeof fields[name] === 'string' ? { [name]: fields[name] } : {});
  const limit = /larger than allowed ([0-9]+)$/.exec(typeof fields.message === 'string' ? fields.message : '')?.[1];
  return {
    ...text('code'),
    ...(isSocksError(error) && { code: 'EPROXY' }),
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
