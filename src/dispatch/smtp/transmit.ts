/** One mail over one connection, with its two deadlines: until the last byte has left, and then until the server's verdict. */
import type { DispatchContext, DispatchResult } from '../dispatcher.ts';
import { classifySmtpFailure, parseReply, type SmtpFailure } from './classify-reply.ts';
import type { SmtpSettings } from './smtp-options.ts';
import { overKeptConnection, type Progress, type StreamState, stateOf } from './message-stream.ts';
import { failureOf, sendWritten, type Transport, type WrittenMail } from './transport.ts';

export interface Transmission {
  readonly result: DispatchResult;
  /** How far it had got. */
  readonly stream: StreamState;
  /** What the server offers, line by line, where it took the message. */
  readonly ehlo: readonly string[];
}

/** Never throws. */
export async function transmit(
  transport: Transport,
  mail: WrittenMail,
  { settings, context }: { readonly settings: SmtpSettings; readonly context: DispatchContext },
): Promise<Transmission> {
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
    const how = { signal: abort.signal, progress };
    const info = await overKeptConnection(progress, () => sendWritten(transport, mail, how));
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
