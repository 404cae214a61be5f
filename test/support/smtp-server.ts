/** A real SMTP server that keeps what it receives: for tests, benchmarks and the demo. */
import { buffer } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { type ParsedMail, simpleParser } from 'mailparser';
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server';
import { type CertificateName, certificate } from './certificates.ts';
import { type Connections, createRecorder, listenLocally, type Recorder } from './recorder.ts';

export interface ReceivedMail {
  /** Envelope sender; empty for the null sender. */
  readonly from: string;
  /** Envelope recipients that were accepted. */
  readonly to: readonly string[];
  /** The bytes after DATA, dots unstuffed. */
  readonly raw: Buffer;
  readonly receivedAt: Date;
  /** Whether it came over TLS. */
  readonly secure: boolean;
  /** Who logged in. */
  readonly user: string | undefined;
  readonly parsed: () => Promise<ParsedMail>;
}

/** A reply other than acceptance. */
export interface Refusal {
  /** SMTP reply code, for example 450 or 550. */
  readonly code: number;
  /** With the enhanced status code in front, for example `5.1.1 no such user`. */
  readonly text: string;
}

export type Verdict = Refusal | undefined;

export interface SmtpServerOptions {
  /** An ephemeral port by default. */
  readonly port?: number;
  /** `starttls` offers it, `required` refuses email without it, `implicit` speaks TLS at once; `none` by default. */
  readonly tls?: 'none' | 'starttls' | 'required' | 'implicit';
  readonly certificate?: CertificateName;
  /** Log-in that is then required; over plain connections too. */
  readonly auth?: {
    readonly user: string;
    /** Or the access token; the function form is asked at each login. */
    readonly password: string | (() => string);
    readonly methods?: string[];
  };
  /** Called for each attempt to log in, with the password or token that was shown. */
  readonly onLogin?: (shown?: string) => void;
  /** Largest message in bytes, announced to the client. */
  readonly maxBytes?: number;
  /** Judges a recipient; `seen` is how often this address was tried before. May take its time. */
  readonly onRecipient?: (address: string, seen: number) => Verdict | Promise<Verdict>;
  /** Judges a message after its last byte; a refused one is not kept. May take its time. */
  readonly onMessage?: (mail: ReceivedMail) => Verdict | Promise<Verdict>;
  /** Called for each message that was kept. */
  readonly onAccepted?: (mail: ReceivedMail) => void;
  /** The newest messages that are kept; 100,000 by default. */
  readonly keep?: number;
}

export interface TestSmtpServer extends Omit<Recorder<ReceivedMail>, 'add'> {
  readonly host: string;
  readonly port: number;
  readonly connections: () => Connections;
  /** Breaks all connections. */
  readonly close: () => Promise<void>;
}

export async function startSmtpServer(options: SmtpServerOptions = {}): Promise<TestSmtpServer> {
  const { keep, onAccepted } = options;
  const recorder = createRecorder<ReceivedMail>({ what: 'emails', keep, onItem: onAccepted });
  const smtp = new SMTPServer({
    ...transport(options),
    ...authentication(options),
    ...receiving(options, recorder),
    hideSMTPUTF8: false,
    disableReverseLookup: true,
    closeTimeout: 1,
    onSecure: (socket, _session, answer) => {
      listener.secured(socket);
      answer(null);
    },
    disabledCommands: [...((options.tls ?? 'none') === 'none' ? ['STARTTLS'] : []), ...(options.auth ? [] : ['AUTH'])],
    ...(options.maxBytes !== undefined && { size: options.maxBytes }),
  });
  // A client that hangs up in the middle is what the tests provoke.
  smtp.on('error', () => undefined);
  const upgrades = (options.tls ?? 'none') !== 'none';
  const listener = await listenLocally(smtp.server, { port: options.port, upgrades });
  const { add: _, ...records } = recorder;
  const close = async () => {
    const closed = listener.close();
    // Says 421 to plain connections on which TLS could begin, and ends handshakes in progress.
    smtp.close();
    await closed;
  };
  return { host: '127.0.0.1', port: listener.port, connections: listener.connections, close, ...records };
}

function transport({ tls = 'none', certificate: name = 'localhost' }: SmtpServerOptions): SMTPServerOptions {
  return tls === 'none' ? { hideSTARTTLS: true } : { ...certificate(name), secure: tls === 'implicit' };
}

function authentication({ auth, onLogin }: SmtpServerOptions): SMTPServerOptions {
  if (!auth) return { authOptional: true };
  return {
    allowInsecureAuth: true,
    authMethods: auth.methods ?? ['PLAIN', 'LOGIN'],
    onAuth: (login, _session, answer) => {
      const { username } = login;
      // XOAUTH2 shows an access token in place of a password.
      const password = login.password ?? login.accessToken;
      onLogin?.(password);
      // CRAM-MD5 shows no password, it only proves it.
      const wanted = typeof auth.password === 'string' ? auth.password : auth.password();
      const proved = password === undefined ? login.validatePassword?.(wanted) === true : password === wanted;
      if (username === auth.user && proved) return answer(null, { user: username });
      return answer(refusal({ code: 535, text: '5.7.8 authentication failed' }));
    },
  };
}

function receiving(options: SmtpServerOptions, recorder: Recorder<ReceivedMail>): SMTPServerOptions {
  const seen = new Map<string, number>();
  return {
    onMailFrom: (_address, session, answer) => {
      const refused = options.tls === 'required' && !session.secure;
      answer(refused ? refusal({ code: 530, text: '5.7.0 must issue a STARTTLS command first' }) : null);
    },
    onRcptTo: ({ address }, _session, answer) => {
      const before = seen.get(address) ?? 0;
      seen.set(address, before + 1);
      settle(async () => options.onRecipient?.(address, before), answer);
    },
    onData: (stream, session, answer) => {
      settle(async () => {
        const mail = mailOf(await buffer(stream), session);
        if (stream.sizeExceeded) return { code: 552, text: '5.3.4 message too big' };
        const verdict = await options.onMessage?.(mail);
        if (!verdict) recorder.add(mail);
        return verdict;
      }, answer);
    },
  };
}

function mailOf(raw: Buffer, { envelope, secure, user }: SMTPServerSession): ReceivedMail {
  return {
    from: envelope.mailFrom ? envelope.mailFrom.address : '',
    to: envelope.rcptTo.map((recipient) => recipient.address),
    raw,
    receivedAt: new Date(),
    secure,
    user: typeof user === 'string' ? user : undefined,
    parsed: () => simpleParser(raw),
  };
}

/** A judge that throws is a fault of the test: the client then reads what it threw. */
function settle(judge: () => Promise<Verdict>, answer: (error?: Error | null) => void): void {
  judge().then(
    (verdict) => answer(verdict ? refusal(verdict) : null),
    (error: unknown) => answer(refusal({ code: 451, text: `4.3.0 the judge failed: ${String(error)}` })),
  );
}

function refusal({ code, text }: Refusal): Error {
  return Object.assign(new Error(text), { responseCode: code });
}

/** A judge that puts every address off until it was tried so often. */
export function greylist(tries: number, delayMs = 0): NonNullable<SmtpServerOptions['onRecipient']> {
  return async (_address, seen) => {
    if (delayMs > 0) await pause(delayMs);
    return seen < tries ? { code: 451, text: '4.7.1 greylisted, try again later' } : undefined;
  };
}
