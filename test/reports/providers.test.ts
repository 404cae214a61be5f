/** Each provider's webhook: recorded shapes, signed as the provider signs them, and what is refused. */
import { createHmac, createSign, generateKeyPairSync, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { createReports, createReportsIn, type ReportsOptions } from '../../src/reports/reports.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { greeting, greetingFile, keepingLogger } from '../support/application.ts';
import { certificate } from '../support/certificates.ts';
import { useDatabase } from '../support/use-database.ts';
import { key, returns } from './support.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const herald = createHerald();
const query = async (text: string, values: readonly unknown[] = []) =>
  (await database.pool.query(text, [...values])).rows;

const topicArn = 'arn:aws:sns:eu-west-1:123456789012:bounces';
const sendgridKeys = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const resendSecret = `whsec_${randomBytes(24).toString('base64')}`;
const now = () => new Date();
const seconds = (ago = 0) => String(Math.floor(Date.now() / 1000) - ago);

/** Amazon's network: certificates and confirmations, by URL. */
let asked: string[] = [];
const amazon = (async (url: string, { redirect }: RequestInit) => {
  // A redirect would leave the host that was checked.
  expect(redirect).toBe('error');
  asked.push(url);
  return url.endsWith('.pem') ? new Response(certificate('sns').cert) : new Response('<ConfirmSubscriptionResponse/>');
}) as unknown as typeof fetch;

const all = (): ReportsOptions => ({
  pool: database.pool,
  keys: [key],
  ses: { topicArns: [topicArn] },
  postmark: { user: 'postmark', password: 'correct horse battery' },
  mailgun: { signingKey: 'mailgun-key' },
  sendgrid: { publicKey: sendgridKeys.publicKey.export({ format: 'der', type: 'spki' }).toString('base64') },
  resend: { secret: resendSecret },
});
const post = (provider: string, body: string, headers: Readonly<Record<string, string>> = {}, options = all()) =>
  createReportsIn(options, { fetch: amazon, now }).fetch(
    new Request(`https://app.example/hooks/${provider}?x=1`, { method: 'POST', body, headers: { ...headers } }),
  );

let id = '';
beforeEach(async () => {
  asked = [];
  await query('TRUNCATE herald.message, herald.attempt, herald.suppression, herald.report, herald.preference');
  await query('DELETE FROM herald_queue.job');
  const [message] = await herald.enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id: 'ada', email: 'ada@example.com' },
    labels: { who: 'Ada' },
  });
  id = message?.id ?? '';
  await query(`UPDATE herald.message SET status = 'sent', attempts = 1, settled_at = now()`);
  await query(
    `INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, counted, receiver_id)
     VALUES ($1, 1, 'w', now(), now(), 'sent', true, 'their-id')`,
    [id],
  );
});

const recorded = () =>
  query('SELECT message_id, kind, effect, status_code, unmatched, times FROM herald.report ORDER BY at, source_id');
const counted = (unmatched: string, times = 1) => [
  { message_id: null, kind: 'other', effect: 'none', status_code: null, unmatched, times },
];
const matched = (kind: string, effect: string, statusCode: string | null = null, times = 1) => [
  { message_id: id, kind, effect, status_code: statusCode, unmatched: null, times },
];

describe('Amazon SES through SNS', () => {
  interface SnsOptions {
    readonly version?: '1' | '2';
    readonly ago?: number;
    readonly change?: Readonly<Record<string, string>>;
    readonly type?: string;
  }

  function sns(
    message: unknown,
    { version = '2', ago = 0, change = {}, type = 'Notification' }: SnsOptions = {},
  ): string {
    const fields: Record<string, string> = {
      Type: type,
      MessageId: '165545c9-2a5c-472c-8df2-7ff2be2b3b1b',
      TopicArn: topicArn,
      Message: typeof message === 'string' ? message : JSON.stringify(message),
      Timestamp: new Date(Date.now() - ago * 1000).toISOString(),
      SignatureVersion: version,
      SigningCertURL:
        'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-01d088a6f77103d0fe307c0069e40ed6.pem',
      ...(type !== 'Notification' && { Token: '2336412f37', SubscribeURL: 'https://evil.example/?a=b' }),
    };
    const signed = ['Message', 'MessageId', 'SubscribeURL', 'Subject', 'Timestamp', 'Token', 'TopicArn', 'Type'];
    const text = signed.flatMap((name) => (fields[name] === undefined ? [] : [`${name}\n${fields[name]}\n`])).join('');
    const signature = createSign(version === '1' ? 'RSA-SHA1' : 'RSA-SHA256')
      .update(text)
      .sign(certificate('sns').key, 'base64');
    return JSON.stringify({ ...fields, Signature: signature, ...change });
  }

  const mail = () => ({
    timestamp: '2026-11-27T14:59:38.237Z',
    messageId: 'their-id',
    source: `bounces+${returns.tokenOf(id)}@acme.example`,
    sourceArn: 'arn:aws:ses:eu-west-1:888888888888:identity/example.com',
    destination: ['ada@example.com'],
  });
  const bounce = (more: object = {}, recipient: object = {}) => ({
    notificationType: 'Bounce',
    bounce: {
      bounceType: 'Permanent',
      reportingMTA: 'dns; mx.example.com',
      bouncedRecipients: [
        {
          emailAddress: 'ada@example.com',
          status: '5.1.1',
          action: 'failed',
          diagnosticCode: 'smtp; 550 5.1.1 <ada@example.com>... User unknown',
          ...recipient,
        },
      ],
      bounceSubType: 'General',
      timestamp: '2026-11-27T14:59:38.237Z',
      feedbackId: '00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa068a-000000',
      ...more,
    },
    mail: mail(),
  });

  test('a time that is a number, and so not signed, is refused', async () => {
    const old = new Date(Date.now() - 40 * 86_400_000).toISOString();
    const id = '165545c9-2a5c-472c-8df2-7ff2be2b3b1b';
    const captured = JSON.parse(sns(bounce(), { ago: 40 * 86_400 })) as { Timestamp: string };
    const forged = { ...captured, MessageId: `${id}\nTimestamp\n${old}`, Timestamp: new Date().getUTCFullYear() + 1 };
    expect((await post('ses', JSON.stringify(forged))).status).toBe(403);
    expect(await recorded()).toEqual(counted('signature'));
  });

  test('a complaint that SES made because of an earlier one counts for nothing', async () => {
    const complaint = {
      complainedRecipients: [{ emailAddress: 'ada@example.com' }],
      complaintSubType: 'OnAccountSuppressionList',
      feedbackId: '0000013786031775-163e3910-53eb-4c8e-a04a-f29debf88a84-000000',
    };
    expect((await post('ses', sns({ notificationType: 'Complaint', complaint, mail: mail() }))).status).toBe(200);
    expect(await recorded()).toEqual([]);
  });

  test.each(['1', '2'] as const)('a bounce of signature version %s is recorded once', async (version) => {
    expect((await post('ses', sns(bounce(), { version }))).status).toBe(200);
    expect((await post('ses', sns(bounce(), { version }))).status).toBe(200);
    expect(await recorded()).toEqual(matched('bounce', 'dead', '5.1.1', 2));
    expect(asked.every((url) => url.startsWith('https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-'))).toBe(
      true,
    );
  });

  test.each([
    ['without a token, by its own id', { source: 'noreply@acme.example' }],
    ['by the header of the message', { source: 'x@acme.example', messageId: 'x' }],
  ])('a bounce is matched %s', async (_, change) => {
    const event = bounce();
    const headers = [{ name: 'Message-ID', value: `<${id}@acme.example>` }];
    const changed = { ...event, mail: { ...event.mail, ...change, ...('messageId' in change && { headers }) } };
    await post('ses', sns(changed));
    expect(await recorded()).toEqual(matched('bounce', 'dead', '5.1.1'));
  });

  test.each([
    [
      'a full mailbox',
      { bounceType: 'Transient', bounceSubType: 'MailboxFull' },
      { status: undefined, diagnosticCode: undefined },
      'soft',
      '4.2.2',
    ],
    ['an address that SES did not try', { bounceSubType: 'OnAccountSuppressionList' }, {}, 'none', null],
    ['a policy', {}, { status: '5.7.1' }, 'ours', '5.7.1'],
  ])('%s has its effect', async (_, more, recipient, effect, code) => {
    await post('ses', sns(bounce(more, recipient)));
    expect(await recorded()).toEqual(matched('bounce', effect, code));
  });

  test('a complaint, also of event publishing', async () => {
    const complaint = {
      complainedRecipients: [{ emailAddress: 'ada@example.com' }],
      complaintFeedbackType: 'abuse',
      feedbackId: 'f-2',
    };
    await post('ses', sns({ eventType: 'Complaint', complaint, mail: mail() }));
    expect(await recorded()).toEqual(matched('complaint', 'complaint'));
    expect(await query('SELECT cause FROM herald.suppression')).toEqual([{ cause: 'complaint' }]);
  });

  test('deliveries make no row', async () => {
    expect((await post('ses', sns({ notificationType: 'Delivery', delivery: {}, mail: mail() }))).status).toBe(200);
    expect(await recorded()).toEqual([]);
  });

  test.each<[name: string, options: SnsOptions, why: string]>([
    ['another topic', { change: { TopicArn: 'arn:aws:sns:eu-west-1:999999999999:bounces' } }, 'topic'],
    ['a changed message', { change: { Message: '{}' } }, 'signature'],
    ['a changed type', { change: { Type: 'Other' } }, 'signature'],
    ['no signature', { change: { Signature: '' } }, 'signature'],
    ['an unknown version', { change: { SignatureVersion: '3' } }, 'signature'],
    ['a message that is too old', { ago: 90_000 }, 'replay'],
    ['a message of tomorrow', { ago: -3600 }, 'replay'],
    ['no time', { change: { Timestamp: 'now' } }, 'replay'],
  ])('%s is refused', async (_, options, why) => {
    for (const times of [1, 2]) {
      expect((await post('ses', sns(bounce(), options))).status).toBe(403);
      expect(await recorded()).toEqual(counted(why, times));
    }
  });

  test.each([
    'https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-01d088a6f77103d0fe307c0069e40ed6.pem',
    'https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-01d088a6f77103d0fe307c0069e40ed6.pem',
    'https://sns.eu-west-2.amazonaws.com/SimpleNotificationService-01d088a6f77103d0fe307c0069e40ed6.pem',
    'https://s3.amazonaws.com/SimpleNotificationService-01d088a6f77103d0fe307c0069e40ed6.pem',
    'https://sns.eu-west-1.amazonaws.com:444/SimpleNotificationService-01d088a6f77103d0fe307c0069e40ed6.pem',
    'http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-01d088a6f77103d0fe307c0069e40ed6.pem',
    'https://sns.eu-west-1.amazonaws.com/?x=/SimpleNotificationService-01d088a6f77103d0fe307c0069e40ed6.pem',
    'https://sns.eu-west-1.amazonaws.com/bucket/SimpleNotificationService-01d088a6f77103d0fe307c0069e40ed6.pem',
    'file:///etc/passwd',
    'nothing',
  ])('the certificate of %s is never fetched', async (SigningCertURL) => {
    expect((await post('ses', sns(bounce(), { change: { SigningCertURL } }))).status).toBe(403);
    expect(asked).toEqual([]);
    expect(await recorded()).toEqual(counted('signature'));
  });

  test('only the subscription of a named topic is confirmed, and at the host of the topic', async () => {
    expect((await post('ses', sns('hello', { type: 'SubscriptionConfirmation' }))).status).toBe(200);
    const [, confirmed] = asked;
    expect(confirmed).toBe(
      `https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=${encodeURIComponent(topicArn)}&Token=2336412f37`,
    );
    const other = { type: 'SubscriptionConfirmation', change: { TopicArn: 'arn:aws:sns:eu-west-1:999999999999:x' } };
    expect((await post('ses', sns('hello', other))).status).toBe(403);
    expect(
      (await post('ses', sns('hello', { type: 'SubscriptionConfirmation', change: { Token: 'other' } }))).status,
    ).toBe(403);
    expect(asked.filter((url) => url.includes('ConfirmSubscription'))).toHaveLength(1);
    expect(await recorded()).toMatchObject([{ unmatched: 'topic' }, { unmatched: 'signature' }]);
  });

  test('a certificate that cannot be fetched now is asked for again by SNS', async () => {
    const reports = createReportsIn(all(), { fetch: () => Promise.reject(new Error('no network')), now });
    const request = new Request('https://app.example/ses', { method: 'POST', body: sns(bounce()) });
    expect((await reports.fetch(request)).status).toBe(503);
    expect(await recorded()).toEqual([]);
  });
});

describe('Postmark', () => {
  const authorization = `Basic ${Buffer.from('postmark:correct horse battery').toString('base64')}`;
  const bounce = (more: object = {}) =>
    JSON.stringify({
      RecordType: 'Bounce',
      ID: 42,
      Type: 'HardBounce',
      TypeCode: 1,
      Name: 'Hard bounce',
      MessageID: 'their-id',
      Description: 'The server was unable to deliver your message (ex: unknown user, mailbox not found).',
      Details: 'smtp;550 5.1.1 The email account that you tried to reach does not exist.',
      Email: 'ada@example.com',
      From: 'noreply@acme.example',
      BouncedAt: '2026-11-27T13:28:10.2735393-04:00',
      Inactive: true,
      Metadata: { 'herald-message': id },
      ...more,
    });

  test.each<[name: string, more: object, expected: () => object[]]>([
    ['a bounce, by the metadata', {}, () => matched('bounce', 'dead', '5.1.1')],
    ["a bounce, by Postmark's id", { Metadata: {} }, () => matched('bounce', 'dead', '5.1.1')],
    ['a hard bounce without a code', { Details: 'no such user' }, () => matched('bounce', 'dead', '5.1.1')],
    ['a hard bounce that is a policy', { Details: 'smtp;550 5.7.1 blocked' }, () => matched('bounce', 'ours', '5.7.1')],
    ['a soft bounce', { Type: 'SoftBounce', Details: '' }, () => matched('bounce', 'soft', '4.0.0')],
    ['a block', { Type: 'Blocked', Details: '' }, () => matched('bounce', 'ours', '5.7.1')],
    ['a delay', { Type: 'Transient' }, () => matched('delay', 'none')],
    ['a complaint', { RecordType: 'SpamComplaint', Type: 'SpamComplaint' }, () => matched('complaint', 'complaint')],
    [
      'an unsubscription',
      {
        RecordType: 'SubscriptionChange',
        Type: undefined,
        Email: undefined,
        Recipient: 'ada@example.com',
        SuppressSending: true,
        SuppressionReason: 'ManualSuppression',
        Origin: 'Recipient',
      },
      () => matched('unsubscribe', 'unsubscribe'),
    ],
    [
      'the suppression that follows a bounce',
      {
        RecordType: 'SubscriptionChange',
        Type: undefined,
        Email: undefined,
        Recipient: 'ada@example.com',
        SuppressSending: true,
        SuppressionReason: 'HardBounce',
        Origin: 'Recipient',
      },
      () => [],
    ],
    ['an automatic reply', { Type: 'AutoResponder' }, () => []],
    ['a delivery', { RecordType: 'Delivery' }, () => []],
  ])('%s', async (_, more, expected) => {
    expect((await post('postmark', bounce(more), { authorization })).status).toBe(200);
    expect(await recorded()).toEqual(expected());
  });

  test('the name of the metadata may come in another case', async () => {
    const body = bounce({ Metadata: { 'Herald-Message': id }, MessageID: 'other' });
    await post('postmark', body, { authorization });
    expect(await recorded()).toEqual(matched('bounce', 'dead', '5.1.1'));
  });

  test('is refused without the password', async () => {
    for (const given of [{}, { authorization: 'Basic eDp5' }, { authorization: `${authorization}x` }])
      expect((await post('postmark', bounce(), given)).status).toBe(403);
    expect(await recorded()).toEqual(counted('signature', 3));
  });
});

describe('Mailgun', () => {
  const event = (more: object = {}) => ({
    event: 'failed',
    id: 'CCXMjJ7nQi2N3BPigGOdgQ',
    severity: 'permanent',
    reason: 'bounce',
    recipient: 'ada@example.com',
    'recipient-domain': 'example.com',
    envelope: { sender: 'noreply@acme.example', targets: 'ada@example.com', transport: 'smtp' },
    message: { headers: { 'message-id': `${id}@acme.example`, to: 'ada@example.com' }, size: 341 },
    'delivery-status': {
      'attempt-no': 1,
      code: 550,
      'enhanced-code': '5.1.1',
      message: '5.1.1 The email account that you tried to reach does not exist',
      'mx-host': 'mx.example.com',
    },
    ...more,
  });
  function mailgun(
    data: object,
    { token = randomBytes(25).toString('hex'), timestamp = seconds(), change = {} } = {},
  ): string {
    const signature = createHmac('sha256', 'mailgun-key')
      .update(timestamp + token)
      .digest('hex');
    return JSON.stringify({ signature: { token, timestamp, signature, ...change }, 'event-data': data });
  }

  test.each<[name: string, more: object, expected: () => object[]]>([
    ['a bounce', {}, () => matched('bounce', 'dead', '5.1.1')],
    ['an address that Mailgun did not try', { reason: 'suppress-bounce' }, () => matched('bounce', 'none')],
    ['an email that is too old', { reason: 'old', 'delivery-status': {} }, () => matched('bounce', 'soft', '4.4.7')],
    ['a delay', { severity: 'temporary' }, () => matched('delay', 'none', '5.1.1')],
    ['a complaint', { event: 'complained' }, () => matched('complaint', 'complaint')],
    ['an unsubscription', { event: 'unsubscribed' }, () => matched('unsubscribe', 'unsubscribe')],
    ['an opened email', { event: 'opened' }, () => []],
  ])('%s', async (_, more, expected) => {
    expect((await post('mailgun', mailgun(event(more)))).status).toBe(200);
    expect(await recorded()).toEqual(expected());
  });

  test('a token counts once, whatever is sent with it', async () => {
    const token = randomBytes(25).toString('hex');
    await post('mailgun', mailgun(event({ severity: 'temporary' }), { token }));
    expect((await post('mailgun', mailgun(event({ event: 'complained' }), { token }))).status).toBe(200);
    expect(await recorded()).toEqual(matched('delay', 'none', '5.1.1', 2));
    expect(await query('SELECT FROM herald.suppression')).toEqual([]);
  });

  test.each([
    ['another signature', { change: { signature: '00'.repeat(32) } }, 'signature'],
    ['a changed time', { change: { timestamp: seconds(1) } }, 'signature'],
    ['no signature', { change: { signature: '' } }, 'signature'],
    ['a time that is too old', { timestamp: seconds(90_000) }, 'replay'],
    ['a time with a digit of the token', { timestamp: `${seconds()}e0` }, 'signature'],
  ])('%s is refused', async (_, options, why) => {
    expect((await post('mailgun', mailgun(event(), options))).status).toBe(403);
    expect(await recorded()).toEqual(counted(why));
  });
});

describe('SendGrid', () => {
  const event = (more: object = {}) => ({
    email: 'ada@example.com',
    timestamp: 1_619_651_146,
    'smtp-id': `<${id}@acme.example>`,
    event: 'bounce',
    category: 'cat facts',
    sg_event_id: 'sg_event_1',
    sg_message_id: 'their-id.filterdrecv-canary-547b64655b-cw6zx-1-6089EA4A-56.0',
    reason: '550 5.1.1 The email account that you tried to reach does not exist',
    status: '5.0.0',
    type: 'bounce',
    ...more,
  });
  function signed(events: readonly object[], { timestamp = seconds(), key: signer = sendgridKeys.privateKey } = {}) {
    const body = JSON.stringify(events);
    const signature = createSign('sha256').update(timestamp).update(body).sign(signer, 'base64');
    return {
      body,
      headers: {
        'x-twilio-email-event-webhook-signature': signature,
        'x-twilio-email-event-webhook-timestamp': timestamp,
      },
    };
  }

  test.each<[name: string, more: object, expected: () => object[]]>([
    ['a bounce', {}, () => matched('bounce', 'dead', '5.1.1')],
    ["a bounce, by SendGrid's id", { 'smtp-id': '<x@ismtpd>' }, () => matched('bounce', 'dead', '5.1.1')],
    ['a full mailbox', { reason: '552 5.2.2 over quota', status: '5.2.2' }, () => matched('bounce', 'soft', '5.2.2')],
    [
      'a block',
      { type: 'blocked', reason: '550 5.7.1 blocked', status: '5.7.1' },
      () => matched('bounce', 'ours', '5.7.1'),
    ],
    [
      'an address that SendGrid did not try',
      { event: 'dropped', reason: 'Bounced Address' },
      () => matched('bounce', 'none'),
    ],
    ['a delay', { event: 'deferred', response: '400 try again later' }, () => matched('delay', 'none', '5.0.0')],
    ['a complaint', { event: 'spamreport' }, () => matched('complaint', 'complaint')],
    ['an unsubscription', { event: 'group_unsubscribe' }, () => matched('unsubscribe', 'unsubscribe')],
    ['an opened email', { event: 'open' }, () => []],
  ])('%s', async (_, more, expected) => {
    const { body, headers } = signed([event(more)]);
    expect((await post('sendgrid', body, headers)).status).toBe(200);
    expect(await recorded()).toEqual(expected());
  });

  test('many events at once are recorded in one transaction', async () => {
    const events = Array.from({ length: 50 }, (_, i) =>
      event({ sg_event_id: `e-${i}`, event: i % 2 ? 'open' : 'deferred' }),
    );
    const { body, headers } = signed(events);
    expect((await post('sendgrid', body, headers)).status).toBe(200);
    expect(await recorded()).toHaveLength(25);
  });

  test('is refused with another key, a changed body, or an old time', async () => {
    const other = signed([event()], { key: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey });
    expect((await post('sendgrid', other.body, other.headers)).status).toBe(403);
    const { body, headers } = signed([event()]);
    expect((await post('sendgrid', `${body} `, headers)).status).toBe(403);
    expect((await post('sendgrid', body)).status).toBe(403);
    expect(await recorded()).toEqual(counted('signature', 3));
    const old = signed([event()], { timestamp: seconds(90_000) });
    expect((await post('sendgrid', old.body, old.headers)).status).toBe(403);
    expect(await recorded()).toMatchObject([{ unmatched: 'signature' }, { unmatched: 'replay' }]);
  });
});

describe('Resend', () => {
  const event = (type: string, bounce?: object) =>
    JSON.stringify({
      type,
      created_at: '2026-11-27T23:41:12.126Z',
      data: {
        created_at: '2026-11-27T23:41:11.894719+00:00',
        email_id: 'their-id',
        from: 'Acme <noreply@acme.example>',
        to: ['ada@example.com'],
        subject: 'Hello',
        ...(bounce && { bounce }),
      },
    });
  function signed(body: string, { timestamp = seconds(), secret = resendSecret } = {}): Record<string, string> {
    const signing = Buffer.from(secret.replace('whsec_', ''), 'base64');
    const signature = createHmac('sha256', signing).update(`msg_1.${timestamp}.${body}`).digest('base64');
    return { 'svix-id': 'msg_1', 'svix-timestamp': timestamp, 'svix-signature': `v1,AAAA v1,${signature}` };
  }

  test.each<[name: string, type: string, bounce: object | undefined, expected: () => object[]]>([
    [
      'a bounce',
      'email.bounced',
      { type: 'Permanent', subType: 'General', message: 'hard bounce' },
      () => matched('bounce', 'soft', '5.1.0'),
    ],
    [
      'an address that does not exist',
      'email.bounced',
      { type: 'Permanent', subType: 'NoEmail', message: '' },
      () => matched('bounce', 'dead', '5.1.1'),
    ],
    [
      'an address that Resend did not try',
      'email.bounced',
      { type: 'Permanent', subType: 'Suppressed' },
      () => matched('bounce', 'none'),
    ],
    [
      'a full mailbox',
      'email.bounced',
      { type: 'Transient', subType: 'MailboxFull' },
      () => matched('bounce', 'soft', '4.2.2'),
    ],
    ['a delay', 'email.delivery_delayed', undefined, () => matched('delay', 'none')],
    ['a complaint', 'email.complained', undefined, () => matched('complaint', 'complaint')],
    ['a delivery', 'email.delivered', undefined, () => []],
  ])('%s', async (_, type, bounce, expected) => {
    const body = event(type, bounce);
    expect((await post('resend', body, signed(body))).status).toBe(200);
    expect(await recorded()).toEqual(expected());
  });

  test('is refused with another secret, a changed body, or an old time', async () => {
    const body = event('email.complained');
    expect((await post('resend', body, signed(body, { secret: `whsec_${'A'.repeat(32)}` }))).status).toBe(403);
    expect((await post('resend', `${body} `, signed(body))).status).toBe(403);
    expect((await post('resend', body)).status).toBe(403);
    expect((await post('resend', body, signed(body, { timestamp: seconds(600) }))).status).toBe(403);
    expect(await recorded()).toMatchObject([{ unmatched: 'signature', times: 3 }, { unmatched: 'replay' }]);
  });
});

describe('the handler', () => {
  test('knows only the providers that are configured, and only POST', async () => {
    const { pool, mailgun } = all() as Required<ReportsOptions>;
    expect((await post('ses', '{}', {}, { pool, mailgun })).status).toBe(404);
    const reports = createReports({ pool, mailgun });
    expect((await reports.fetch(new Request('https://app.example/mailgun'))).status).toBe(405);
    expect((await reports.fetch(new Request('https://app.example/'))).status).toBe(404);
  });

  test('refuses more than a megabyte, and what is no JSON', async () => {
    expect((await post('mailgun', 'x'.repeat(1_000_001))).status).toBe(413);
    expect((await post('mailgun', '{')).status).toBe(403);
    expect((await post('ses', 'null')).status).toBe(403);
    expect((await post('sendgrid', '[]')).status).toBe(403);
  });

  test('asks the provider to try again while the database is away, and logs no address', async () => {
    const logger = keepingLogger();
    const pool = { query: () => Promise.reject(Object.assign(new Error('ada@example.com'), { code: '57P01' })) };
    const options = { ...all(), pool: pool as never, logger };
    const authorization = `Basic ${Buffer.from('postmark:correct horse battery').toString('base64')}`;
    const body = JSON.stringify({
      RecordType: 'SpamComplaint',
      ID: 1,
      Email: 'ada@example.com',
      MessageID: 'their-id',
    });
    const response = await post('postmark', body, { authorization }, options);
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '60']);
    expect(logger.lines).toMatchObject([{ level: 'error', fields: { source: 'postmark', code: '57P01' } }]);
    expect(JSON.stringify(logger.lines)).not.toContain('ada');
  });

  test.each<[setting: string, options: Partial<ReportsOptions>]>([
    ['reports', {}],
    ['reports.ses.topicArns', { ses: { topicArns: [] } }],
    ['reports.ses.topicArns', { ses: { topicArns: ['arn:aws:sqs:eu-west-1:123456789012:x'] } }],
    ['reports.postmark', { postmark: { user: 'x', password: 'short' } }],
    ['reports.mailgun.signingKey', { mailgun: { signingKey: '' } }],
    ['reports.sendgrid.publicKey', { sendgrid: { publicKey: 'AAAA' } }],
    ['reports.resend.secret', { resend: { secret: 'secret' } }],
    ['return address key', { keys: ['x'], mailgun: { signingKey: 'x' } }],
  ])('names %s if it is wrong', (setting, options) => {
    const create = () => createReports({ pool: database.pool, ...options });
    expect(create).toThrow(ConfigurationError);
    expect(create).toThrow(setting);
  });
});
