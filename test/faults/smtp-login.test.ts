/** The relay refuses our login. The method pauses for five minutes, since servers lock accounts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { startAiosmtpd } from '../support/aiosmtpd.ts';
import { certificateFiles } from '../support/certificates.ts';
import { missing, needing, pythonMissing } from '../support/daemons.ts';
import { conversation, startSmtpScript } from '../support/smtp-script.ts';
import { startSmtpSink } from '../support/smtp-sink.ts';
import { until } from '../support/wait.ts';
import { openScene, password } from './scene.ts';

const scene = openScene();
const python = needing(pythonMissing('aiosmtpd', 'python3-aiosmtpd'));
const sink = needing(missing('smtp-sink', 'postfix'));

const folder = mkdtempSync(join(tmpdir(), 'herald-login-'));
afterAll(() => rmSync(folder, { recursive: true }));
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const secure = { tls: 'starttls', caFile: certificateFiles.ca, servername: 'localhost' } as const;
const [greeting = {}] = conversation();

const loginFault = (detail: string, nextInSeconds: number) => ({
  status: 'pending',
  counted: 0,
  attempts: [`retry, free: authentication: ${detail}`],
  paused: 'authentication',
  nextInSeconds,
});

describe('a wrong password', () => {
  test.skipIf(python.skip)(python.name('pauses the method for five minutes and reaches no log'), async () => {
    const login = { user: 'acme', passwordFile: file('right', 'something else\n') };
    const relay = scene.use(await startAiosmtpd({ login, certificate: 'localhost' }));
    expect(await scene.deliver({ port: relay.port, ...secure, auth: { user: 'acme', password } })).toEqual(
      loginFault('the server did not accept the login: 535 5.7.8', 300),
    );
    expect([relay.logins(), relay.mails()]).toEqual([{ good: 0, bad: 1 }, []]);
    expect(scene.logger().lines.filter((line) => line.level === 'error')).toMatchObject([
      { message: expect.stringMatching(/^method paused/), fields: { reason: 'authentication' } },
    ]);
  });

  test.skipIf(python.skip)(
    python.name('for 20 messages makes a login per connection, not per message; the corrected file lets all 20 go'),
    async () => {
      const passwordFile = file('herald', 'wrong\n');
      const login = { user: 'acme', passwordFile: file('server', `${password}\n`) };
      const relay = scene.use(await startAiosmtpd({ login, certificate: 'localhost' }));
      await scene.enqueue(20);
      await scene.start({ port: relay.port, ...secure, maxConnections: 2, auth: { user: 'acme', passwordFile } });
      await until(async () => (await scene.stories()).every((story) => story.status === 'pending' && story.paused));
      const { bad } = relay.logins();
      expect(bad).toBeGreaterThan(0);
      // What was in flight when the first refusal came: twice the connections.
      expect(bad).toBeLessThanOrEqual(4);
      // Still wrong. Whatever was in flight may put the probe off once more after it was brought forward.
      await until(
        async () => {
          await scene.hurry();
          return relay.logins().bad > bad;
        },
        { intervalMs: 700 },
      );
      expect(relay.logins().bad).toBeLessThanOrEqual(bad + 2);
      writeFileSync(passwordFile, `${password}\n`);
      await until(
        async () => {
          await scene.hurry();
          return relay.mails().length === 20;
        },
        { timeoutMs: 30_000, intervalMs: 700 },
      );
      const stories = await until(async () => {
        const all = await scene.stories();
        return all.every((story) => story.status === 'sent') && all;
      });
      expect(stories.every((story) => story.counted === 1 && story.paused === null)).toBe(true);
      expect(new Set(relay.mails().map((each) => each.to[0])).size).toBe(20);
      expect(relay.mails().every((each) => each.tls && each.user !== null)).toBe(true);
    },
  );
});

test('a login that is refused for now is tried again sooner', async () => {
  const relay = scene.use(
    await startSmtpScript([
      greeting,
      { expect: /^EHLO /i, reply: '250-mx.test\r\n250 AUTH PLAIN' },
      { expect: /^AUTH PLAIN/i, reply: '454 4.7.0 temporary authentication failure' },
    ]),
  );
  expect(await scene.deliver({ port: relay.port, auth: { user: 'acme', password } })).toEqual(
    loginFault('the server did not accept the login: 454 4.7.0', 30),
  );
});

describe('a login is configured, and AUTH is not offered', () => {
  test('by a server that refuses it then: nothing goes out without a login', async () => {
    const relay = scene.use(
      await startSmtpScript([...conversation().slice(0, 2), { expect: /^AUTH /i, reply: '502 5.5.1 no AUTH here' }]),
    );
    expect(await scene.deliver({ port: relay.port, auth: { user: 'acme', password } })).toEqual(
      loginFault('the server did not accept the login', 300),
    );
    expect(relay.lines().filter((line) => /^(MAIL|AUTH)/.test(line))).toEqual([]);
  });

  test.skipIf(sink.skip)(sink.name('by smtp-sink: no AUTH is sent, and no message'), async () => {
    const relay = scene.use(await startSmtpSink(['-a']));
    const story = await scene.deliver({ port: relay.port, auth: { user: 'acme', password } });
    expect(story).toEqual(loginFault('the server did not accept the login', 300));
    expect(relay.commands().filter((line) => /^(AUTH|MAIL)/.test(line))).toEqual([]);
  });
});

describe('the relay demands a login', () => {
  test.each([
    '530 5.7.0 authentication required',
    '550 5.7.57 client was not authenticated',
    '550 5.7.60 SendAsDenied',
  ])('and says %s to MAIL', async (reply) => {
    const relay = scene.use(await startSmtpScript(conversation({ mail: { reply } })));
    expect(await scene.deliver({ port: relay.port })).toEqual(
      loginFault(`the server demands a login or another sender: ${reply}`, 300),
    );
    expect(relay.messages()).toEqual([]);
  });

  test('and says so to RCPT: only evidence can tell that from a refusal of the recipient', async () => {
    const reply = '530 5.7.57 client was not authenticated';
    const relay = scene.use(await startSmtpScript(conversation({ recipient: { reply } })));
    expect(await scene.deliver({ port: relay.port })).toMatchObject({
      status: 'pending',
      counted: 1,
      attempts: [`retry: authentication: RCPT TO: ${reply}`],
      paused: null,
    });
  });
});
