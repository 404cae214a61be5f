/** The `smtp` method: hands mails to a relay over pooled connections. */
import { readFileSync } from 'node:fs';
import nodemailer, { type SendMailOptions } from 'nodemailer';
import { parseAddress } from '../../address.ts';
import { ConfigurationError } from '../../errors.ts';
import type { Delivery, DispatchContext, Dispatcher, DispatchResult } from '../dispatcher.ts';
import { classifySmtpFailure, parseReply, type SmtpFailure } from './classify.ts';
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
  let transport: ReturnType<typeof createTransport> | null = null;
  return {
    // Twice the connections: the next message waits at the pool instead of in the database.
    concurrency: settings.maxConnections * 2,
    timeoutSeconds: Math.min(settings.sendTimeoutSeconds + settings.replyTimeoutSeconds + 20, 900),
    retryDelaysSeconds,
    async start() {
      transport = createTransport(settings);
    },
    async dispatch(delivery, context) {
      transport ??= createTransport(settings);
      return send(transport, delivery, { settings, context });
    },
    async close() {
      transport?.close();
    },
  };
}

function createTransport(settings: SmtpSettings) {
  const { tls, auth, caFile, servername } = settings;
  const transport = nodemailer.createTransport({
    pool: true,
    host: settings.host,
    port: settings.port,
    name: settings.ehloName,
    secure: tls === 'implicit',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    tls: {
      minVersion: 'TLSv1.2',
      ...(servername !== null && { servername }),
      ...(caFile !== undefined && { ca: readSetting('smtp.caFile', caFile) }),
    },
    ...(auth && {
      auth: { user: auth.user, pass: passwordOf(auth), ...(auth.method && { method: auth.method }) },
      ...(auth.method && { authMethod: auth.method }),
      forceAuth: true,
    }),
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
  transport.use('stream', trackStream);
  return transport;
}

interface Sending {
  readonly settings: SmtpSettings;
  readonly context: DispatchContext;
}

async function send(
  transport: ReturnType<typeof createTransport>,
  delivery: Delivery,
  { settings, context }: Sending,
): Promise<DispatchResult> {
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

function passwordOf(auth: NonNullable<SmtpSettings['auth']>): string {
  return auth.password ?? readSetting('smtp.auth.passwordFile', auth.passwordFile ?? '').replace(/\r?\n$/, '');
}

function readSetting(setting: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigurationError(setting, `cannot read ${path} (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
  }
}
