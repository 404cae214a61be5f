/**
 * What an SMTP failure means. Pure: the phase decides first, the digit second, since a 5yz to AUTH says nothing about
 * the message and a 4yz to RCPT nothing about the server (RFC 5321 section 4.2, RFC 3463).
 */
import type { DispatchResult, Reply } from '../dispatcher.ts';
import type { Reason } from '../../vocabulary.ts';
import type { StreamState } from './message-stream.ts';

/** What nodemailer's error says, and how far the message's bytes had got. */
export interface SmtpFailure {
  readonly code?: string;
  readonly responseCode?: number;
  readonly response?: string;
  readonly command?: string;
  /** TLS and socket errors: what Node said. */
  readonly originalCode?: string;
  readonly timeoutType?: string;
  readonly stream: StreamState;
  /** Of the message, and what the server said it takes at most. */
  readonly bytes?: number;
  readonly limit?: number;
  /** Why we aborted, if we did. */
  readonly aborted?: 'shutdown' | 'deadline';
}

type Failure = Exclude<DispatchResult, { outcome: 'sent' }>;

/** Answers in any phase that say "not you" to us rather than to the message: no login, or no right to use this sender. */
const demandsLogin = /^(530\b|5\d\d[ -]5\.7\.(57|60|8|9|139)\b)|\bSendAsDenied\b/;
/** To MAIL, two more: nothing but the sender was named so far. */
const demandsLoginToMail = /^5\d\d[ -]5\.7\.0\b/;
const outOfSequence = /^(503\b|5\d\d[ -]5\.5\.1\b)/;
const certificateError =
  /^(CERT_|CRL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|INVALID_|PATH_LENGTH|ERR_TLS|ERR_SSL|HOSTNAME_MISMATCH|EPROTO)|_TOO_(SMALL|WEAK)$/;
const systemError = /^E(CONNREFUSED|CONNRESET|HOSTUNREACH|NETUNREACH|HOSTDOWN|NOTFOUND|AI_AGAIN|PIPE)$/;
/** A refused login is not repeated soon: servers lock accounts. */
const authenticationProbeSeconds = 300;

export function classifySmtpFailure(failure: SmtpFailure): Failure {
  const reply = replyOf(failure);
  const withReply = reply === undefined ? {} : { reply };
  const method = (reason: Reason, detail: string, more: Partial<Failure> = {}): Failure =>
    ({ outcome: 'retry', pauseMethod: true, reason, detail, ...withReply, ...more }) as Failure;
  const { code, command = '', responseCode } = failure;

  if (failure.aborted !== undefined) return afterAbort(failure, method);
  if (responseCode === 421) return method('throttled', `the server closes${said(failure)}`, { retryAfterSeconds: 10 });
  if (code === 'EAUTH' || command.startsWith('AUTH') || code === 'EOAUTH2' || code === 'ENOAUTH')
    return method('authentication', `the server did not accept the login${said(failure)}`, {
      retryAfterSeconds: isTransient(responseCode) ? 30 : authenticationProbeSeconds,
    });
  if (code === 'ETLS' || command === 'STARTTLS' || failure.timeoutType === 'UPGRADE_TIMEOUT')
    return method('tls', `TLS is required but was not established${said(failure)}`);
  // nodemailer falls back to HELO unless TLS is required, and HELO knows no STARTTLS.
  if (command === 'EHLO') return method('tls', `TLS is required, and the server knows no EHLO${said(failure)}`);
  if (code === 'EREQUIRETLS' || code === 'ECONFIG' || code === 'ERR_ACCESS_DENIED')
    return method('misconfigured', `the settings do not fit the server (${code})`);
  if (code === 'EPROXY') return method('proxy', 'the proxy refused or could not be reached');
  // Of a connection to the server nodemailer says ESOCKET, and this only besides.
  if (code !== undefined && systemError.test(code)) return method('proxy', `the proxy could not be reached: ${code}`);
  if (code === 'EDNS')
    return method('dns', `the name of the server could not be resolved (${failure.originalCode ?? 'error'})`);
  if (isOurs(failure))
    return { outcome: 'failed', reason: 'render_failed', detail: `the message could not be built (${code})` };
  if (responseCode === undefined) return withoutReply(failure, method);
  return withReplyIn(phaseOf(command, code), failure, method);
}

type MethodFault = (reason: Reason, detail: string, more?: Partial<Failure>) => Failure;

function withReplyIn(phase: Phase, failure: SmtpFailure, method: MethodFault): Failure {
  const { response = '', responseCode = 0 } = failure;
  if (phase === 'connection') return method('unreachable', `the server refuses us${said(failure)}`);
  // 354 to MAIL, 250 where nothing else could follow: whatever it speaks, it is not SMTP.
  if (responseCode < 400 || responseCode > 599) return unreadable(failure, method);
  if (demandsLogin.test(response) || (phase === 'mail' && demandsLoginToMail.test(response)))
    return method('authentication', `the server demands a login or another sender${said(failure)}`, {
      retryAfterSeconds: authenticationProbeSeconds,
    });
  switch (phase) {
    case 'mail':
      if (outOfSequence.test(response)) return method('protocol', `the server lost the sequence${said(failure)}`);
      return verdict(failure, 'sender_refused');
    case 'recipient':
      return recipientVerdict(failure);
    case 'data':
      return verdict(failure, 'content_refused');
  }
}

function isTransient(responseCode: number | undefined): boolean {
  return responseCode !== undefined && responseCode >= 400 && responseCode < 500;
}

type Phase = 'connection' | 'mail' | 'recipient' | 'data';

function phaseOf(command: string, code: string | undefined): Phase {
  if (command.startsWith('MAIL')) return 'mail';
  if (command.startsWith('RCPT')) return 'recipient';
  if (command.startsWith('DATA') || code === 'EMESSAGE') return 'data';
  return 'connection';
}

/** The server gave its verdict: 5yz is final for this message, 4yz is not. */
function verdict(failure: SmtpFailure, refused: Reason): Failure {
  const reply = replyOf(failure);
  const permanent = (failure.responseCode ?? 0) >= 500;
  const enhanced = reply?.enhanced ?? '';
  const reason: Reason = /^\d\.2\.2$/.test(enhanced)
    ? 'mailbox_full'
    : /^\d\.(3\.4|2\.3)$/.test(enhanced) || (failure.responseCode === 552 && enhanced === '')
      ? 'too_large'
      : permanent
        ? refused
        : 'deferred';
  return {
    outcome: permanent ? 'failed' : 'retry',
    reason,
    detail: `${failure.command ?? 'DATA'}${said(failure)}`,
    ...(reply !== undefined && { reply }),
    ...(/^5\.7\.(1|26|515)$/.test(enhanced) && { alert: true as const }),
  };
}

function recipientVerdict(failure: SmtpFailure): Failure {
  const reply = replyOf(failure);
  const enhanced = reply?.enhanced ?? '';
  const code = failure.responseCode ?? 0;
  const more = { detail: `RCPT TO${said(failure)}`, ...(reply !== undefined && { reply }) };
  // RFC 5321 section 4.5.3.1.10: old servers say 552 where they mean 452.
  if (code === 552 && (enhanced === '' || enhanced === '5.5.3'))
    return { outcome: 'retry', reason: 'deferred', ...more };
  if (code < 500)
    return {
      outcome: 'retry',
      reason: /^4\.2\.2$/.test(enhanced) || code === 452 ? 'mailbox_full' : 'deferred',
      ...more,
    };
  if (/^5\.2\.2$/.test(enhanced)) return { outcome: 'failed', reason: 'mailbox_full', ...more };
  const bad = /^5\.(1\.1|1\.6|1\.10|2\.1)$/.test(enhanced);
  const unnamed = enhanced === '' && (code === 550 || code === 551 || code === 553);
  return {
    outcome: 'failed',
    reason: bad || unnamed ? 'no_such_recipient' : 'refused',
    ...more,
    ...(bad && { addressFault: true as const }),
  };
}

/** Nothing that can be read was said: what counts is whether the final dot had left (RFC 1047), then whether there was a session. */
function withoutReply(failure: SmtpFailure, method: MethodFault): Failure {
  const { code, command, originalCode = '', stream, timeoutType } = failure;
  if (command === 'MAIL FROM' && code === 'EMESSAGE')
    return {
      outcome: 'failed',
      reason: 'too_large',
      detail: `message too large: ${failure.bytes} > ${failure.limit} bytes`,
    };
  if (code === 'EMESSAGE' || code === 'EENVELOPE' || code === 'EPROTOCOL') return unreadable(failure, method);
  if (stream === 'all') return afterTheEnd(code);
  if (certificateError.test(originalCode)) return method('tls', `TLS certificate: ${originalCode}`);
  if (timeoutType === 'GREETING_TIMEOUT') return method('connect_timeout', 'no greeting in time');
  if (stream === 'unopened' || originalCode === 'ECONNREFUSED') return withoutSession(failure, method);
  // A server that hangs up on this message would stop all others, too, if it were the method's fault.
  if (code === 'ETIMEDOUT')
    return { outcome: 'retry', reason: 'no_reply', detail: 'the server fell silent before the end of the message' };
  return {
    outcome: 'retry',
    reason: 'connection_lost',
    detail: `the connection was lost ${stream === 'none' ? 'before' : 'while'} the message was sent`,
  };
}

function withoutSession({ code, originalCode = '' }: SmtpFailure, method: MethodFault): Failure {
  if (code === 'ETIMEDOUT') return method('connect_timeout', 'no connection in time');
  if (originalCode !== '') return method('unreachable', `no connection: ${originalCode}`);
  if (code !== undefined) return method('unreachable', 'the server closed the connection before it greeted');
  // nodemailer's only error without a code: the pool was closed, because a file changed, while the message waited.
  return {
    outcome: 'retry',
    reason: 'connection_lost',
    detail: 'the connections were renewed while the message waited for one',
    countAttempt: false,
  };
}

function afterTheEnd(code: string | undefined): Failure {
  if (code === 'ETIMEDOUT')
    return { outcome: 'unknown', reason: 'no_reply', detail: 'no reply to the end of the message' };
  return {
    outcome: 'unknown',
    reason: 'connection_lost',
    detail: 'accepted? the connection was lost after the end of the message',
  };
}

/** A reply that is none. Once the message is on its way nobody knows; before that it is the server that is broken. */
function unreadable({ code, command, response, stream }: SmtpFailure, method: MethodFault): Failure {
  if (stream === 'all' || code === 'EMESSAGE')
    return {
      outcome: 'unknown',
      reason: 'unparsable_reply',
      detail: 'the reply to the end of the message could not be read',
    };
  if (code === 'EPROTOCOL' && response === undefined) return method('protocol', 'the reply of the server is too large');
  return method('protocol', `the reply to ${command ?? 'the connection'} could not be read`);
}

function afterAbort({ aborted, stream }: SmtpFailure, method: MethodFault): Failure {
  if (stream === 'all')
    return {
      outcome: 'unknown',
      reason: aborted === 'deadline' ? 'no_reply' : 'shutdown',
      detail: 'given up while waiting for the reply to the end of the message',
    };
  if (aborted === 'deadline' && stream === 'unopened') return method('connect_timeout', 'no session in time');
  if (aborted === 'deadline')
    return { outcome: 'retry', reason: 'deadline', detail: 'the message could not be handed over in time' };
  return {
    outcome: 'retry',
    reason: 'shutdown',
    detail: 'the worker stops; the message was not handed over',
    countAttempt: false,
  };
}

function isOurs({ code = '', command }: SmtpFailure): boolean {
  return (
    ['ESTREAM', 'EFILEACCESS', 'EURLACCESS', 'EMAXRECIPIENTS'].includes(code) ||
    ((code === 'EENVELOPE' || code === 'EMESSAGE') && command === 'API')
  );
}

/** The server's words behind a colon, one line, without addresses. */
function said(failure: SmtpFailure): string {
  const text = replyOf(failure)?.text;
  return text === undefined ? '' : `: ${text}`;
}

function replyOf({ response, responseCode }: SmtpFailure): Reply | undefined {
  if (response === undefined && responseCode === undefined) return undefined;
  return parseReply(response ?? String(responseCode));
}

/** Code, enhanced code and text of a reply. A contradicting enhanced class is dropped: the reply code wins (RFC 3463). */
export function parseReply(response: string): Reply {
  const [first = ''] = response.split(/\r?\n/);
  const parts = /^(\d{3})[ -]?\s*(?:([245]\.\d{1,3}\.\d{1,3})\b)?/.exec(first);
  const code = parts?.[1];
  const enhanced = parts?.[2];
  return {
    ...(code !== undefined && { code }),
    ...(enhanced !== undefined && enhanced[0] === code?.[0] && { enhanced }),
    text: redact(response),
  };
}

/** Servers like to repeat the address; it must not get into reasons and logs. */
export function redact(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .replace(/<?[^\s<>"]+@[^\s<>",;:]+>?/g, '<address>')
    .trim()
    .slice(0, 400);
}
