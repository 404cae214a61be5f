/** The `smtp` method: hands mails to a relay over pooled connections. */
import type { SendMailOptions } from 'nodemailer';
import { parseAddress } from '../../address.ts';
import { ConfigurationError } from '../../errors.ts';
import type { Delivery, DispatchContext, Dispatcher, DispatchResult } from '../dispatcher.ts';
import { classifySmtpFailure, parseReply, type SmtpFailure } from './classify.ts';
import { mailOf } from './mail.ts';
import { parseSmtpOptions, type SmtpOptions, type SmtpSettings } from './options.ts';
import { overKeptConnection, type Progress, stateOf } from './stream.ts';
import { createRelay, failureOf, type Transport } from './transport.ts';

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
    const info = await overKeptConnection(progress, () =>
      transport.sendMail({ ...mail, signal: abort.signal, progress } as SendMailOptions),
    );
    return { outcome: 'sent', reply: { ...parseReply(info.response), receiverId: info.messageId } };
  } catch (error) {
    return classifySmtpFailure(failureOf(error, stateOf(progress), aborted));
  } finally {
    clearTimeout(sendTimer);
    context.signal.removeEventListener('abort', onAbort);
  }
}
