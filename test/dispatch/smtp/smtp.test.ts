/** The dispatcher against real servers: bytes, headers, TLS, logins, failures. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Delivery } from '../../../src/dispatch/dispatcher.ts';
import { type SmtpOptions, smtp } from '../../../src/dispatch/smtp/smtp.ts';
import { ConfigurationError } from '../../../src/errors.ts';
import { certificateFiles } from '../../support/certificates.ts';
import { type SmtpServerOptions, startSmtpServer, type TestSmtpServer } from '../../support/smtp-server.ts';
import { conversation, startSmtpScript } from '../../support/smtp-script.ts';
import { useDatabase } from '../../support/use-database.ts';
import { context, delivery } from '../support.ts';

const database = useDatabase();
const closing: (() => Promise<unknown> | undefined)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const from = { name: 'Acme', address: 'noreply@acme.example' };

async function setUp(server: SmtpServerOptions = {}, options: Partial<SmtpOptions> = {}) {
  const relay: TestSmtpServer = await startSmtpServer(server);
  const dispatcher = smtp({ host: '127.0.0.1', port: relay.port, tls: 'none', from, ...options });
  await dispatcher.start?.({ method: 'smtp', pool: database.pool, logger: context().logger });
  closing.push(
    () => relay.close(),
    () => dispatcher.close?.(),
  );
  return {
    relay,
    send: (changes: Partial<Delivery> = {}, signal?: AbortSignal) =>
      dispatcher.dispatch(delivery({ method: 'smtp', ...changes }), { ...context(), ...(signal && { signal }) }),
  };
}

describe('an email', () => {
  test('has the headers of system email, text before HTML, and the id of the message', async () => {
    const { relay, send } = await setUp();
    const { messageId } = delivery();
    expect(await send({ groupKey: 'incident-7', unsubscribeUrl: 'https://acme.example/u/1' })).toMatchObject({
      outcome: 'sent',
      reply: { code: '250', receiverId: `<${messageId}@acme.example>` },
    });
    const [mail] = relay.received();
    expect(mail).toMatchObject({ from: 'noreply@acme.example', to: ['ada@example.com'] });
    const raw = String(mail?.raw);
    for (const line of [
      'From: Acme <noreply@acme.example>',
      'To: Ada Lovelace <ada@example.com>',
      `Message-ID: <${messageId}@acme.example>`,
      'Date: Tue, 24 Nov 2026 08:30:00 +0000',
      'Auto-Submitted: auto-generated',
      'X-Auto-Response-Suppress: DR, RN, NRN, OOF, AutoReply',
      'List-ID: <workspace-events.acme.example>',
      'List-Unsubscribe: <https://acme.example/u/1>',
      'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
    ])
      expect(raw.split('\r\n')).toContain(line);
    expect(await mail?.parsed()).toMatchObject({
      subject: 'Workspace "dev-box" was deleted',
      text: expect.stringContaining('Your workspace dev-box'),
    });
    const [thread] = /<thread-[0-9a-f]{16}@acme\.example>/.exec(raw) ?? [];
    expect(raw.split('\r\n')).toContain(`In-Reply-To: ${thread}`);
    expect(raw.split('\r\n')).toContain(`References: ${thread}`);
    expect(raw).toContain('\r\nFeedback-ID: workspace-events:all:workspace-deleted:acme-example\r\n');
    expect(raw).not.toMatch(/^(X-Mailer|Precedence|Sender):/m);
    expect(raw.indexOf('Content-Type: text/plain')).toBeGreaterThan(0);
    expect(raw.indexOf('Content-Type: text/html')).toBeGreaterThan(raw.indexOf('Content-Type: text/plain'));
    expect(Math.max(...raw.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(998);
  });

  test('has the same bytes on every attempt', async () => {
    const { relay, send } = await setUp();
    await send({ attempt: 1 });
    await send({ attempt: 2 });
    const [first, second] = relay.received();
    expect(String(second?.raw)).toBe(String(first?.raw));
  });

  test('never gains a header line from a hostile value', async () => {
    const { relay, send } = await setUp();
    const evil = 'x\r\nBcc: evil@example.com\r\n\r\nbody';
    await send({
      recipient: { ...delivery().recipient, name: evil },
      content: { ...delivery().content, title: evil },
      template: { name: 't', version: 1, group: evil },
    });
    const [mail] = relay.received();
    expect(mail?.to).toEqual(['ada@example.com']);
    expect(String(mail?.raw).split('\r\n\r\n')[0]).not.toMatch(/^Bcc:/im);
  });

  test.each([
    ['no address', undefined, 'no_address'],
    ['two addresses', 'a@example.com, b@example.com', 'invalid_address'],
    ['a line break', 'a@example.com\r\nRCPT TO:<b@example.com>', 'invalid_address'],
    ['a quoted local part', '"a b"@example.com', 'invalid_address'],
  ])('is not sent to %s, and nothing connects', async (_, email, reason) => {
    const { relay, send } = await setUp();
    const { email: _email, ...recipient } = delivery().recipient;
    expect(await send({ recipient: email === undefined ? recipient : { ...recipient, email } })).toMatchObject({
      outcome: 'failed',
      reason,
    });
    expect(relay.connections().total).toBe(0);
  });

  test('goes to a domain beyond ASCII by its A-label', async () => {
    const { relay, send } = await setUp();
    expect(await send({ recipient: { id: 'x', email: 'ada@bücher.example' } })).toMatchObject({ outcome: 'sent' });
    // The server reads the envelope back as Unicode; the header shows what was written.
    expect(String(relay.received()[0]?.raw)).toContain('ada@xn--bcher-kva.example');
  });
});

describe('a local part beyond ASCII', () => {
  const jörg = { recipient: { id: 'x', email: 'jörg@bücher.example' } };

  test('goes where the relay offers SMTPUTF8', async () => {
    const { relay, send } = await setUp();
    expect(await send(jörg)).toMatchObject({ outcome: 'sent' });
    const [mail] = relay.received();
    expect(mail?.to).toEqual(['jörg@bücher.example']);
    expect(String(mail?.raw)).toContain('\r\nTo: jörg@bücher.example\r\n');
    // What it offers is known from then on: the next one costs no look.
    const before = relay.connections().total;
    expect(await send(jörg)).toMatchObject({ outcome: 'sent' });
    expect(relay.connections().total).toBe(before);
  });

  test('is refused elsewhere, before a byte of it has left', async () => {
    const relay = await startSmtpScript(() => conversation());
    const dispatcher = smtp({ host: '127.0.0.1', port: relay.port, tls: 'none', from });
    await dispatcher.start?.({ method: 'smtp', pool: null as never, logger: context().logger });
    closing.push(
      () => relay.close(),
      () => dispatcher.close?.(),
    );
    expect(await dispatcher.dispatch(delivery(jörg), context())).toEqual({
      outcome: 'failed',
      reason: 'invalid_address',
      detail: 'the relay does not accept internationalised addresses (5.6.7)',
    });
    expect(relay.lines().join()).not.toMatch(/MAIL|RCPT|rg@/);
  });

  test('waits where the relay cannot be asked', async () => {
    const { relay, send } = await setUp();
    await relay.close();
    expect(await send(jörg)).toMatchObject({ outcome: 'retry', pauseMethod: true, reason: 'unreachable' });
  });
});

describe('an email that is too large', () => {
  const attachments = [{ name: 'a.bin', contentType: 'application/octet-stream', content: Buffer.alloc(30_000, 1) }];

  test('for the server fails before DATA, and the reason names both sizes', async () => {
    const { relay, send } = await setUp({ maxBytes: 20_000 });
    expect(await send({ attachments })).toMatchObject({
      outcome: 'failed',
      reason: 'too_large',
      detail: expect.stringMatching(/^message too large: \d{5} > 20000 bytes$/),
    });
    expect(relay.count()).toBe(0);
    expect(await send()).toMatchObject({ outcome: 'sent' });
  });

  test('for the settings fails before anything connects', async () => {
    const { relay, send } = await setUp({}, { maxMessageBytes: 20_000 });
    expect(await send({ attachments })).toMatchObject({ outcome: 'failed', reason: 'too_large' });
    expect(relay.connections().total).toBe(0);
  });
});

describe('TLS where it is offered', () => {
  test('is used, and its absence is not a fault', async () => {
    const tls = { tls: 'opportunistic', caFile: certificateFiles.ca, servername: 'localhost' } as const;
    const offering = await setUp({ tls: 'starttls' }, tls);
    expect(await offering.send()).toMatchObject({ outcome: 'sent' });
    expect(offering.relay.received()[0]?.secure).toBe(true);
    const plain = await setUp({}, tls);
    expect(await plain.send()).toMatchObject({ outcome: 'sent' });
    expect(plain.relay.received()[0]?.secure).toBe(false);
  });
});

describe('a connection', () => {
  test('is kept and used again', async () => {
    const { relay, send } = await setUp({}, { maxConnections: 1 });
    for (let i = 0; i < 5; i++) await send();
    expect([relay.count(), relay.connections().total]).toEqual([5, 1]);
  });

  test.each(['starttls', 'implicit'] as const)('is encrypted by %s and logs in only then', async (tls) => {
    const { relay, send } = await setUp(
      { tls: tls === 'starttls' ? 'required' : 'implicit', auth: { user: 'acme', password: 'sesame' } },
      { tls, caFile: certificateFiles.ca, servername: 'localhost', auth: { user: 'acme', password: 'sesame' } },
    );
    expect(await send()).toMatchObject({ outcome: 'sent' });
    expect(relay.received()[0]).toMatchObject({ secure: true, user: 'acme' });
  });

  test.each<[string, SmtpServerOptions, Partial<SmtpOptions>, string]>([
    ['a server without STARTTLS', {}, { tls: 'starttls' }, 'tls'],
    ['a certificate of an unknown CA', { tls: 'required' }, { tls: 'starttls', servername: 'localhost' }, 'tls'],
    [
      'a wrong password',
      { tls: 'required', auth: { user: 'acme', password: 'sesame' } },
      {
        tls: 'starttls',
        caFile: certificateFiles.ca,
        servername: 'localhost',
        auth: { user: 'acme', password: 'wrong' },
      },
      'authentication',
    ],
  ])('is a fault of the method with %s: nothing is sent, nothing counted', async (_, server, options, reason) => {
    const { relay, send } = await setUp(server, options);
    const result = await send();
    expect(result).toMatchObject({ outcome: 'retry', pauseMethod: true, reason });
    expect(JSON.stringify(result)).not.toMatch(/sesame|wrong|ada@/);
    expect(relay.count()).toBe(0);
  });

  test('is a fault of the method when nothing listens', async () => {
    const { relay, send } = await setUp();
    await relay.close();
    expect(await send()).toMatchObject({ outcome: 'retry', pauseMethod: true, reason: 'unreachable' });
  });
});

describe('a verdict', () => {
  test('on the recipient is passed on without the address', async () => {
    const { send } = await setUp({ onRecipient: () => ({ code: 550, text: '5.1.1 <ada@example.com> unknown' }) });
    const result = await send();
    expect(result).toMatchObject({
      outcome: 'failed',
      reason: 'no_such_recipient',
      addressFault: true,
      reply: { code: '550', enhanced: '5.1.1' },
    });
    expect(JSON.stringify(result)).not.toContain('ada@example.com');
  });

  test('on the message after its end is final or not by its digit', async () => {
    const { send } = await setUp({ onMessage: () => ({ code: 451, text: '4.3.0 later' }) });
    expect(await send()).toMatchObject({ outcome: 'retry', reason: 'deferred' });
  });

  test('that does not come in time is unknown', async () => {
    const { send } = await setUp({ onMessage: () => new Promise(() => undefined) }, { replyTimeoutSeconds: 1 });
    expect(await send()).toMatchObject({ outcome: 'unknown', reason: 'no_reply' });
  });

  test('is waited for at a stop once the message is out, but a message before its end is handed back', async () => {
    const stop = new AbortController();
    const { send } = await setUp({
      onMessage: async () => {
        stop.abort();
        return undefined;
      },
    });
    expect(await send({}, stop.signal)).toMatchObject({ outcome: 'sent' });
    expect(await send({}, stop.signal)).toMatchObject({
      outcome: 'retry',
      reason: 'shutdown',
      countAttempt: false,
    });
  });
});

describe('options', () => {
  test.each<[string, Partial<SmtpOptions>, RegExp]>([
    ['plain text to a stranger', { host: 'mail.example', tls: 'none' }, /^smtp\.tls: "none" would send/],
    [
      'a sender that is not an address',
      { from: { address: 'nobody' } },
      /^smtp\.from\.address: is not one plain address/,
    ],
    [
      'a sender that some relays cannot take',
      { from: { address: 'jörg@acme.example' } },
      /^smtp\.from\.address: .* in ASCII/,
    ],
    ['no password', { auth: { user: 'x' } }, /^smtp\.auth: needs either/],
    [
      'a login that may end in clear text',
      { tls: 'opportunistic', auth: { user: 'x', password: 'y' } },
      /^smtp\.tls: "opportunistic" may end in clear text/,
    ],
    ['a rate of nothing', { messagesPerSecond: 0 }, /^smtp\.messagesPerSecond: /],
    ['a port out of range', { port: 70_000 }, /^smtp\.port: /],
    ['an unknown option', { hots: 'x' } as never, /^smtp/],
  ])('refuse %s', (_, options, message) => {
    expect(() => smtp({ host: '127.0.0.1', from, ...options })).toThrow(ConfigurationError);
    expect(() => smtp({ host: '127.0.0.1', from, ...options })).toThrow(message);
  });

  test('name a file that cannot be read', async () => {
    const dispatcher = smtp({ host: '127.0.0.1', from, caFile: '/nowhere/ca.pem' });
    await expect(dispatcher.start?.({ method: 'smtp', pool: null as never, logger: context().logger })).rejects.toThrow(
      /^smtp\.caFile: cannot read \/nowhere\/ca\.pem \(ENOENT\)/,
    );
  });
});

describe('attachments', () => {
  const file = {
    name: 'Rechnung "Nr. 7" \u2013 Zoë.pdf',
    contentType: 'application/pdf',
    content: Buffer.from('%PDF-1.7 7'),
  };

  test('arrive with their names and bytes, the same on every attempt', async () => {
    const { relay, send } = await setUp();
    await send({ attachments: [file] });
    await send({ attachments: [file], attempt: 2 });
    const [first, second] = relay.received();
    expect(String(first?.raw)).toBe(String(second?.raw));
    const parsed = await first?.parsed();
    expect(parsed?.attachments).toMatchObject([
      { filename: file.name, contentType: 'application/pdf', contentDisposition: 'attachment', content: file.content },
    ]);
    expect(parsed?.text).toContain('Your workspace dev-box');
  });
});
