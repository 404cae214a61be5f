/**
 * What an SMTP failure means for the message, by phase and codes. The phase decides first, the digit second: a 5yz to
 * AUTH says nothing about the message (RFC 5321 section 4.2, RFC 3463). Texts decide nothing from RCPT on, where a
 * server repeats what strangers wrote. Whether a refusal is about the sender instead is decided later, by evidence.
 * Pure.
 */
import type { Reason } from '../../vocabulary.ts';
import type { FailedDispatch, Reply } from '../dispatcher.ts';
import { type NormalisedReply, normaliseReply } from '../evidence/normalise-reply.ts';
import type { KnownTexts } from '../redact.ts';
import {
  authenticationProbeSeconds,
  isUniform,
  type MethodFault,
  mailRefusal,
  messageRefusal,
  quote,
} from './classify-refusal.ts';
import type { StreamState } from './message-stream.ts';

/** What nodemailer's error says, and how far the bytes of the message had got. */
export interface SmtpFailure {
  readonly code?: string;
  readonly responseCode?: number;
  readonly response?: string;
  readonly command?: string;
  /** Node's own code of a TLS or socket error. */
  readonly originalCode?: string;
  readonly timeoutType?: string;
  readonly stream: StreamState;
  /** Size of the message, and the largest size that the server announced. */
  readonly bytes?: number;
  readonly limit?: number;
  /** Why we aborted the attempt, if we did. */
  readonly aborted?: 'shutdown' | 'deadline';
  /** The connection was logging in. */
  readonly loggingIn?: boolean;
}

/** Where in a session a server can refuse a message. */
export type RefusalPhase = 'mail' | 'recipient' | 'data';

/** A reply of 400 to 599 to a command of a message. */
export interface SmtpRefusal {
  readonly phase: RefusalPhase;
  readonly reply: NormalisedReply;
  /** 421: the server ends the session, whatever the command was. */
  readonly closing: boolean;
  /** 4yz. */
  readonly transient: boolean;
}

type Phase = 'connection' | RefusalPhase;

/** How the detail begins where not even a connection was made. */
export const noConnection = 'no connection';

const nothingKnown: KnownTexts = { texts: [], secrets: [] };
const certificateError =
  /^(CERT_|CRL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|INVALID_|PATH_LEN|HOSTNAME_MIS|ERR_TLS_CERT)|_TOO_(SMALL|WEAK)$/;
/** OpenSSL has no name for some errors of certificates, among them keys that are too weak. */
const unnamedCertificateError = 'UNSPECIFIED';
const handshakeError = /^(ERR_TLS|ERR_SSL|EPROTO)/;
const systemError = /^E(CONNREFUSED|CONNRESET|HOSTUNREACH|NETUNREACH|HOSTDOWN|NOTFOUND|AI_AGAIN|PIPE)$/;

/** What the failure of one attempt means, if the message itself is at fault for refusals from RCPT on. */
export function classifySmtpFailure(failure: SmtpFailure, known: KnownTexts = nothingKnown): FailedDispatch {
  const reply = replyOf(failure, known);
  const withReply = reply === undefined ? {} : { reply };
  const method = (reason: Reason, detail: string, more: Partial<FailedDispatch> = {}): FailedDispatch =>
    ({ outcome: 'retry', pauseMethod: true, reason, detail, ...withReply, ...more }) as FailedDispatch;
  const { code, command = '', responseCode } = failure;
  const phase = phaseOf(command, code);

  if (failure.aborted !== undefined) return afterAbort(failure, method);
  if (isBrokenOffReply(failure, phase)) return failure.stream === 'all' ? afterTheEnd(code) : lostBeforeTheEnd(failure);
  if (responseCode === 421 && (phase === 'connection' || phase === 'mail'))
    return method('throttled', `the server closes the session${quote(reply)}`, { retryAfterSeconds: 10 });
  if (isLogin(failure)) return loginFault(failure, reply, method);
  const setUp = connectionFault(failure, reply, method);
  if (setUp !== null) return setUp;
  if (isOurs(failure))
    return { outcome: 'failed', reason: 'render_failed', detail: `the message could not be built (${code})` };
  if (responseCode === undefined) return withoutReply(failure, method);
  return withReplyIn(phase, { failure, reply, method });
}

/** The refusal that a failure is, if it is one. */
export function refusalOf(failure: SmtpFailure, known: KnownTexts): SmtpRefusal | null {
  const phase = phaseOf(failure.command ?? '', failure.code);
  const { responseCode: code = 0, response } = failure;
  if (phase === 'connection' || isLogin(failure) || code < 400 || code > 599 || response === undefined) return null;
  return { phase, reply: normaliseReply(response, known), closing: code === 421, transient: code < 500 };
}

/** Code, enhanced code and text of a reply, safe to store. */
export function parseReply(response: string, known: KnownTexts = nothingKnown): Reply {
  const { words: _, ...reply } = normaliseReply(response, known);
  return reply;
}

/** A reply to AUTH may repeat credentials, in an unexpected form: only its codes are kept. */
function replyOf(failure: SmtpFailure, known: KnownTexts): Reply | undefined {
  const { response, responseCode } = failure;
  if (response === undefined && responseCode === undefined) return undefined;
  const reply = parseReply(response ?? String(responseCode), known);
  if (!isLogin(failure)) return reply;
  const { text: _, ...codes } = reply;
  return { ...codes, text: [codes.code, codes.enhanced].filter(Boolean).join(' ') };
}

/**
 * nodemailer reports what it has of a reply when the connection closes within it as an error of the connection. Once a
 * message is under way that is a lost connection, whatever the part says: it names no command, and one message must not
 * stop the others. After the final dot the server may have accepted the message.
 */
function isBrokenOffReply({ stream, responseCode }: SmtpFailure, phase: Phase): boolean {
  return stream !== 'unopened' && phase === 'connection' && responseCode !== undefined;
}

function isLogin({ code, command = '' }: SmtpFailure): boolean {
  return code === 'EAUTH' || command.startsWith('AUTH') || code === 'EOAUTH2' || code === 'ENOAUTH';
}

function loginFault({ responseCode }: SmtpFailure, reply: Reply | undefined, method: MethodFault): FailedDispatch {
  return method('authentication', `the server did not accept the login${quote(reply)}`, {
    retryAfterSeconds: isTransient(responseCode) ? 30 : authenticationProbeSeconds,
  });
}

/** Faults of the connection and of the settings, before there is a message. */
function connectionFault(
  { code, command, timeoutType, originalCode }: SmtpFailure,
  reply: Reply | undefined,
  method: MethodFault,
): FailedDispatch | null {
  if (code === 'ETLS' || command === 'STARTTLS' || timeoutType === 'UPGRADE_TIMEOUT')
    return method('tls', `TLS is required but was not established${quote(reply)}`);
  // nodemailer falls back to HELO unless TLS is required, and HELO has no STARTTLS.
  if (command === 'EHLO') return method('tls', `TLS is required, but the server rejects EHLO${quote(reply)}`);
  if (code === 'EREQUIRETLS' || code === 'ECONFIG' || code === 'ERR_ACCESS_DENIED')
    return method('misconfigured', `the settings do not fit the server (${code})`);
  if (code === 'EPROXY') return method('proxy', 'the proxy refused the connection or could not be reached');
  // For a connection to the server nodemailer reports ESOCKET, and the system's code only in addition.
  if (code !== undefined && systemError.test(code)) return method('proxy', `the proxy could not be reached: ${code}`);
  if (code === 'EDNS') return method('dns', `the server's name could not be resolved (${originalCode ?? 'error'})`);
  return null;
}

interface RefusedFailure {
  readonly failure: SmtpFailure;
  readonly reply: Reply | undefined;
  readonly method: MethodFault;
}

function withReplyIn(phase: Phase, { failure, reply, method }: RefusedFailure): FailedDispatch {
  const { responseCode = 0, stream } = failure;
  if (phase === 'connection') return method('unreachable', `the server refuses us${quote(reply)}`);
  // Whatever sends 354 to MAIL or 250 where nothing could follow, it is not an SMTP server.
  if (responseCode < 400 || responseCode > 599) return unreadable(failure, method);
  if (phase === 'data' && stream === 'all' && !isUniform(failure.response ?? '')) return unreadable(failure, method);
  if (phase === 'mail') return mailRefusal(responseCode, reply, method);
  const refused = messageRefusal(phase, responseCode, reply);
  // Lines that contradict each other refuse nothing for good.
  if (refused.outcome === 'failed' && !isUniform(failure.response ?? ''))
    return {
      outcome: 'retry',
      reason: 'protocol',
      detail: `the reply to ${failure.command ?? phase} could not be read`,
      ...(reply !== undefined && { reply }),
    };
  return refused;
}

function isTransient(responseCode: number | undefined): boolean {
  return responseCode !== undefined && responseCode >= 400 && responseCode < 500;
}

function phaseOf(command: string, code: string | undefined): Phase {
  if (command.startsWith('MAIL')) return 'mail';
  if (command.startsWith('RCPT')) return 'recipient';
  if (command.startsWith('DATA') || code === 'EMESSAGE') return 'data';
  return 'connection';
}

function tooLarge({ bytes, limit }: SmtpFailure): FailedDispatch {
  return { outcome: 'failed', reason: 'too_large', detail: `message too large: ${bytes} > ${limit} bytes` };
}

function tlsProblem(originalCode: string): string | null {
  if (certificateError.test(originalCode) || originalCode === unnamedCertificateError)
    return `TLS certificate: ${certificateText(originalCode)}`;
  return handshakeError.test(originalCode)
    ? `TLS handshake: ${originalCode}; the server speaks another version, or no TLS on this port`
    : null;
}

/**
 * No reply that can be read. What counts is whether the final dot was sent (RFC 1047), then whether there was a
 * session.
 */
function withoutReply(failure: SmtpFailure, method: MethodFault): FailedDispatch {
  const { code, command, originalCode = '', stream, timeoutType } = failure;
  if (command === 'MAIL FROM' && code === 'EMESSAGE') return tooLarge(failure);
  if (code === 'EMESSAGE' || code === 'EENVELOPE' || code === 'EPROTOCOL') return unreadable(failure, method);
  if (stream === 'all') return afterTheEnd(code);
  const tls = tlsProblem(originalCode);
  if (tls !== null) return method('tls', tls);
  if (timeoutType === 'GREETING_TIMEOUT') return method('connect_timeout', 'no greeting in time');
  if (stream === 'unopened' || originalCode === 'ECONNREFUSED') return withoutSession(failure, method);
  // A server that hangs up on this message would stop all others if this were the method's fault.
  if (code === 'ETIMEDOUT')
    return { outcome: 'retry', reason: 'no_reply', detail: 'the server fell silent before the end of the message' };
  return lostBeforeTheEnd(failure);
}

function lostBeforeTheEnd({ stream }: SmtpFailure): FailedDispatch {
  return {
    outcome: 'retry',
    reason: 'connection_lost',
    detail: `the connection was lost ${stream === 'none' ? 'before' : 'while'} the message was sent`,
  };
}

function certificateText(originalCode: string): string {
  return originalCode === unnamedCertificateError ? 'not acceptable, perhaps because of a weak key' : originalCode;
}

function withoutSession({ code, originalCode = '', loggingIn }: SmtpFailure, method: MethodFault): FailedDispatch {
  if (code === 'ETIMEDOUT') return method('connect_timeout', `${noConnection} in time`);
  if (originalCode !== '') return method('unreachable', `${noConnection}: ${originalCode}`);
  if (code !== undefined && loggingIn)
    return method('authentication', 'the server closed the connection during the login', { retryAfterSeconds: 30 });
  if (code !== undefined) return method('unreachable', 'the server closed the connection before it greeted');
  // nodemailer's only error without a code: the pool was closed, because a file changed, while the message waited.
  return {
    outcome: 'retry',
    reason: 'connection_lost',
    detail: 'the connections were renewed while the message waited for one',
    countAttempt: false,
  };
}

function afterTheEnd(code: string | undefined): FailedDispatch {
  if (code === 'ETIMEDOUT')
    return { outcome: 'unknown', reason: 'no_reply', detail: 'no reply to the end of the message' };
  return {
    outcome: 'unknown',
    reason: 'connection_lost',
    detail: 'connection lost after the end of the message; the server may have accepted it',
  };
}

/**
 * A reply that cannot be read. After the end of the message the outcome is unknown; before that the server is broken.
 */
function unreadable({ code, command, response, stream }: SmtpFailure, method: MethodFault): FailedDispatch {
  if (stream === 'all' || code === 'EMESSAGE')
    return {
      outcome: 'unknown',
      reason: 'unparsable_reply',
      detail: 'the reply to the end of the message could not be read',
    };
  if (code === 'EPROTOCOL' && response === undefined) return method('protocol', 'the reply of the server is too large');
  return method('protocol', `the reply to ${command ?? 'the connection'} could not be read`);
}

function afterAbort({ aborted, stream }: SmtpFailure, method: MethodFault): FailedDispatch {
  if (stream === 'all')
    return {
      outcome: 'unknown',
      reason: aborted === 'deadline' ? 'no_reply' : 'shutdown',
      detail: 'the wait for the reply to the end of the message was cut off',
    };
  if (aborted === 'deadline' && stream === 'unopened') return method('connect_timeout', 'no session in time');
  if (aborted === 'deadline')
    return { outcome: 'retry', reason: 'deadline', detail: 'the message could not be sent in time' };
  return {
    outcome: 'retry',
    reason: 'shutdown',
    detail: 'the worker stops; the message was not sent',
    countAttempt: false,
  };
}

/** nodemailer refused what we gave it. */
function isOurs({ code = '', command }: SmtpFailure): boolean {
  return (
    ['ESTREAM', 'EFILEACCESS', 'EURLACCESS', 'EMAXRECIPIENTS'].includes(code) ||
    ((code === 'EENVELOPE' || code === 'EMESSAGE') && command === 'API')
  );
}
