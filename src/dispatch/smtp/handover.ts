/** One mail over one connection, with its two deadlines: until the last byte has left, and then until the server's verdict. */
import type { SendMailOptions } from 'nodemailer';
import type { DispatchContext, DispatchResult } from '../dispatcher.ts';
import { classifySmtpFailure, parseReply, type SmtpFailure } from './classify.ts';
import type { SmtpSettings } from './options.ts';
import { overKeptConnection, type Progress, type StreamState, stateOf } from './stream.ts';
import { failureOf, type Transport } from './transport.ts';

export interface Mail {
  readonly from: string;
  readonly to: string;
  readonly messageId: string;
  readonly bytes: Buffer;
}

export interface HandedOver {
  readonly result: DispatchResult;
  /** How far it had got. */
  readonly stream: StreamState;
  /** What the server offers, line by line, where it took the message. */
  readonly ehlo: readonly string[];
}

/** Never throws. */
export async function handOver(
  transport: Transport,
  mail: Mail,
  { settings, context }: { readonly settings: SmtpSettings; readonly context: DispatchContext },
): Promise<HandedOver> {
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
    const message = {
      envelope: { from: mail.from, to: [mail.to], size: mail.bytes.length },
      raw: mail.bytes,
      signal: abort.signal,
      progress,
    } as SendMailOptions;
    const info = await overKeptConnection(progress, () => transport.sendMail(message));
    const reply = { ...parseReply(info.response), receiverId: info.serverMessageId ?? mail.messageId };
    return { result: { outcome: 'sent', reply }, stream: 'all', ehlo: info.ehlo ?? [] };
  } catch (error) {
    const stream = stateOf(progress);
    const failure = { ...failureOf(error, stream, aborted), bytes: mail.bytes.length };
    return { result: classifySmtpFailure(failure), stream, ehlo: [] };
  } finally {
    clearTimeout(sendTimer);
    context.signal.removeEventListener('abort', onAbort);
  }
}
