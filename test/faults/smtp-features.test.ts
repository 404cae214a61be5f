/** Tokens, senders, sizes, addresses, signatures and connection limits. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startReceiver } from '../dispatch/support.ts';
import { freePort, missing, needing } from '../support/daemons.ts';
import { type Postfix, postfixMissing, startPostfix } from '../support/postfix.ts';
import { conversation, startSmtpScript, type Step } from '../support/smtp-script.ts';
import { startSmtpSink } from '../support/smtp-sink.ts';
import { until } from '../support/wait.ts';
import { openScene, password, type Story } from './scene.ts';

const scene = openScene();
const sink = needing(missing('smtp-sink', 'postfix'));
const postfix = needing(postfixMissing());

const folder = mkdtempSync(join(tmpdir(), 'herald-features-'));
afterAll(() => rmSync(folder, { recursive: true }));
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
const all = (status: string) => async () => (await scene.stories()).every((story) => story.status === status);
const patience = { timeoutMs: 40_000, intervalMs: 100 };

describe('the token endpoint', () => {
  const [greeting = {}] = conversation();
  const announcing: Step = { expect: /^EHLO /i, reply: '250-mx.test\r\n250 AUTH XOAUTH2' };
  const auth = (tokenUrl: string) => ({
    user: 'acme',
    oauth2: { tokenUrl, clientId: 'herald', refreshToken: password },
  });

  test('is down', async () => {
    const relay = scene.use(await startSmtpScript([greeting, announcing]));
    const tokenUrl = `http://127.0.0.1:${await freePort()}/token`;
    expect(await scene.deliver({ port: relay.port, auth: auth(tokenUrl) })).toMatchObject({
      status: 'pending',
      counted: 0,
      attempts: ['retry, free: authentication: OAuth2 token: the token endpoint could not be reached'],
      paused: 'authentication',
    });
  });

  test('says that the grant has expired', async () => {
    const relay = scene.use(await startSmtpScript([greeting, announcing]));
    const endpoint = await startReceiver((response) => {
      response.statusCode = 400;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ error: 'invalid_grant', error_description: password }));
    });
    scene.use({ close: () => endpoint.close() });
    expect(await scene.deliver({ port: relay.port, auth: auth(endpoint.url) })).toMatchObject({
      status: 'pending',
      counted: 0,
      attempts: ['retry, free: authentication: OAuth2 token: the token endpoint answered HTTP 400 invalid_grant'],
      paused: 'authentication',
    });
    expect(relay.lines().filter((line) => line.startsWith('MAIL'))).toEqual([]);
  });
});

describe('the relay refuses the sender', () => {
  const refusing = ['-f', 'MAIL', '-B', '550 5.7.1 sender refused'];

  test.skipIf(sink.skip)(sink.name('of one message: no recipient was named, so the sender is at fault'), async () => {
    const relay = scene.use(await startSmtpSink(refusing));
    expect(await scene.deliver({ port: relay.port })).toMatchObject({
      status: 'pending',
      counted: 0,
      attempts: [
        'retry, free: sender_refused: refused before the recipient was named, so the sender is at fault: MAIL FROM: 550 5.7.1 sender refused',
      ],
      paused: 'sender_refused',
    });
  });

  test.skipIf(sink.skip)(sink.name('of three: it is about the sender, and all three are put back'), async () => {
    const relay = scene.use(await startSmtpSink(refusing));
    await scene.enqueue(3);
    await scene.start({ port: relay.port, maxConnections: 1 });
    await until(async () => {
      const stories = await scene.stories();
      return stories.every(({ status, counted, paused }) => status === 'pending' && counted === 0 && paused !== null);
    }, patience);
    expect((await scene.stories())[0]?.paused).toBe('sender_refused');
    expect(relay.mails()).toEqual([]);
  });
});

describe.skipIf(postfix.skip)(postfix.name('Postfix without SMTPUTF8, for emails of 60 kB at most'), () => {
  let relay: Postfix;
  beforeAll(async () => {
    relay = await startPostfix({ settings: { message_size_limit: '60000', smtputf8_enable: 'no' } });
  });
  afterAll(() => relay.stop());

  const deliver = async (more: Record<string, unknown>): Promise<Story | undefined> => {
    await scene.enqueue(1, more);
    await scene.start({ port: relay.port });
    return until(async () => {
      const [story] = await scene.stories();
      return story?.attempts.length === 1 && story;
    }, patience);
  };

  test('a larger one fails without a byte of it being sent', async () => {
    const content = Buffer.alloc(60_000, 1);
    const story = await deliver({ attachments: [{ name: 'a.bin', contentType: 'application/octet-stream', content }] });
    expect(story).toMatchObject({ status: 'failed', counted: 1, paused: null });
    expect(story?.attempts[0]).toMatch(/^failed: too_large: message too large: \d+ > 60000 bytes$/);
    expect(relay.mails()).toEqual([]);
  });

  test('an internationalised address fails before it is named', async () => {
    expect(await deliver({ to: { id: 'user-1', email: 'jörg@example.com' } })).toMatchObject({
      status: 'failed',
      counted: 1,
      attempts: ['failed: invalid_address: the relay does not accept internationalised addresses (5.6.7)'],
      paused: null,
    });
    expect(relay.mails()).toEqual([]);
  });
});

describe.skipIf(postfix.skip)(postfix.name('Postfix with SMTPUTF8, for one connection at a time'), () => {
  let relay: Postfix;
  beforeAll(async () => {
    relay = await startPostfix({
      settings: {
        smtputf8_enable: 'yes',
        smtpd_client_connection_count_limit: '1',
        smtpd_client_event_limit_exceptions: '',
      },
    });
  });
  afterAll(() => relay.stop());

  test('too many connections become fewer, nothing is counted, and every email arrives once', async () => {
    await scene.enqueue(8);
    await scene.start({ port: relay.port, maxConnections: 4 });
    await until(
      async () => {
        if (!(await all('sent')())) await scene.hurry();
        return all('sent')();
      },
      { ...patience, intervalMs: 1000 },
    );
    const stories = await scene.stories();
    expect(stories.map((story) => story.counted)).toEqual(Array.from({ length: 8 }, () => 1));
    const refused = stories.flatMap((story) => story.attempts).filter((attempt) => attempt !== 'sent');
    expect(refused.length).toBeGreaterThan(0);
    for (const attempt of refused)
      expect(attempt).toMatch(/^retry, free: throttled: .*421 4\.7\.0 .*too many connections/);
    await until(() => relay.mails().length === 8);
    expect(new Set(relay.mails().map((mail) => /^Message-ID: (.*)$/m.exec(mail)?.[1])).size).toBe(8);
  });

  test('where SMTPUTF8 is offered, an internationalised address gets its email', async () => {
    await scene.enqueue(1, { to: { id: 'user-1', email: 'jörg@example.com' } });
    await scene.start({ port: relay.port, maxConnections: 1 });
    await until(all('sent'), patience);
    await until(() => relay.mails().some((mail) => mail.includes('jörg@example.com')));
  });
});

// Nothing of it was sent, so it goes over another connection at once: better than to put it off.
test('421 to the second email of a connection: it uses another one, and all arrive once', async () => {
  const anotherMail = conversation().slice(2);
  const relay = scene.use(
    await startSmtpScript((connection) =>
      connection === 1
        ? [...conversation(), { expect: /^MAIL FROM:/i, reply: '421 4.3.2 enough for one connection', then: 'end' }]
        : [...conversation(), ...anotherMail, ...anotherMail],
    ),
  );
  await scene.enqueue(3);
  await scene.start({ port: relay.port, maxConnections: 1 });
  await until(all('sent'), patience);
  expect((await scene.stories()).map((story) => story.attempts)).toEqual([['sent'], ['sent'], ['sent']]);
  expect([relay.messages().length, relay.connections().total]).toEqual([3, 2]);
});

describe('a line end or NUL is refused when it is enqueued, with its place and without its value, in', () => {
  const bad = ['a\r\nBcc: eve@evil.test', 'a\nb', 'a\u0000b'];
  const rows: [string, (text: string) => Record<string, unknown>][] = [
    ['an address', (text) => ({ to: { id: 'user-1', email: `${text}@example.com` } })],
    ['a name', (text) => ({ to: { id: 'user-1', email: 'ada@example.com', name: text } })],
    ['a group key', (text) => ({ groupKey: text })],
    ['the address for unsubscribing', (text) => ({ unsubscribeUrl: `https://acme.example/${text}` })],
    [
      'the name of a file',
      (text) => ({ attachments: [{ name: text, contentType: 'text/plain', content: Buffer.from('x') }] }),
    ],
  ];
  test.each(rows)('%s', async (_, more) => {
    for (const text of bad) await expect(scene.enqueue(1, more(text))).rejects.toThrow();
    expect(await scene.stories()).toEqual([]);
  });

  test('nothing but a label: that becomes one line of the subject', async () => {
    const relay = scene.use(await startSmtpScript(conversation()));
    await scene.enqueue(1, { labels: { who: 'x\r\nBcc: eve@evil.test' } });
    await scene.start({ port: relay.port });
    await until(all('sent'));
    const [head = ''] = (relay.messages()[0] ?? '').split('\r\n\r\n');
    expect(head).toMatch(/^Subject: Hello x Bcc: eve@evil\.test$/m);
    expect(head).not.toMatch(/^Bcc:/m);
  });
});

describe('a DKIM key', () => {
  const pem = (type: 'rsa' | 'ed25519') =>
    (type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519')).privateKey
      .export({ type: 'pkcs8', format: 'pem' })
      .toString();
  const dkim = (keyFile: string) => ({ domain: 'acme.example', selector: 'h1', keyFile });

  test.each([
    ['that is missing', null],
    ['of Ed25519', pem('ed25519')],
    ['that is none', 'garbage'],
  ])('%s is refused at the start', async (_, text) => {
    const keyFile = text === null ? join(folder, 'nowhere') : file('bad', text);
    await scene.enqueue();
    await expect(scene.start({ port: await freePort(), dkim: dkim(keyFile) })).rejects.toThrow(/smtp\.dkim\.keyFile/);
    expect(await scene.stories()).toMatchObject([{ status: 'pending', attempts: [] }]);
  });

  test.skipIf(sink.skip)(
    sink.name('that breaks later pauses the method; nothing leaves unsigned; once corrected, the method continues'),
    async () => {
      const relay = scene.use(await startSmtpSink([]));
      const good = pem('rsa');
      const keyFile = file('key', good);
      await scene.start({ port: relay.port, dkim: dkim(keyFile) });
      await scene.enqueue();
      await until(all('sent'), patience);
      writeFileSync(keyFile, 'garbage');
      // The file is looked at once a second: until then the old key signs.
      const paused = await until(
        async () => {
          await scene.enqueue();
          return (await scene.stories()).find((story) => story.paused !== null);
        },
        { ...patience, intervalMs: 300 },
      );
      expect(paused.paused).toBe('misconfigured');
      writeFileSync(keyFile, good);
      await until(
        async () => {
          await scene.hurry();
          return all('sent')();
        },
        { ...patience, intervalMs: 1000 },
      );
      await until(async () => relay.mails().length === (await scene.stories()).length);
      for (const mail of relay.mails()) expect(mail).toMatch(/^DKIM-Signature: v=1;/m);
    },
  );
});
