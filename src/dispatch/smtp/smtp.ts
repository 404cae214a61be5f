/** The `smtp` method: hands mails to a relay over pooled connections. */
import nodemailer, { type SendMailOptions } from 'nodemailer';
import * as socks from 'socks';
import { parseAddress } from '../../address.ts';
import { ConfigurationError } from '../../errors.ts';
import type { Delivery, DispatchContext, Dispatcher, DispatchResult } from '../dispatcher.ts';
import { classifySmtpFailure, parseReply, type SmtpFailure } from './classify.ts';
import { readSmtpFiles, type SmtpFiles, stampOf } from './files.ts';
import { mailOf } from './mail.ts';
import { parseSmtpOptions, type SmtpOptions, type SmtpSettings } from './options.ts';
import { type Progress, stateOf, trackStream } from './stream.ts';

export type { SmtpOptions } from './options.ts';

/** 30 s to 6 h, for three days: a greylist lets the third try pass. */
const retryDelaysSeconds = [30, 120, 360, 900, 1800, 3600, 7200, 14_400, ...Array.from({ length: 10 }, () => 21_600)];

/**
 * Sends mail through one relay. Throws ConfigurationError for wrong options, at `start` for files that cannot be read.
 * `sent` means that the relay took the message over.
 */
export function smtp(options: SmtpOptions): Dispatcher {
  const settings = parseSmtpOptions(options);
  const relay = createRelay(settings);
  return {
    // Twice the connections: the next message waits at the pool instead of in the database.
    concurrency: settings.maxConnections * 2,
    timeoutSeconds: Math.min(settings.sendTimeoutSeconds + settings.replyTimeoutSeconds + 20, 900),
    retryDelaysSeconds,
    takesAttachments: true,
    async start() {
      relay.transport();
    },
    async dispatch(delivery, context) {
      let transport: Transport;
      try {
        transport = relay.transport();
      } catch (error) {
        if (!(error instanceof ConfigurationError)) throw error;
        return { outcome: 'retry', reason: 'misconfigured', detail: error.message, fault: 'method' };
      }
      return send(transport, delivery, { settings, context });
    },
    async close() {
      relay.close();
    },
  };
}

type Transport = ReturnType<typeof createTransport>;

/** How often the files are looked at. */
const lookMs = 1000;

/** The pool of connections; a new one when a file has changed. What is under way ends on the old one. */
function createRelay(settings: SmtpSettings) {
  let current: { readonly transport: Transport; readonly stamp: string } | null = null;
  let lookedAt = 0;
  return {
    /** @throws {ConfigurationError} */
    transport(): Transport {
      const now = performance.now();
      if (current !== null && now - lookedAt < lookMs) return current.transport;
      lookedAt = now;
      const stamp = stampOf(settings);
      if (current?.stamp === stamp) return current.transport;
      const before = current;
      current = null;
      before?.transport.close();
      current = { transport: createTransport(settings, readSmtpFiles(settings)), stamp };
      return current.transport;
    },
    close: () => current?.transport.close(),
  };
}

function createTransport(settings: SmtpSettings, files: SmtpFiles) {
  const { tls, auth, servername, dkim } = settings;
  const { ca, cert, key, dkimKey } = files;
  const transport = nodemailer.createTransport({
    pool: true,
    host: settings.host,
    port: settings.port,
    name: settings.ehloName,
    secure: tls === 'implicit',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    tls: {
      minVersion: settings.minTlsVersion,
      ...(servername !== null && { servername }),
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    },
    ...(auth && {
      auth: {
        user: auth.user,
        pass: auth.password ?? files.password ?? '',
        ...(auth.method && { method: auth.method }),
      },
      ...(auth.method && { authMethod: auth.method }),
      forceAuth: true,
    }),
    ...(dkim !== undefined &&
      dkimKey !== undefined && { dkim: { domainName: dkim.domain, keySelector: dkim.selector, privateKey: dkimKey } }),
    ...(settings.proxy !== undefined && { proxy: settings.proxy }),
    maxConnections: settings.maxConnections,
    maxMessages: 100,
    // One more try when a kept connection turns out to be closed before a byte of the message was sent; the default of 5 hammers a closing server.
    maxRequeues: 1,
    connectionTimeout: 30_000,
    greetingTimeout: 60_000,
    dnsTimeout: 10_000,
    socketTimeout: settings.replyTimeoutSeconds * 1000,
    socketCloseTimeout: 2000,
    maxResponseSize: 65_536,
    maxRecipients: 1,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  // nodemailer brings the HTTP proxy itself, SOCKS by this package.
  transport.set('proxy_socks_module', socks);
  transport.use('stream', trackStream);
  return transport;
}

interface Sending {
  readonly settings: SmtpSettings;
  readonly context: DispatchContext;
}

async function send(transport: Transport, delivery: Delivery, { settings, context }: Sending): Promise<DispatchResult> {
  const { email } = delivery.recipient;
  if (email === undefined)
    return { outcome: 'failed', reason: 'no_address', detail: 'the recipient has no e-mail address' };
  const parsed = parseAddress(email);
  if ('problem' in parsed)
    return { outcome: 'failed', reason: 'invalid_address', detail: `the address ${parsed.problem}` };
  if (parsed.address.internationalised)
    return {
      outcome: 'failed',
      reason: 'invalid_address',
      detail: 'an internationalised local part needs a relay with SMTPUTF8 (5.6.7)',
    };
  const mail = mailOf(delivery, parsed.address, settings);
  const abort = new AbortController();
  const progress: Progress = { of: null };
  let aborted: SmtpFailure['aborted'];
  const stopFor = (why: NonNullable<SmtpFailure['aborted']>) => {
    // Past the dot the server may already have accepted: only its reply, or its deadline, ends the wait.
    if (stateOf(progress) === 'all' && why === 'shutdown') return;
    aborted = why;
    abort.abort();
  };
  const sendTimer = setTimeout(
    () => stateOf(progress) !== 'all' && stopFor('deadline'),
    settings.sendTimeoutSeconds * 1000,
  );
  const onAbort = () => stopFor('shutdown');
  context.signal.addEventListener('abort', onAbort);
  if (context.signal.aborted) onAbort();
  try {
    const info = await transport.sendMail({ ...mail, signal: abort.signal, progress } as SendMailOptions);
    return { outcome: 'sent', reply: { ...parseReply(info.response), receiverId: info.messageId } };
  } catch (error) {
    return classifySmtpFailure(failureOf(error, stateOf(progress), aborted));
  } finally {
    clearTimeout(sendTimer);
    context.signal.removeEventListener('abort', onAbort);
  }
}

/** The fields of nodemailer's error that classification may see; its message may quote addresses. */
function failureOf(error: unknown, stream: SmtpFailure['stream'], aborted: SmtpFailure['aborted']): SmtpFailure {
  const fields = (typeof error === 'object' && error !== null ? error : {}) as Readonly<Record<string, unknown>>;
  const text = (name: string) => (typeof fields[name] === 'string' ? { [name]: fields[name] } : {});
  return {
    ...text('code'),
    ...text('response'),
    ...text('command'),
    ...text('originalCode'),
    ...text('timeoutType'),
    ...(typeof fields.responseCode === 'number' && { responseCode: fields.responseCode }),
    stream,
    ...(aborted !== undefined && { aborted }),
  };
}
