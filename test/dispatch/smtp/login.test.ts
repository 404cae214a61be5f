/** Logins by access token, and credentials that change while the method runs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type SmtpOptions, smtp } from '../../../src/dispatch/smtp/smtp.ts';
import { conversation, startSmtpScript } from '../../support/smtp-script.ts';
import { type SmtpServerOptions, startSmtpServer } from '../../support/smtp-server.ts';
import { type Answer, closedPort, context, delivery, startReceiver } from '../support.ts';

const closing: (() => Promise<unknown> | undefined)[] = [];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'herald-login-'));
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true });
});

const from = { address: 'noreply@acme.example' };

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

async function senderTo(port: number, options: Partial<SmtpOptions>) {
  const dispatcher = smtp({ host: '127.0.0.1', port, tls: 'none', from, ...options });
  await dispatcher.start?.({ method: 'smtp', pool: null as never, logger: context().logger });
  closing.push(() => dispatcher.close?.());
  return (messageId = delivery().messageId) => dispatcher.dispatch(delivery({ method: 'smtp', messageId }), context());
}

async function relayWith(server: SmtpServerOptions) {
  const relay = await startSmtpServer(server);
  closing.push(() => relay.close());
  return relay;
}

const json =
  (answer: (count: number) => { status?: number; body: object }): Answer =>
  (response, _request, count) => {
    const { status = 200, body } = answer(count);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };

async function endpoint(answer: Parameters<typeof json>[0]) {
  const receiver = await startReceiver(json(answer));
  closing.push(() => receiver.close());
  return {
    ...receiver,
    forms: () => receiver.received.map(({ body }) => Object.fromEntries(new URLSearchParams(body))),
  };
}

const token = (count: number) => ({ body: { access_token: `token-${count}`, token_type: 'Bearer', expires_in: 3600 } });

describe('XOAUTH2', () => {
  test('logs in with a token of client credentials, which all connections share', async () => {
    const tokens = await endpoint(token);
    const relay = await relayWith({ auth: { user: 'mailer@acme.example', password: 'token-1', methods: ['XOAUTH2'] } });
    const oauth2 = {
      tokenUrl: tokens.url,
      clientId: 'herald',
      clientSecretFile: file('secret', 'hush\n'),
      scope: 'https://outlook.office365.com/.default',
    };
    const send = await senderTo(relay.port, { auth: { user: 'mailer@acme.example', oauth2 }, maxConnections: 3 });
    const results = await Promise.all([send(), send(), send()]);
    expect(results.map(({ outcome }) => outcome)).toEqual(['sent', 'sent', 'sent']);
    expect(relay.received()[0]?.user).toBe('mailer@acme.example');
    expect(tokens.forms()).toEqual([
      {
        grant_type: 'client_credentials',
        client_id: 'herald',
        client_secret: 'hush',
        scope: 'https://outlook.office365.com/.default',
      },
    ]);
  });

  test('uses a refresh token, and the one that replaces it', async () => {
    const tokens = await endpoint((count) => ({
      body: { access_token: `token-${count}`, expires_in: 0.001, refresh_token: `refresh-${count}` },
    }));
    let logins = 0;
    const relay = await relayWith({
      auth: { user: 'u', password: () => `token-${++logins}`, methods: ['XOAUTH2'] },
    });
    const oauth2 = { tokenUrl: tokens.url, clientId: 'herald', refreshTokenFile: file('refresh', 'first') };
    const options = { auth: { user: 'u', oauth2 }, maxConnections: 1 };
    const send = await senderTo(relay.port, options);
    expect(await send()).toMatchObject({ outcome: 'sent' });
    // The next connection comes after the token's end, and asks for another.
    await relay.close();
    const again = await startSmtpServer({
      port: relay.port,
      auth: { user: 'u', password: () => `token-${++logins}`, methods: ['XOAUTH2'] },
    });
    closing.push(() => again.close());
    expect(await send()).toMatchObject({ outcome: 'sent' });
    expect(tokens.forms().map(({ grant_type, refresh_token }) => [grant_type, refresh_token])).toEqual([
      ['refresh_token', 'first'],
      ['refresh_token', 'refresh-1'],
    ]);
  });

  test('asks for a new token, once, when the server refuses the one in force', async () => {
    const tokens = await endpoint(token);
    const shown: (string | undefined)[] = [];
    const relay = await relayWith({
      auth: { user: 'u', password: 'token-2', methods: ['XOAUTH2'] },
      onLogin: (secret) => void shown.push(secret),
    });
    const oauth2 = { tokenUrl: tokens.url, clientId: 'herald', clientSecret: 'hush' };
    const send = await senderTo(relay.port, { auth: { user: 'u', oauth2 } });
    expect(await send()).toMatchObject({ outcome: 'sent' });
    expect(shown).toEqual(['token-1', 'token-2']);
  });

  test('asks for a new token when the server refuses the one in force in several lines', async () => {
    const tokens = await endpoint(token);
    const tokenOf = (line: string) =>
      /Bearer (\S+)\u0001\u0001$/.exec(Buffer.from(line.split(' ')[2] ?? '', 'base64').toString())?.[1];
    const relay = await startSmtpScript(() => [
      ...conversation({ ehlo: { reply: '250-mx.test\r\n250 AUTH XOAUTH2' } }).slice(0, 2),
      { expect: /^AUTH XOAUTH2 /, reply: '535-5.7.8 Username and Password not accepted.\r\n535 5.7.8 Learn more' },
      { expect: /^AUTH XOAUTH2 /, reply: '235-2.7.0 hello\r\n235 2.7.0 Accepted' },
      ...conversation().slice(2),
    ]);
    closing.push(() => relay.close());
    const oauth2 = { tokenUrl: tokens.url, clientId: 'herald', clientSecret: 'hush' };
    const send = await senderTo(relay.port, { auth: { user: 'u', oauth2 } });
    expect(await send()).toMatchObject({ outcome: 'sent' });
    const logins = relay.lines().filter((line) => line.startsWith('AUTH'));
    expect(logins.map(tokenOf)).toEqual(['token-1', 'token-2']);
  });

  test('follows a server that gives its reasons first, and does not hammer it', async () => {
    const tokens = await endpoint(token);
    const refused = { reply: '535 5.7.3 Authentication unsuccessful' };
    const relay = await startSmtpScript(() => [
      ...conversation({ ehlo: { reply: '250-mx.test\r\n250 AUTH XOAUTH2' } }).slice(0, 2),
      { expect: /^AUTH XOAUTH2 /, reply: '334 eyJzdGF0dXMiOiI0MDEifQ==' },
      { expect: /^$/, ...refused },
      { expect: /^AUTH XOAUTH2 /, ...refused },
    ]);
    closing.push(() => relay.close());
    const oauth2 = { tokenUrl: tokens.url, clientId: 'herald', clientSecret: 'hush' };
    const send = await senderTo(relay.port, { auth: { user: 'u', oauth2 } });
    const result = await send();
    expect(result).toMatchObject({
      outcome: 'retry',
      pauseMethod: true,
      reason: 'authentication',
      retryAfterSeconds: 300,
      reply: { code: '535', enhanced: '5.7.3' },
    });
    expect(relay.departures()).toEqual([]);
    expect(relay.lines().filter((line) => line.startsWith('AUTH'))).toHaveLength(2);
    expect(tokens.received).toHaveLength(2);
    expect(JSON.stringify(result)).not.toMatch(/token-|hush/);
  });

  test.each<[string, Parameters<typeof json>[0], RegExp]>([
    [
      'an expired grant',
      () => ({ status: 400, body: { error: 'invalid_grant', error_description: 'AADSTS700082 for ada@example.com' } }),
      /^OAuth2 token: the token endpoint answered HTTP 400 invalid_grant$/,
    ],
    ['no token', () => ({ body: { hello: 1 } }), /^OAuth2 token: the token endpoint answered without an access token$/],
    [
      'a token that would break the line',
      () => ({ body: { access_token: 'a\r\nQUIT' } }),
      /^OAuth2 token: the token endpoint answered without/,
    ],
  ])('with %s is a fault of the method, and nothing secret is told', async (_, answer, detail) => {
    const tokens = await endpoint(answer);
    const relay = await relayWith({ auth: { user: 'u', password: 'x', methods: ['XOAUTH2'] } });
    const oauth2 = { tokenUrl: tokens.url, clientId: 'herald', refreshToken: 'sesame' };
    const send = await senderTo(relay.port, { auth: { user: 'u', oauth2 } });
    const result = await send();
    expect(result).toMatchObject({ outcome: 'retry', pauseMethod: true, reason: 'authentication' });
    expect(result.detail).toMatch(detail);
    expect(JSON.stringify(result)).not.toMatch(/sesame|ada@|QUIT/);
    expect(relay.count()).toBe(0);
  });

  test('with an endpoint that is down is a fault of the method, and the endpoint is left alone for a while', async () => {
    const port = await closedPort();
    const relay = await relayWith({ auth: { user: 'u', password: 'x', methods: ['XOAUTH2'] } });
    const oauth2 = { tokenUrl: `http://127.0.0.1:${port}/token`, clientId: 'herald', clientSecret: 'hush' };
    const send = await senderTo(relay.port, { auth: { user: 'u', oauth2 } });
    const unreachable = { pauseMethod: true, detail: 'OAuth2 token: the token endpoint could not be reached' };
    expect(await send()).toMatchObject(unreachable);
    const late = await startReceiver(json(token));
    closing.push(() => late.close());
    expect(await send()).toMatchObject(unreachable);
    expect(late.received).toEqual([]);
  });

  test.each<[string, SmtpOptions['auth'], RegExp]>([
    [
      'a token endpoint without TLS',
      { user: 'u', oauth2: { tokenUrl: 'http://login.example/token', clientId: 'c', clientSecret: 's' } },
      /^smtp\.auth\.oauth2\.tokenUrl: must be an https: URL/,
    ],
    [
      'nothing to prove who we are',
      { user: 'u', oauth2: { tokenUrl: 'https://login.example/token', clientId: 'c' } },
      /^smtp\.auth\.oauth2: needs clientSecret/,
    ],
    [
      'a password beside it',
      { user: 'u', password: 'p', oauth2: { tokenUrl: 'https://login.example/t', clientId: 'c', clientSecret: 's' } },
      /^smtp\.auth: needs either/,
    ],
  ])('is refused with %s', (_, auth, message) => {
    expect(() => smtp({ host: 'mail.example', from, ...(auth && { auth }) })).toThrow(message);
  });
});

describe('a password file', () => {
  test('that was corrected a moment ago is read again when the login is refused', async () => {
    const relay = await relayWith({ auth: { user: 'u', password: 'right' } });
    const passwordFile = file('password', 'wrong');
    const send = await senderTo(relay.port, { auth: { user: 'u', passwordFile } });
    expect(await send()).toMatchObject({ outcome: 'retry', pauseMethod: true, reason: 'authentication' });
    // Within the second in which the file is not read again without a reason.
    writeFileSync(passwordFile, 'right\n');
    expect(await send()).toMatchObject({ outcome: 'sent' });
  });

  test('with a wrong password costs one login per connection, not one per message', async () => {
    let logins = 0;
    const relay = await relayWith({ auth: { user: 'u', password: 'right' }, onLogin: () => void logins++ });
    const send = await senderTo(relay.port, {
      auth: { user: 'u', passwordFile: file('password', 'wrong') },
      maxConnections: 2,
    });
    const results = await Promise.all(Array.from({ length: 20 }, () => send()));
    for (const result of results) expect(result).toMatchObject({ pauseMethod: true, reason: 'authentication' });
    expect(logins).toBeLessThanOrEqual(2);
  });
});
