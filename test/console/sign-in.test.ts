/** Sessions, and guesses of the token. */
import { describe, expect, test } from 'vitest';
import { createConsole, nodeListener } from '../../src/console/index.ts';
import { createGuessLimiter } from '../../src/console/guess-limiter.ts';
import { createClient, token, useConsoleDatabase } from './support.ts';

const database = useConsoleDatabase();
const byToken = { authorize: undefined as never, token };

/** A console that learns each client's address from the test. */
function behindServer() {
  const served = createConsole({ pool: database.pool, token });
  const send = (address: string | undefined, init: RequestInit & { path?: string }) => {
    const { path = '/login', ...more } = init;
    return served.fetch(new Request(`http://console.example${path}`, more), address === undefined ? {} : { address });
  };
  return {
    signIn: (address: string | undefined, given: string, headers: Record<string, string> = {}) =>
      send(address, {
        method: 'POST',
        headers: { 'sec-fetch-site': 'same-origin', ...headers },
        body: new URLSearchParams({ token: given, name: 'Ada' }),
      }),
    bearer: (address: string | undefined, given: string) =>
      send(address, { path: '/', headers: { authorization: `Bearer ${given}` } }),
  };
}

describe('a session', () => {
  test('ends for every copy of its cookie, on every replica, when its operator signs out', async () => {
    const [one, other] = [createClient(database, byToken), createClient(database, byToken)];
    await one.visit('/login', { form: { token, name: 'Ada' } });
    const copied = one.cookies.get('herald_session') ?? '';
    other.cookies.set('herald_session', copied);
    expect((await other.visit('/')).status).toBe(200);
    await one.submit('/logout');
    expect((await other.visit('/')).status).toBe(303);
    one.cookies.set('herald_session', copied);
    expect((await one.visit('/messages')).status).toBe(303);
  });

  test('does not end with another session of the same operator', async () => {
    const [one, other] = [createClient(database, byToken), createClient(database, byToken)];
    for (const client of [one, other]) await client.visit('/login', { form: { token, name: 'Ada' } });
    await one.submit('/logout');
    expect((await other.visit('/')).status).toBe(200);
  });
});

describe('guesses of the token', () => {
  test('from one address are refused after ten, without comparing them, and from others are not', async () => {
    const { signIn, bearer } = behindServer();
    for (let n = 0; n < 10; n += 1) expect((await signIn('198.51.100.7', 'guess')).status).toBe(403);
    const blocked = await signIn('198.51.100.7', token);
    expect(await blocked.text()).toContain('wait a minute');
    expect((await bearer('198.51.100.7', token)).status).toBe(429);
    expect((await signIn('198.51.100.8', token)).status).toBe(303);
    expect((await bearer('198.51.100.8', token)).status).toBe(200);
  });

  test('as bearer tokens count like those of the form', async () => {
    const { bearer } = behindServer();
    const statuses: number[] = [];
    for (let n = 0; n < 12; n += 1) statuses.push((await bearer('203.0.113.9', `guess ${n}`)).status);
    expect(statuses).toEqual([...Array<number>(10).fill(401), 429, 429]);
  });

  test('from many addresses do not lock out an operator who has the right one', async () => {
    const { signIn, bearer } = behindServer();
    for (let n = 0; n < 100; n += 1) await signIn(`203.0.113.${n}`, 'guess');
    expect((await signIn('192.0.2.1', token)).status).toBe(303);
    expect((await bearer('192.0.2.2', token)).status).toBe(200);
    expect((await signIn(undefined, token)).status).toBe(303);
  });

  test('through a local proxy that is not trusted do not lock out an operator', async () => {
    const { signIn } = behindServer();
    const proxied = { 'x-forwarded-for': '203.0.113.5' };
    for (let n = 0; n < 30; n += 1) await signIn('127.0.0.1', 'guess', proxied);
    expect((await signIn('127.0.0.1', token, { 'x-forwarded-for': '192.0.2.1' })).status).toBe(303);
  });

  test('through a trusted proxy count by the address that it adds', async () => {
    const served = createConsole({ pool: database.pool, token, trustProxy: true });
    const signIn = (chain: string, given: string) =>
      served.fetch(
        new Request('http://console.example/login', {
          method: 'POST',
          headers: { 'sec-fetch-site': 'same-origin', 'x-forwarded-for': chain },
          body: new URLSearchParams({ token: given, name: 'Ada' }),
        }),
        { address: '10.0.0.1' },
      );
    for (let n = 0; n < 11; n += 1) await signIn(`192.0.2.${n}, 203.0.113.5`, 'guess');
    expect((await signIn('192.0.2.99, 203.0.113.5', token)).status).toBe(403);
    expect((await signIn('203.0.113.5, 192.0.2.1', token)).status).toBe(303);
  });

  test.each([
    ['198.51.100.7', '::ffff:198.51.100.7'],
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff'],
    ['2001:db8::1', '2001:db8:0:0:1::'],
  ])('from %s and %s count together', (one, other) => {
    const limiter = createGuessLimiter();
    for (let n = 0; n < 10; n += 1) limiter.recordFailure(n % 2 === 0 ? one : other);
    expect([limiter.isBlocked(one), limiter.isBlocked(other)]).toEqual([true, true]);
    expect(limiter.isBlocked('2001:db8:1:3::1')).toBe(false);
  });

  test('may be tried again after a minute, and are remembered for a bounded number of addresses', () => {
    let now = 0;
    const limiter = createGuessLimiter(() => now);
    for (let n = 0; n < 10; n += 1) limiter.recordFailure('198.51.100.7');
    expect(limiter.isBlocked('198.51.100.7')).toBe(true);
    now = 60_001;
    expect([limiter.isBlocked('198.51.100.7'), limiter.isBusy()]).toEqual([false, false]);
    for (let n = 0; n < 50_000; n += 1) limiter.recordFailure(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
    expect(limiter.isBusy()).toBe(true);
  });

  test('are counted by the address of the connection in a server of its own', async () => {
    const { createServer } = await import('node:http');
    const server = createServer(nodeListener(createConsole({ pool: database.pool, token })));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`;
    const bearer = (given: string) => fetch(url, { headers: { authorization: `Bearer ${given}` } });
    for (let n = 0; n < 10; n += 1) await bearer('guess');
    expect((await bearer(token)).status).toBe(429);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
});
