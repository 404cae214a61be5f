/** One table over what nodemailer reports and what it must mean. */
import { describe, expect, test } from 'vitest';
import { classifySmtpFailure, parseReply, type SmtpFailure } from '../../../src/dispatch/smtp/classify-failure.ts';

type Row = [what: string, failure: Partial<SmtpFailure>, expected: string];

const at = (command: string, response: string, code = 'EENVELOPE'): Partial<SmtpFailure> => ({
  code,
  command,
  response,
  responseCode: Number(response.slice(0, 3)),
});

// outcome, reason, and "free" where the method is at fault and nothing is counted
const rows: Row[] = [
  ['no connection', { code: 'ESOCKET', command: 'CONN', originalCode: 'ECONNREFUSED' }, 'retry unreachable free'],
  ['no name', { code: 'EDNS', command: 'CONN' }, 'retry dns free'],
  ['no connection in time', { code: 'ETIMEDOUT', command: 'CONN' }, 'retry connect_timeout free'],
  [
    'no greeting in time',
    { code: 'ETIMEDOUT', command: 'CONN', timeoutType: 'GREETING_TIMEOUT' },
    'retry connect_timeout free',
  ],
  ['closed before the greeting', { code: 'ECONNECTION', command: 'CONN' }, 'retry unreachable free'],
  ['greeting 421', at('CONN', '421 4.3.2 not now', 'EPROTOCOL'), 'retry throttled free'],
  ['greeting 554', at('CONN', '554 no', 'EPROTOCOL'), 'retry unreachable free'],
  ['STARTTLS refused for now', at('STARTTLS', '454 4.7.0 not now', 'ETLS'), 'retry tls free'],
  ['STARTTLS refused for good', at('STARTTLS', '502 5.5.1 what', 'ETLS'), 'retry tls free'],
  ['STARTTLS not offered', { code: 'ETLS', command: 'STARTTLS' }, 'retry tls free'],
  [
    'a bad certificate',
    { code: 'ESOCKET', command: 'CONN', originalCode: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    'retry tls free',
  ],
  ['an expired certificate', { code: 'ESOCKET', command: 'CONN', originalCode: 'CERT_HAS_EXPIRED' }, 'retry tls free'],
  ['a wrong password', at('AUTH PLAIN', '535 5.7.8 no', 'EAUTH'), 'retry authentication free'],
  ['a login refused for now', at('AUTH PLAIN', '454 4.7.0 later', 'EAUTH'), 'retry authentication free'],
  ['no login method in common', at('AUTH', '504 5.5.4 unknown', 'EAUTH'), 'retry authentication free'],
  ['a proxy that refuses', { code: 'EPROXY', command: 'CONN' }, 'retry proxy free'],
  ['a proxy that is down', { code: 'ECONNREFUSED' }, 'retry proxy free'],
  ['MAIL 451', at('MAIL FROM', '451 4.3.0 later'), 'retry deferred'],
  ['MAIL 550', at('MAIL FROM', '550 5.7.1 sender refused'), 'failed sender_refused alert'],
  ['MAIL 530', at('MAIL FROM', '530 5.7.0 authenticate first'), 'retry authentication free'],
  ['MAIL 550 5.7.60', at('MAIL FROM', '550 5.7.60 SendAsDenied'), 'retry authentication free'],
  ['MAIL 421', at('MAIL FROM', '421 4.7.0 closing'), 'retry throttled free'],
  ['larger than SIZE', { code: 'EMESSAGE', command: 'MAIL FROM' }, 'failed too_large'],
  ['RCPT 450', at('RCPT TO', '450 4.2.0 greylisted'), 'retry deferred'],
  ['RCPT 452 full', at('RCPT TO', '452 4.2.2 mailbox full'), 'retry mailbox_full'],
  ['RCPT 550 5.1.1', at('RCPT TO', '550 5.1.1 no such user'), 'failed no_such_recipient address'],
  ['RCPT 550 without a code', at('RCPT TO', '550 no such user'), 'failed refused'],
  ['RCPT 550 5.7.1', at('RCPT TO', '550 5.7.1 policy'), 'failed refused'],
  ['RCPT 552 5.2.2', at('RCPT TO', '552 5.2.2 mailbox full'), 'failed mailbox_full'],
  ['RCPT 552 as "too many"', at('RCPT TO', '552 too many recipients'), 'retry deferred'],
  ['RCPT 452 5.3.1 storage', at('RCPT TO', '452 4.3.1 insufficient system storage'), 'retry deferred'],
  ['RCPT 421', at('RCPT TO', '421 4.3.2 closing'), 'retry throttled'],
  ['DATA 503', at('DATA', '503 5.5.1 no valid recipients'), 'retry protocol'],
  [
    'end 550 5.1.1',
    { ...at('DATA', '550 5.1.1 unknown', 'EMESSAGE'), stream: 'all' },
    'failed no_such_recipient address',
  ],
  ['MAIL 530 STARTTLS', at('MAIL FROM', '530 5.7.0 Must issue a STARTTLS command first'), 'retry tls free'],
  ['another TLS version', { code: 'ESOCKET', originalCode: 'ERR_SSL_WRONG_VERSION_NUMBER' }, 'retry tls free'],
  ['a key that is too weak', { code: 'ESOCKET', originalCode: 'UNSPECIFIED' }, 'retry tls free'],
  ['closed during the login', { code: 'ECONNECTION', command: 'CONN', loggingIn: true }, 'retry authentication free'],
  [
    'different codes after the end',
    { code: 'EMESSAGE', command: 'DATA', response: '550-no\n250 ok', responseCode: 550, stream: 'all' },
    'unknown unparsable_reply',
  ],
  ['RCPT 552 5.5.3', at('RCPT TO', '552 5.5.3 too many recipients'), 'retry deferred'],
  ['DATA 451', at('DATA', '451 4.3.0 later'), 'retry deferred'],
  ['DATA 554', at('DATA', '554 5.6.0 no'), 'failed content_refused'],
  ['end 451', { ...at('DATA', '451 4.7.1 later', 'EMESSAGE'), stream: 'all' }, 'retry deferred'],
  ['end 550', { ...at('DATA', '550 5.7.1 spam', 'EMESSAGE'), stream: 'all' }, 'failed content_refused alert'],
  [
    'end 550 5.7.26',
    { ...at('DATA', '550 5.7.26 unauthenticated', 'EMESSAGE'), stream: 'all' },
    'failed content_refused alert',
  ],
  ['end 552 5.2.2', { ...at('DATA', '552 5.2.2 full', 'EMESSAGE'), stream: 'all' }, 'failed mailbox_full'],
  ['end 552 5.3.4', { ...at('DATA', '552 5.3.4 too big', 'EMESSAGE'), stream: 'all' }, 'failed too_large'],
  ['end 421', { ...at('DATA', '421 4.3.0 closing', 'EMESSAGE'), stream: 'all' }, 'retry throttled'],
  ['lost in the middle', { code: 'ECONNECTION', command: 'CONN', stream: 'partly' }, 'retry connection_lost'],
  ['lost after the end', { code: 'ECONNECTION', command: 'CONN', stream: 'all' }, 'unknown connection_lost'],
  [
    'no reply to the end',
    { code: 'ETIMEDOUT', command: 'CONN', stream: 'all', timeoutType: 'SOCKET_TIMEOUT' },
    'unknown no_reply',
  ],
  ['garbage after the end', { code: 'EMESSAGE', command: 'DATA', stream: 'all' }, 'unknown unparsable_reply'],
  [
    'garbage after the end that begins like a reply',
    { ...at('DATA', '354 what', 'EMESSAGE'), stream: 'all' },
    'unknown unparsable_reply',
  ],
  [
    'a reply after the end that is too large',
    { code: 'EPROTOCOL', command: 'CONN', stream: 'all' },
    'unknown unparsable_reply',
  ],
  ['a reply that is too large', { code: 'EPROTOCOL', command: 'CONN' }, 'retry protocol free'],
  [
    'garbage to MAIL',
    { code: 'EENVELOPE', command: 'MAIL FROM', response: 'hello?', stream: 'none' },
    'retry protocol free',
  ],
  ['354 to RCPT', { ...at('RCPT TO', '354 go'), stream: 'none' }, 'retry protocol free'],
  ['MAIL 503', at('MAIL FROM', '503 bad sequence'), 'retry protocol free'],
  ['MAIL 550 5.5.1', at('MAIL FROM', '550 5.5.1 what'), 'retry protocol free'],
  ['MAIL 554 5.7.0', at('MAIL FROM', '554 5.7.0 log in first'), 'retry authentication free'],
  ['RCPT 530', at('RCPT TO', '530 5.7.57 client was not authenticated'), 'retry authentication'],
  [
    'end 554 SendAsDenied',
    { ...at('DATA', '554 5.2.252 SendAsDenied; not yours', 'EMESSAGE'), stream: 'all' },
    'retry authentication',
  ],
  ['421 to AUTH', at('AUTH PLAIN', '421 4.7.0 too many logins', 'EAUTH'), 'retry throttled free'],
  ['a handshake that stalls', { code: 'ETIMEDOUT', command: 'CONN', timeoutType: 'UPGRADE_TIMEOUT' }, 'retry tls free'],
  ['an authority that may not sign', { code: 'ESOCKET', originalCode: 'INVALID_CA' }, 'retry tls free'],
  ['a network that the process may not use', { code: 'ERR_ACCESS_DENIED' }, 'retry misconfigured free'],
  ['a pool that was closed beneath the message', {}, 'retry connection_lost free'],
  ['lost at MAIL', { code: 'ECONNECTION', command: 'CONN', stream: 'none' }, 'retry connection_lost'],
  [
    'lost at MAIL, then refused',
    { code: 'ESOCKET', originalCode: 'ECONNREFUSED', stream: 'none' },
    'retry unreachable free',
  ],
  [
    'silence at RCPT',
    { code: 'ETIMEDOUT', command: 'CONN', timeoutType: 'SOCKET_TIMEOUT', stream: 'none' },
    'retry no_reply',
  ],
  ['a message that is empty', { code: 'EMESSAGE', command: 'API' }, 'failed render_failed'],
  ['the deadline without a session', { aborted: 'deadline' }, 'retry connect_timeout free'],
  ['an address that nodemailer refuses', { code: 'EENVELOPE', command: 'API' }, 'failed render_failed'],
  ['a stop before the end', { aborted: 'shutdown', stream: 'partly' }, 'retry shutdown free'],
  ['the deadline before the end', { aborted: 'deadline', stream: 'partly' }, 'retry deadline'],
  ['the deadline after the end', { aborted: 'deadline', stream: 'all' }, 'unknown no_reply'],
];

describe('an SMTP failure', () => {
  test.each(rows)('%s', (_, failure, expected) => {
    const result = classifySmtpFailure({ stream: 'unopened', ...failure });
    const words = [
      result.outcome,
      result.reason,
      (result.pauseMethod || result.countAttempt === false) && 'free',
      result.addressFault && 'address',
      result.alert && 'alert',
    ];
    expect(words.filter(Boolean).join(' ')).toBe(expected);
  });

  test('a refused login is not tried again for five minutes', () => {
    expect(classifySmtpFailure({ stream: 'unopened', ...at('AUTH LOGIN', '535 5.7.8 no', 'EAUTH') })).toMatchObject({
      pauseMethod: true,
      retryAfterSeconds: 300,
    });
  });

  test('the enhanced code counts only where it agrees with the reply code', () => {
    expect(parseReply('250 2.0.0 Ok: queued as 4F')).toEqual({
      code: '250',
      enhanced: '2.0.0',
      text: '250 2.0.0 Ok: queued as 4F',
    });
    expect(parseReply('450 5.1.1 odd')).toEqual({ code: '450', text: '450 5.1.1 odd' });
    expect(parseReply('no code')).toEqual({ text: 'no code' });
  });

  test('addresses and control characters never reach a reason', () => {
    expect(parseReply('550 5.1.1 <ada@example.com>: unknown\r\n550 user "bob@example.org" too').text).toBe(
      '550 5.1.1 <address>: unknown user "<address>" too',
    );
    const result = classifySmtpFailure({ stream: 'unopened', ...at('RCPT TO', '550 5.1.1 <ada@example.com> unknown') });
    expect(JSON.stringify(result)).not.toContain('ada@');
  });
});
