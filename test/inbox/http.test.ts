/** The routes of an inbox: whom they serve, what they refuse, and what they say. */
import { Pool } from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createInbox } from '../../src/inbox/index.ts';
import { brand, keepingLogger } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { call, noticeFile, notify, notifyAll, origin, serve, testInbox } from './support.ts';

const database = useDatabase({ templates: { greeting: noticeFile } });

test('lists, counts, marks and turns off, always for the reader whom authorize names', async () => {
  const inbox = testInbox(database.pool, { basePath: '/inbox/' });
  const [first = '', second = ''] = await notifyAll(database.pool, 'ada', ['1', '2']);
  await notifyAll(database.pool, 'bob', ['x']);
  const page = await call(inbox, '/inbox/items?limit=1');
  expect(page.status).toBe(200);
  expect(page.body).toMatchObject({
    items: [{ id: second, title: 'Hello 2' }],
    next: expect.any(String),
    unread: 2,
    unseen: 2,
  });
  expect(page.headers.get('cache-control')).toBe('no-store');
  const next = await call(inbox, `/inbox/items?limit=1&cursor=${String(page.body['next'])}`);
  expect(next.body).toMatchObject({ items: [{ id: first }], next: null });
  const ofSomebodyElse = await call(inbox, '/inbox/mark', { body: { as: 'read', ids: [first], reader: 'x' } });
  expect([ofSomebodyElse.status, ofSomebodyElse.body['error']]).toEqual([409, 'reload']);
  const { reader } = page.body;
  expect((await call(inbox, '/inbox/mark', { body: { as: 'read', ids: [first], reader } })).body).toEqual({
    ...{ reader: page.body['reader'], changed: 1, unread: 1, unseen: 1, cancelled: 0 },
  });
  expect((await call(inbox, '/inbox/mark', { body: { as: 'seen', asOf: page.body['token'] } })).body).toMatchObject({
    changed: 1,
    unseen: 0,
  });
  const { body } = await call(inbox, '/inbox/preferences', {
    body: { template: 'greeting', method: 'inbox', enabled: false },
  });
  expect(body['preferences']).toEqual([
    {
      template: 'greeting',
      group: 'Greetings',
      method: 'inbox',
      enabled: false,
      mandatory: false,
      decidedBy: 'preference',
    },
  ]);
  expect((await call(inbox, '/inbox/preferences')).body).toEqual(body);
  const bob = await call(inbox, '/inbox/count', { user: 'bob' });
  expect(bob.body).toMatchObject({ unread: 1, unseen: 1 });
  expect(bob.body['reader']).not.toBe(page.body['reader']);
});

describe('refuses', () => {
  const body = { as: 'read', target: '1' };
  test.each([
    [404, 'not_found', '/other', {}],
    [404, 'not_found', '/items/', {}],
    [405, 'method_not_allowed', '/mark', {}],
    [400, 'invalid', '/items?recipient=bob', {}],
    [400, 'invalid', '/items?status=all', {}],
    [400, 'invalid', '/items?limit=0', {}],
    [400, 'invalid', '/items?limit=1&limit=2', {}],
    [400, 'invalid', '/count?tenant=x', {}],
    [400, 'invalid', '/mark', { body: { ...body, recipientId: 'bob' } }],
    [400, 'invalid', '/mark', { body: { ...body, ids: [crypto.randomUUID()] } }],
    [400, 'invalid', '/mark', { body: [] }],
    [400, 'invalid', '/mark', { body: { as: 'read', target: 'a\u0000b' } }],
    [400, 'invalid', '/preferences', { body: { template: 'unknown', enabled: true } }],
    [409, 'reload', '/mark', { body: { as: 'read', asOf: 'old' } }],
    [413, 'too_large', '/mark', { body: { as: 'read', ids: Array.from({ length: 2000 }, () => crypto.randomUUID()) } }],
    [415, 'not_json', '/mark', { body, headers: { 'content-type': 'text/plain' } }],
    [415, 'not_json', '/mark', { body, headers: { 'content-type': 'application/jsonp' } }],
    [403, 'foreign_origin', '/mark', { body, headers: { 'sec-fetch-site': 'cross-site' } }],
    [
      403,
      'foreign_origin',
      '/mark',
      { body, headers: { 'sec-fetch-site': 'same-site', origin: 'https://evil.acme.example' } },
    ],
  ] as const)('with %i %s: %s %j', async (status, error, path, request) => {
    const answer = await call(testInbox(database.pool), path, request as Parameters<typeof call>[2]);
    expect(answer).toMatchObject({ status, body: { error, message: expect.any(String) } });
    expect(JSON.stringify(answer.body)).not.toContain('bob');
  });

  test('writes of browsers that name no site, unless their origin is the host or the public address', async () => {
    const send = async (headers: Record<string, string>) => {
      const inbox = testInbox(database.pool);
      const request = new Request('http://10.0.0.7:3000/mark', {
        method: 'POST',
        headers: { 'x-user': 'ada', 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
      return (await inbox.fetch(request)).status;
    };
    expect(await send({ origin })).toBe(200);
    expect(await send({ origin: 'http://10.0.0.7:3000', host: '10.0.0.7:3000' })).toBe(200);
    expect(await send({ origin: 'http://10.0.0.7', host: '10.0.0.7:3000' })).toBe(403);
    expect(await send({ origin: 'null' })).toBe(403);
    expect(await send({})).toBe(403);
  });

  test('whom authorize does not know, with its own response if it has one', async () => {
    const nobody = await testInbox(database.pool).fetch(new Request(`${origin}/items`));
    expect([nobody.status, await nobody.json()]).toMatchObject([401, { error: 'unauthorized' }]);
    const away = testInbox(database.pool, { authorize: () => Response.redirect(`${origin}/login`) });
    expect((await away.fetch(new Request(`${origin}/items`))).headers.get('location')).toBe(`${origin}/login`);
  });

  test('everybody, and says so in the log, while authorize names no reader or the database is away', async () => {
    const logger = keepingLogger();
    const odd = testInbox(database.pool, { logger, authorize: () => ({ recipientId: 7 }) as never });
    expect((await odd.fetch(new Request(`${origin}/items`))).status).toBe(500);
    const pool = new Pool({ connectionString: 'postgres://nobody@127.0.0.1:9/none', max: 2 });
    onTestFinished(() => pool.end());
    const away = await call(testInbox(pool, { logger }), '/items');
    expect(away).toMatchObject({ status: 503, body: { error: 'unavailable' } });
    expect(away.headers.get('retry-after')).toBe('5');
    expect(logger.lines.map(({ fields }) => fields)).toEqual([{ setting: 'authorize' }, { code: 'ECONNREFUSED' }]);
  });
});

test.each([
  ['pool: must be a pool', { pool: {} }],
  ['pool: must allow 2 connections', { pool: new Pool({ max: 1 }) }],
  ['authorize: must be a function', { authorize: undefined }],
  ['basePath: "inbox" is not a valid path', { basePath: 'inbox' }],
  ['brand.baseUrl', { brand: { appName: 'A', baseUrl: 'acme' } }],
])('does not start with a wrong option: %s', (message, wrong) => {
  expect(() => createInbox({ pool: database.pool, brand, authorize: () => null, ...(wrong as object) })).toThrow(
    message,
  );
});

test('on node:http a page reads, marks and follows; a body parser before it does no harm', async () => {
  const base = await serve(testInbox(database.pool));
  await notify(database.pool, 'nell', '1');
  const headers = { 'x-user': 'nell', 'content-type': 'application/json', origin: base };
  const page = (await (await fetch(`${base}/items`, { headers })).json()) as { token: string; items: unknown[] };
  expect(page.items).toHaveLength(1);
  const marked = await fetch(`${base}/mark`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ as: 'read', asOf: page.token }),
  });
  expect(await marked.json()).toMatchObject({ changed: 1, unread: 0 });
  const stream = await fetch(`${base}/stream?after=${page.token}`, { headers });
  expect(stream.headers.get('content-type')).toBe('text/event-stream');
  let text = '';
  for await (const chunk of stream.body ?? []) {
    text += Buffer.from(chunk).toString();
    if (text.includes('event: change')) break;
  }
  expect(text).toMatch(/^retry: 2000\n\nid: \S+\nevent: change\ndata: \{"reader"/);
});
