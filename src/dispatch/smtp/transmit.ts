/**
 * One email over one connection, with its two deadlines: until the last byte is sent, and then until the server's
 * reply.
 */
import type { DispatchContext, DispatchResult } from '../dispatcher.ts';
import type { KnownTexts } from '../redact.ts';
import { isUniform } from './classify-refusal.ts';
import { classifySmtpFailure, parseReply, refusalOf, type SmtpFailure, type SmtpRefusal } from './classify-failure.ts';
import { overReusedConnection, type Progress, type StreamState, stateOf } from './message-stream.ts';
import type { SmtpSettings } from './smtp-settings.ts';
import { failureOf, type Relay, sendWritten, type Transport, type WrittenMail } from './transport.ts';

/** What came of a try. */
export interface Transmission {
  readonly result: DispatchResult;
  /** How far the message had got. */
  readonly stream: StreamState;
  /** What the server offers, line by line, if it accepted the message. */
  readonly ehlo: readonly string[];
  /** The refusal by a command of this message, if the result is one. */
  readonly refusal: SmtpRefusal | null;
}

/** How to send. */
export interface TransmitOptions {
  readonly settings: SmtpSettings;
  readonly context: DispatchContext;
  /** Is removed from what the server says. */
  readonly known: KnownTexts;
  /** Called when the conversation takes unusually long: another message may have a connection then. */
  readonly onSlow: () => void;
}

/** Nearly all conversations are over by then, whatever a relay checks. */
const slowMs = 20_000;

/** A smaller SIZE would let no message pass: a mistake of the server, for example `SIZE 12abc`. */
const leastSize = 1000;

/** Sends over the relay's pool. Never rejects. */
export async function transmit(relay: Relay, mail: WrittenMail, options: TransmitOptions): Promise<Transmission> {
  const { transport } = relay.connect();
  const first = await transmitOnce(transport, mail, { ...options, relay });
  const { failure, transmission } = first;
  if (failure === null) return transmission;
  // A server may limit the messages of a connection: a refused MAIL says nothing before a new connection got the same
  // reply.
  if (transmission.refusal?.phase === 'mail' && transmission.refusal.transient && !options.context.signal.aborted) {
    relay.renew(transport);
    return (await transmitOnce(relay.connect().transport, mail, { ...options, relay })).transmission;
  }
  if (failure.code === 'EMESSAGE' && failure.responseCode === undefined && (failure.limit ?? leastSize) < leastSize)
    return (await transmitOnce(transport, { ...mail, size: null }, { ...options, relay })).transmission;
  return transmission;
}

interface Tried {
  readonly transmission: Transmission;
  readonly failure: SmtpFailure | null;
}

async function transmitOnce(
  transport: Transport,
  mail: WrittenMail,
  { settings, context, known, relay, onSlow }: TransmitOptions & { readonly relay: Relay },
): Promise<Tried> {
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
  const slowTimer = setTimeout(onSlow, slowMs);
  const onAbort = () => stopFor('shutdown');
  context.signal.addEventListener('abort', onAbort);
  if (context.signal.aborted) onAbort();
  try {
    const how = { signal: abort.signal, progress };
    const info = await overReusedConnection(progress, () => sendWritten(transport, mail, how));
    const result = acceptance(info.response, stateOf(progress), known, info.serverMessageId ?? mail.messageId);
    return { transmission: { result, stream: 'all', ehlo: info.ehlo ?? [], refusal: null }, failure: null };
  } catch (error) {
    const stream = stateOf(progress);
    const reported = { ...failureOf(error, stream, aborted), bytes: mail.bytes.length };
    const lost = stream === 'unopened' && reported.responseCode === undefined && reported.code !== 'EAUTH';
    const failure = { ...reported, loggingIn: lost && relay.lostConnection() };
    const result = classifySmtpFailure(failure, known);
    return { transmission: { result, stream, ehlo: [], refusal: refusalOf(failure, known) }, failure };
  } finally {
    clearTimeout(sendTimer);
    clearTimeout(slowTimer);
    context.signal.removeEventListener('abort', onAbort);
  }
}

/** The server accepted the message only if its reply is well formed and came after the last byte was sent. */
function acceptance(response: string, stream: StreamState, known: KnownTexts, receiverId: string): DispatchResult {
  const reply = parseReply(response, known);
  if (stream === 'all' && isUniform(response) && reply.code?.startsWith('2'))
    return { outcome: 'sent', reply: { ...reply, receiverId } };
  return {
    outcome: 'unknown',
    reason: 'unparsable_reply',
    detail:
      stream === 'all'
        ? 'the reply to the end of the message could not be read'
        : 'the server replied before the end of the message was sent',
    reply,
  };
}
