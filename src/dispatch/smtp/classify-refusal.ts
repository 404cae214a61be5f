/** What the codes of a refusal mean for the message. Texts decide nothing from RCPT on. Pure. */
import type { Reason } from '../../vocabulary.ts';
import type { FailedDispatch, Reply } from '../dispatcher.ts';

/** Makes a result that pauses the method. */
export type MethodFault = (reason: Reason, detail: string, more?: Partial<FailedDispatch>) => FailedDispatch;

/** We are not allowed to send, or not as this sender: RFC 4954 section 6, and codes that Microsoft documents. */
const demandsLogin = /^5\.(7\.(57|60|8|9|139)|2\.252)$/;
/** A rejected login is not repeated soon: servers lock accounts. */
export const authenticationProbeSeconds = 300;

/**
 * Whether every line of a reply has the same three-digit code, and only the last line ends the reply (RFC 5321 section
 * 4.2.1).
 */
export function isUniform(response: string): boolean {
  const lines = response.split(/\r?\n/);
  const code = lines[0]?.slice(0, 3) ?? '';
  return (
    /^\d{3}$/.test(code) &&
    lines.every((line, i) =>
      i < lines.length - 1 ? line.startsWith(`${code}-`) : line === code || line.startsWith(`${code} `),
    )
  );
}

/** Nothing was named but the sender. Only the size, a parameter of MAIL, is the message's. */
export function mailRefusal(code: number, reply: Reply | undefined, method: MethodFault): FailedDispatch {
  const enhanced = reply?.enhanced ?? '';
  if (code === 530 && /\bSTARTTLS\b/i.test(reply?.text ?? ''))
    return method('tls', `the server demands TLS${quote(reply)}`);
  if (code === 530 || demandsLogin.test(enhanced) || enhanced === '5.7.0')
    return method('authentication', `the server demands a login or another sender${quote(reply)}`, {
      retryAfterSeconds: authenticationProbeSeconds,
    });
  if (code === 503 || enhanced === '5.5.1')
    return method('protocol', `the server reports a bad sequence of commands${quote(reply)}`);
  const tooLarge = isTooLarge(code, enhanced);
  return {
    outcome: code >= 500 ? 'failed' : 'retry',
    reason: tooLarge ? 'too_large' : code >= 500 ? 'sender_refused' : 'deferred',
    detail: `MAIL FROM${quote(reply)}`,
    ...(reply !== undefined && { reply }),
    ...(isPolicy(enhanced) && { alert: true as const }),
  };
}

/** A refusal from RCPT on, by its codes alone. */
export function messageRefusal(phase: 'recipient' | 'data', code: number, reply: Reply | undefined): FailedDispatch {
  const enhanced = reply?.enhanced ?? '';
  const badAddress = /^5\.(1\.1|1\.6|1\.10|2\.1)$/.test(enhanced);
  const reason = reasonOf(phase, code, enhanced);
  // RFC 5321 section 4.5.3.1.10: old servers say 552 where they mean 452. The others are not about this message: it
  // waits.
  const retried =
    code < 500 ||
    reason === 'authentication' ||
    reason === 'protocol' ||
    (phase === 'recipient' && code === 552 && reason === 'deferred');
  return {
    outcome: retried ? 'retry' : 'failed',
    reason,
    detail: `${phase === 'recipient' ? 'RCPT TO' : 'DATA'}${quote(reply)}`,
    ...(reply !== undefined && { reply }),
    ...(badAddress && !retried && { addressFault: true as const }),
    ...(phase === 'data' && isPolicy(enhanced) && { alert: true as const }),
  };
}

function reasonOf(phase: 'recipient' | 'data', code: number, enhanced: string): Reason {
  if (code === 421) return 'throttled';
  if (/^\d\.2\.2$/.test(enhanced)) return 'mailbox_full';
  if (phase === 'recipient' && code === 552 && (enhanced === '' || enhanced === '5.5.3')) return 'deferred';
  if (isTooLarge(code, enhanced)) return 'too_large';
  if (code === 530 || demandsLogin.test(enhanced)) return 'authentication';
  if (code === 503 || enhanced === '5.5.1') return 'protocol';
  if (code < 500) return 'deferred';
  if (/^5\.(1\.1|1\.6|1\.10|2\.1)$/.test(enhanced)) return 'no_such_recipient';
  return phase === 'recipient' ? 'refused' : 'content_refused';
}

function isTooLarge(code: number, enhanced: string): boolean {
  return /^\d\.(3\.4|2\.3)$/.test(enhanced) || (code === 552 && enhanced === '');
}

/** Policies that depend on the sender's DNS records: an operator should look at them. */
function isPolicy(enhanced: string): boolean {
  return /^5\.7\.(1|26|515)$/.test(enhanced);
}

/** The server's words behind a colon. */
export function quote(reply: Reply | undefined): string {
  return reply?.text === undefined || reply.text === '' ? '' : `: ${reply.text}`;
}
