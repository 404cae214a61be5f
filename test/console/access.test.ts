/** Authentication, the right to act, and security headers. */
import { request } from 'node:http';
import { beforeEach, describe, expect, test } from 'vitest';
import { createConsole, serveConsole } from '../../src/console/index.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { listPauses, resumeMethod } from '../../src/operate/pause.ts';
import { audits, createClient, origin, token, useConsoleDatabase } from './support.ts';

const database = useConsoleDatabase();
beforeEach(async () => {
  await resumeMethod(database.pool, { method: '*' });
  await database.pool.query('TRUNCATE herald.audit');
});

const paused = async () => (await listPauses(database.pool)).map((state) => state.method);
const pauseForm = { why: 'the relay moves' };

describe('with a token', () => {
  const byToken = () => createClient(database, { authorize: undefined as never, token });

  test('before the sign-in only the form, the style sheet and the script are served', async () => {
    const { visit } = byToken();
    const answer = await visit('/messages?status=failed');
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe('/login?next=%2Fmessages%3Fstatus%3Dfailed');
    for (const path of ['/', '/messages', '/live', '/no-such-page'])
      expect((await visit(path, { headers: { accept: '*/*' } })).status, path).toBe(401);
    expect((await visit('/assets/console.css')).status).toBe(200);
    expect((await visit('/assets/console.js')).status).toBe(200);
    expect((await visit('/assets/../console.ts')).status).not.toBe(200);
  });

  test('the sign-in leads to the requested page, and its cookie is not the token', async () => {
    const client = byToken();
    const form = { token, name: 'Ada', next: '/messages?status=failed' };
    const answer = await client.visit('/login', { form });
    expect(answer.headers.get('location')).toBe('/messages?status=failed');
    const cookie = answer.headers.get('set-cookie') ?? '';
    expect(cookie).toMatch(/HttpOnly/);
    expect(cookie).toMatch(/SameSite=Strict/);
    expect(cookie).toMatch(/Path=\//);
    expect(decodeURIComponent(cookie)).not.toContain(token);
    expect(await client.see('/')).toContain('>Ada<');
    await client.submit('/methods/smtp/pause', pauseForm);
    expect(await audits(database)).toMatchObject([{ actor: 'Ada', action: 'pause', subject: 'smtp' }]);
    await client.submit('/logout');
    expect((await client.visit('/')).status).toBe(303);
  });

  test.each([
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    'javascript:alert(1)',
    '/x\r\nset-cookie: a=b',
  ])('the sign-in does not lead to "%s"', async (next) => {
    const answer = await byToken().visit('/login', { form: { token, name: 'Ada', next } });
    expect(answer.headers.get('location')).toBe('/');
  });

  test('a wrong token, a forged and an expired session are refused, and guessing is slowed down', async () => {
    const client = byToken();
    expect((await client.visit('/login', { form: { token: `${token}r`, name: 'Ada' } })).status).toBe(403);
    const good = await client.visit('/login', { form: { token, name: 'Ada' } });
    const session = /herald_session=([^;]+)/.exec(good.headers.get('set-cookie') ?? '')?.[1] ?? '';
    const [until = '', ...rest] = session.split('.');
    for (const forged of [`${Number(until) + 1e9}.${rest.join('.')}`, `${session}x`, 'a.b.c.d', '']) {
      client.cookies.set('herald_session', forged);
      expect((await client.visit('/')).status).toBe(303);
    }
    let busy = '';
    for (let i = 0; i < 25; i += 1)
      busy = await (await client.visit('/login', { form: { token: 'guess', name: '' } })).text();
    expect(busy).toContain('wait a minute');
  });

  test('a program may send it as a bearer token, without form or cookie', async () => {
    const { visit } = byToken();
    const as = (given: string) => ({ authorization: `Bearer ${given}` });
    expect((await visit('/', { headers: as(token) })).status).toBe(200);
    expect((await visit('/', { headers: { ...as('guess'), accept: '*/*' } })).status).toBe(401);
    const answer = await visit('/methods/smtp/pause', { form: pauseForm, headers: as(token) });
    expect(answer.status).toBe(303);
    expect(await audits(database)).toMatchObject([{ actor: 'bearer token', why: 'the relay moves' }]);
  });
});

describe("with the host's own authentication", () => {
  test('decides who gets in and who may only read, and names the actor', async () => {
    const client = createClient(database, {
      authorize: (request) => {
        const user = request.headers.get('x-user');
        return user === 'intern' ? { name: 'Intern', readOnly: true } : user;
      },
    });
    expect((await client.visit('/')).status).toBe(401);
    const as = (user: string) => ({ 'x-user': user });
    expect(await (await client.visit('/', { headers: as('intern') })).text()).not.toContain('Pause');
    expect((await client.submit('/methods/smtp/pause', pauseForm, as('intern'))).status).toBe(403);
    await client.visit('/suppressions', { headers: as('grace@example.com') });
    expect((await client.submit('/methods/smtp/pause', pauseForm, as('grace@example.com'))).status).toBe(303);
    expect(await audits(database)).toMatchObject([{ actor: 'grace@example.com' }]);
  });
});

describe("with the host's own sign-in", () => {
  test('a request without a user gets what the host answers, a redirect for example, and sees nothing', async () => {
    const login = 'https://app.example/login?next=%2Fadmin%2Fherald';
    const client = createClient(database, {
      authorize: (request) => request.headers.get('x-user') ?? Response.redirect(login, 302),
    });
    const answer = await client.visit('/messages');
    expect([answer.status, answer.headers.get('location'), await answer.text()]).toEqual([302, login, '']);
    expect((await client.submit('/methods/smtp/pause', pauseForm)).status).toBe(302);
    expect((await client.visit('/live')).status).toBe(302);
    expect(await audits(database)).toEqual([]);
    expect((await client.visit('/messages', { headers: { 'x-user': 'Ada' } })).status).toBe(200);
  });
});

describe('an action', () => {
  test('is refused from another site, and without the token of a form of ours', async () => {
    const client = createClient(database);
    await client.see('/suppressions');
    const hostile: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
      { 'sec-fetch-site': 'same-site', origin: 'https://other.console.example' },
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': 'same-origin', origin: 'null' },
      { 'sec-fetch-site': 'cross-site', origin },
    ];
    for (const headers of hostile)
      expect((await client.submit('/methods/smtp/pause', pauseForm, headers)).status).toBe(403);
    for (const form of ['', 'guess']) {
      const answer = await client.submit('/methods/smtp/pause', { ...pauseForm, form });
      expect(answer.status).toBe(403);
    }
    const stranger = createClient(database);
    await stranger.see('/suppressions');
    const foreign = await client.submit('/methods/smtp/pause', { ...pauseForm, form: stranger.formToken() });
    expect(foreign.status).toBe(403);
    expect(await paused()).toEqual([]);
    expect(await audits(database)).toEqual([]);
  });

  test('from a browser that does not say where it comes from must name our host as its origin', async () => {
    const client = createClient(database);
    await client.see('/suppressions');
    const send = (from: string) =>
      client.submit('/methods/smtp/pause', pauseForm, { 'sec-fetch-site': '', origin: from });
    for (const from of ['https://evil.example', 'null', 'http://console.example:81', ''])
      expect((await send(from)).status, from).toBe(403);
    expect(await paused()).toEqual([]);
    expect((await send(origin)).status).toBe(303);
    expect(await paused()).toEqual(['smtp']);
  });

  test('is refused by a read-only console, whatever it is', async () => {
    const client = createClient(database, { readOnly: true });
    const page = await client.see('/');
    expect(page).toContain('read-only');
    expect(page).not.toMatch(/<form method="post"/);
    for (const path of ['/methods/smtp/pause', '/methods/*/resume', '/messages/all/retry', '/anything'])
      expect((await client.submit(path, pauseForm)).status, path).toBe(403);
    expect(await paused()).toEqual([]);
  });

  test('requires a reason to pause, and says once what it did', async () => {
    const client = createClient(database);
    await client.see('/suppressions');
    expect((await client.submit('/methods/smtp/pause', { why: '  ' })).status).toBe(403);
    expect((await client.submit('/methods/telepathy/pause', pauseForm)).status).toBe(404);
    await client.submit('/methods/*/pause', pauseForm);
    expect(await paused()).toEqual(['*']);
    const page = await client.see('/');
    expect(page).toContain('Everything is paused.');
    expect(page).toContain('by Grace: the relay moves');
    expect(await client.see('/')).not.toContain('New messages wait');
    await client.submit('/methods/*/resume');
    expect(await paused()).toEqual([]);
    expect((await audits(database)).map(({ action, subject, why }) => [action, subject, why])).toEqual([
      ['pause', '*', 'the relay moves'],
      ['resume', '*', null],
    ]);
  });
});

describe('every answer', () => {
  test('allows nothing from elsewhere and nothing inline, and is not cached', async () => {
    const { visit } = createClient(database);
    for (const path of ['/', '/messages', '/no-such-page']) {
      const { headers } = await visit(path);
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|https?:|\*/);
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('same-origin');
    }
  });

  test('holds no inline script, style or handler', async () => {
    const { see } = createClient(database);
    for (const path of ['/', '/messages'])
      expect(await see(path)).not.toMatch(/<script(?! src=)|<style|\sstyle=|\son\w+=/);
  });

  test('for a database that is gone says what to do, and nothing of the error', async () => {
    const client = createClient(database, { pool: undefined as never, connectionString: `${database.url}_gone` });
    const answer = await client.visit('/messages');
    const text = await answer.text();
    await client.close();
    expect(answer.status).toBe(503);
    expect(text).toContain('pg-herald doctor');
    expect(text).not.toMatch(/_gone|does not exist|postgres:/);
  });
});

describe('the options', () => {
  const pool = () => ({ pool: database.pool });
  test.each([
    ['neither a token nor authorize', () => createConsole(pool()), /authorize.*never open/],
    ['both', () => createConsole({ ...pool(), token, authorize: () => 'x' }), /either authorize or token/],
    ['a short token', () => createConsole({ ...pool(), token: 'secret' }), /at least 32 characters/],
    ['no database', () => createConsole({ token }), /pool or connectionString/],
    [
      'a path that is none',
      () => createConsole({ ...pool(), token, basePath: 'admin' }),
      /"admin" is not a valid path/,
    ],
  ])('are refused with %s', (_, create, message) => {
    expect(create).toThrow(ConfigurationError);
    expect(create).toThrow(message);
  });

  test('a base path goes before every address', async () => {
    const { visit } = createClient(database, { basePath: '/admin/herald/' });
    expect((await visit('/')).status).toBe(404);
    for (const path of ['/admin/herald', '/admin/herald/']) {
      const text = await (await visit(path)).text();
      const addresses = [...text.matchAll(/(?:href|src|action|data-live-url)="([^"#]+)"/g)].map((match) => match[1]);
      expect(addresses.length).toBeGreaterThan(8);
      expect(addresses.filter((address) => !address?.startsWith('/admin/herald'))).toEqual([]);
    }
  });
});

describe('a server of its own', () => {
  test('listens beyond loopback only with a token', async () => {
    await expect(serveConsole({ pool: database.pool, host: '0.0.0.0', port: 0 })).rejects.toThrow(/give a token/);
    const server = await serveConsole({ pool: database.pool, host: '127.0.0.1', port: 0, token });
    const answer = await fetch(server.url, { redirect: 'manual', headers: { accept: 'text/html' } });
    await server.close();
    expect(answer.status).toBe(303);
  });

  test('without a token accepts only loopback names, so that no site can point its own name at it', async () => {
    const server = await serveConsole({ pool: database.pool, port: 0, operator: 'ada' });
    try {
      expect((await fetch(server.url)).status).toBe(200);
      const status = await new Promise((resolve, reject) => {
        request(server.url, { headers: { host: 'evil.example' } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .on('error', reject)
          .end();
      });
      expect(status).toBe(401);
    } finally {
      await server.close();
    }
  });
});

describe('before anyone is authenticated', () => {
  test('a sign-in form without a length is read up to its limit', async () => {
    const server = await serveConsole({ pool: database.pool, port: 0, token });
    const post = (text: string) =>
      fetch(`${server.url}login`, {
        method: 'POST',
        redirect: 'manual',
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' },
        body: new Blob([text]).stream(),
        duplex: 'half',
      } as RequestInit);
    const form = new URLSearchParams({ token, name: 'Ada' }).toString();
    const answers = [await post(form), await post(`${form}&filler=${'x'.repeat(20_000)}`)];
    await server.close();
    expect(answers.map((answer) => answer.status)).toEqual([303, 413]);
  });
});
