/** Who gets in, who may act, and what a browser is told. */
import { beforeEach, describe, expect, test } from 'vitest';
import { createConsole, serveConsole } from '../../src/console/index.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { listPauses, resumeMethod } from '../../src/operate/pause.ts';
import { useDatabase } from '../support/use-database.ts';
import { audits, createVisitor, origin, token } from './support.ts';

const database = useDatabase();
beforeEach(async () => {
  await resumeMethod(database.pool, { method: '*' });
  await database.pool.query('TRUNCATE herald.audit');
});

const paused = async () => (await listPauses(database.pool)).map((state) => state.method);
const pauseForm = { why: 'the relay moves' };

describe('with a token', () => {
  const byToken = () => createVisitor(database, { authorize: undefined as never, token });

  test('nobody sees anything before the login but the form, the style sheet and the script', async () => {
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

  test('the login leads to where one wanted to go, and its cookie is not the token', async () => {
    const visitor = byToken();
    const form = { token, name: 'Ada', next: '/messages?status=failed' };
    const answer = await visitor.visit('/login', { form });
    expect(answer.headers.get('location')).toBe('/messages?status=failed');
    const cookie = answer.headers.get('set-cookie') ?? '';
    expect(cookie).toMatch(/HttpOnly/);
    expect(cookie).toMatch(/SameSite=Strict/);
    expect(cookie).toMatch(/Path=\//);
    expect(decodeURIComponent(cookie)).not.toContain(token);
    expect(await visitor.see('/')).toContain('>Ada<');
    await visitor.submit('/methods/smtp/pause', pauseForm);
    expect(await audits(database)).toMatchObject([{ actor: 'Ada', action: 'pause', subject: 'smtp' }]);
    await visitor.submit('/logout');
    expect((await visitor.visit('/')).status).toBe(303);
  });

  test.each([
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    'javascript:alert(1)',
    '/x\r\nset-cookie: a=b',
  ])('the login does not lead to "%s"', async (next) => {
    const answer = await byToken().visit('/login', { form: { token, name: 'Ada', next } });
    expect(answer.headers.get('location')).toBe('/');
  });

  test('a wrong token, a forged and an expired session are refused, and guessing is slowed down', async () => {
    const visitor = byToken();
    expect((await visitor.visit('/login', { form: { token: `${token}r`, name: 'Ada' } })).status).toBe(403);
    const good = await visitor.visit('/login', { form: { token, name: 'Ada' } });
    const session = /herald_session=([^;]+)/.exec(good.headers.get('set-cookie') ?? '')?.[1] ?? '';
    const [until = '', ...rest] = session.split('.');
    for (const forged of [`${Number(until) + 1e9}.${rest.join('.')}`, `${session}x`, 'a.b.c.d', '']) {
      visitor.cookies.set('herald_session', forged);
      expect((await visitor.visit('/')).status).toBe(303);
    }
    let busy = '';
    for (let i = 0; i < 25; i += 1)
      busy = await (await visitor.visit('/login', { form: { token: 'guess', name: '' } })).text();
    expect(busy).toContain('wait a minute');
  });

  test('a program may use it as a bearer token, without form or cookie', async () => {
    const { visit } = byToken();
    const as = (given: string) => ({ authorization: `Bearer ${given}` });
    expect((await visit('/', { headers: as(token) })).status).toBe(200);
    expect((await visit('/', { headers: { ...as('guess'), accept: '*/*' } })).status).toBe(401);
    const answer = await visit('/methods/smtp/pause', { form: pauseForm, headers: as(token) });
    expect(answer.status).toBe(303);
    expect(await audits(database)).toMatchObject([{ actor: 'bearer token', why: 'the relay moves' }]);
  });
});

describe("behind the host's authentication", () => {
  test('it decides who gets in and who may only look, and names the actor', async () => {
    const visitor = createVisitor(database, {
      authorize: (request) => {
        const user = request.headers.get('x-user');
        return user === 'intern' ? { name: 'Intern', readOnly: true } : user;
      },
    });
    expect((await visitor.visit('/')).status).toBe(401);
    const as = (user: string) => ({ 'x-user': user });
    expect(await (await visitor.visit('/', { headers: as('intern') })).text()).not.toContain('Pause');
    expect((await visitor.submit('/methods/smtp/pause', pauseForm, as('intern'))).status).toBe(403);
    await visitor.visit('/', { headers: as('grace@example.com') });
    expect((await visitor.submit('/methods/smtp/pause', pauseForm, as('grace@example.com'))).status).toBe(303);
    expect(await audits(database)).toMatchObject([{ actor: 'grace@example.com' }]);
  });
});

describe('an action', () => {
  test('is refused from another site, and without the token of a form of ours', async () => {
    const visitor = createVisitor(database);
    await visitor.see('/');
    const hostile: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
      { 'sec-fetch-site': 'same-site', origin: 'https://other.console.example' },
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': 'same-origin', origin: 'null' },
      { 'sec-fetch-site': 'cross-site', origin },
    ];
    for (const headers of hostile)
      expect((await visitor.submit('/methods/smtp/pause', pauseForm, headers)).status).toBe(403);
    for (const form of ['', 'guess']) {
      const answer = await visitor.submit('/methods/smtp/pause', { ...pauseForm, form });
      expect(answer.status).toBe(403);
    }
    const stranger = createVisitor(database);
    await stranger.see('/');
    const foreign = await visitor.submit('/methods/smtp/pause', { ...pauseForm, form: stranger.formToken() });
    expect(foreign.status).toBe(403);
    expect(await paused()).toEqual([]);
    expect(await audits(database)).toEqual([]);
  });

  test('from a browser that does not say where it comes from must name our host as its origin', async () => {
    const visitor = createVisitor(database);
    await visitor.see('/');
    const send = (from: string) =>
      visitor.submit('/methods/smtp/pause', pauseForm, { 'sec-fetch-site': '', origin: from });
    for (const from of ['https://evil.example', 'null', 'http://console.example:81', ''])
      expect((await send(from)).status, from).toBe(403);
    expect(await paused()).toEqual([]);
    expect((await send(origin)).status).toBe(303);
    expect(await paused()).toEqual(['smtp']);
  });

  test('is refused by a read-only console, whatever it is', async () => {
    const visitor = createVisitor(database, { readOnly: true });
    const page = await visitor.see('/');
    expect(page).toContain('read-only');
    expect(page).not.toMatch(/<form method="post"/);
    for (const path of ['/methods/smtp/pause', '/methods/*/resume', '/messages/all/retry', '/anything'])
      expect((await visitor.submit(path, pauseForm)).status, path).toBe(403);
    expect(await paused()).toEqual([]);
  });

  test('needs a reason where others will wonder, and tells what it did once', async () => {
    const visitor = createVisitor(database);
    await visitor.see('/');
    expect((await visitor.submit('/methods/smtp/pause', { why: '  ' })).status).toBe(403);
    expect((await visitor.submit('/methods/telepathy/pause', pauseForm)).status).toBe(404);
    await visitor.submit('/methods/*/pause', pauseForm);
    expect(await paused()).toEqual(['*']);
    const page = await visitor.see('/');
    expect(page).toContain('Everything is paused.');
    expect(page).toContain('by Grace: the relay moves');
    expect(await visitor.see('/')).not.toContain('What is enqueued waits');
    await visitor.submit('/methods/*/resume');
    expect(await paused()).toEqual([]);
    expect((await audits(database)).map(({ action, subject, why }) => [action, subject, why])).toEqual([
      ['pause', '*', 'the relay moves'],
      ['resume', '*', null],
    ]);
  });
});

describe('every answer', () => {
  test('allows nothing from elsewhere and nothing inline, and is not kept', async () => {
    const { visit } = createVisitor(database);
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
    const { see } = createVisitor(database);
    for (const path of ['/', '/messages'])
      expect(await see(path)).not.toMatch(/<script(?! src=)|<style|\sstyle=|\son\w+=/);
  });

  test('of a database that is gone says what to do, and nothing of the error', async () => {
    const visitor = createVisitor(database, { pool: undefined as never, connectionString: `${database.url}_gone` });
    const answer = await visitor.visit('/messages');
    const text = await answer.text();
    await visitor.close();
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
    ['a short token', () => createConsole({ ...pool(), token: 'secret' }), /at least 16 characters/],
    ['no database', () => createConsole({ token }), /pool or connectionString/],
    ['a path that is none', () => createConsole({ ...pool(), token, basePath: 'admin' }), /"admin" is no path/],
  ])('are refused with %s', (_, create, message) => {
    expect(create).toThrow(ConfigurationError);
    expect(create).toThrow(message);
  });

  test('a base path goes before every address', async () => {
    const { visit } = createVisitor(database, { basePath: '/admin/herald/' });
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
  test('listens beyond loopback with a token only', async () => {
    await expect(serveConsole({ pool: database.pool, host: '0.0.0.0', port: 0 })).rejects.toThrow(/give a token/);
    const server = await serveConsole({ pool: database.pool, host: '127.0.0.1', port: 0, token });
    const answer = await fetch(server.url, { redirect: 'manual', headers: { accept: 'text/html' } });
    await server.close();
    expect(answer.status).toBe(303);
  });

  test('without a token answers on loopback names only, so that no page elsewhere can point its name at it', async () => {
    const server = await serveConsole({ pool: database.pool, port: 0, operator: 'ada' });
    try {
      expect((await fetch(server.url)).status).toBe(200);
      const { request } = await import('node:http');
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
