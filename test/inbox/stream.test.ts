/** Open streams tell every change once, to whom it belongs, wherever the page comes back. */
import { Client, Pool } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { transaction } from '../../src/database/pool.ts';
import { createItemRenderer } from '../../src/inbox/render-items.ts';
import { createStreams, type StreamsOptions } from '../../src/inbox/stream/streams.ts';
import { brand } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';
import { items, noticeFile, notify, notifyAll, openStream, testInbox } from './support.ts';

const database = useDatabase({ templates: { greeting: noticeFile } });
const told = (stream: { told: () => string[] }, ...names: string[]) =>
  until(() => {
    expect(stream.told()).toEqual(names.map((name) => `Hello ${name}`));
    return true;
  });

async function connect(): Promise<Client> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** Streams with other times than those of production. */
function testStreams(options: Partial<StreamsOptions> = {}) {
  const streams = createStreams({
    pool: database.pool,
    render: createItemRenderer(brand),
    onError: () => undefined,
    ...options,
  });
  onTestFinished(() => streams.close());
  const fetch = async ({ headers }: Request) =>
    streams.open({
      recipientId: headers.get('x-user') ?? '',
      tenant: null,
      readerKey: 'k',
      token: headers.get('last-event-id'),
    }) as Response;
  return { streams, inbox: { fetch, close: async () => undefined } };
}

test('a page hears of what arrives for its reader and of marks elsewhere, with exact counts', async () => {
  const inbox = testInbox(database.pool);
  const [mine, other] = [await openStream(inbox), await openStream(inbox, { user: 'bob' })];
  await until(() => mine.events.length === 1 && other.events.length === 1);
  expect(mine.events[0]).toMatchObject({ event: 'change', data: { items: [], unread: 0, unseen: 0 } });
  const [id = ''] = await notifyAll(database.pool, 'ada', ['1']);
  await told(mine, '1');
  expect(mine.events.at(-1)?.data).toMatchObject({ unread: 1, unseen: 1 });
  await items.mark(database.pool, { recipientId: 'ada', as: 'read', ids: [id] });
  await until(() => mine.events.length === 3);
  expect(mine.events.at(-1)?.data).toMatchObject({ items: [{ id, readAt: expect.any(String) }], unread: 0, unseen: 0 });
  expect(other.events).toHaveLength(1);
});

test('a page that comes back, also to another replica, hears what it missed, once', async () => {
  const [replica, another] = [testInbox(database.pool), testInbox(database.pool)];
  const page = await openStream(replica, { user: 'cleo' });
  await until(() => page.events.length === 1);
  await notifyAll(database.pool, 'cleo', ['1']);
  await told(page, '1');
  await replica.close();
  await until(() => page.state.ended);
  await notifyAll(database.pool, 'cleo', ['2', '3']);
  const back = await openStream(another, { user: 'cleo', token: page.state.lastId });
  await notifyAll(database.pool, 'cleo', ['4']);
  await until(() => back.told().length === 3);
  expect(back.told().toSorted()).toEqual(['Hello 2', 'Hello 3', 'Hello 4']);
});

test('what a transaction that began earlier commits later is told, to open pages and to those that come back', async () => {
  const inbox = testInbox(database.pool);
  const early = await connect();
  await early.query('BEGIN');
  await notify(early, 'dee', 'early');
  await notifyAll(database.pool, 'dee', ['later']);
  const page = await openStream(inbox, {
    user: 'dee',
    token: (await items.list(database.pool, { recipientId: 'dee' })).token,
  });
  await until(() => page.events.length === 1);
  await notifyAll(database.pool, 'dee', ['more']);
  await told(page, 'more');
  const token = page.state.lastId;
  await early.query('COMMIT');
  await told(page, 'more', 'early');
  const back = await openStream(inbox, { user: 'dee', token });
  await told(back, 'early');
});

test('many changes, or a token that cannot be used, tell the page to fetch its list again', async () => {
  const inbox = testInbox(database.pool);
  const { token } = await items.list(database.pool, { recipientId: 'flo' });
  await transaction(database.pool, async (tx) => {
    for (let i = 0; i < 21; i++) await notify(tx, 'flo', `${i}`);
  });
  for (const last of [token, 'garbage', token.replace(/\.\d+\./, '.1000000000.')]) {
    const page = await openStream(inbox, { user: 'flo', token: last });
    await until(() => page.events.length === 1);
    expect(page.events[0]).toMatchObject({ event: 'reload', data: { unread: 21, unseen: 21 } });
    expect(page.events[0]?.data).not.toHaveProperty('items');
    const back = await openStream(inbox, { user: 'flo', token: page.state.lastId });
    await until(() => back.events.length === 1);
    expect(back.events[0]).toMatchObject({ event: 'change', data: { items: [], unread: 21 } });
  }
});

test('a page of a tenant hears of its items and of those of none', async () => {
  const inbox = testInbox(database.pool);
  const page = await openStream(inbox, { user: 'gil', tenant: 'acme' });
  await until(() => page.events.length === 1);
  await notify(database.pool, 'gil', 'globex', { tenant: 'globex' });
  await notify(database.pool, 'gil', 'acme', { tenant: 'acme' });
  await notify(database.pool, 'gil', 'none');
  await until(() => page.told().length === 2);
  expect(page.told().toSorted()).toEqual(['Hello acme', 'Hello none']);
});

test('where notifications do not arrive, the streams poll', async () => {
  await database.pool.query(`UPDATE herald.method SET notify = false WHERE name = 'inbox'`);
  onTestFinished(
    async () => void (await database.pool.query(`UPDATE herald.method SET notify = true WHERE name = 'inbox'`)),
  );
  const { inbox } = testStreams({ pollMs: 50, leastMs: 20 });
  const page = await openStream(inbox, { user: 'hal' });
  await until(() => page.events.length === 1);
  await notifyAll(database.pool, 'hal', ['1']);
  await told(page, '1');
});

test('a stream gives signs of life that move the place to resume from, and ends so that its reader is asked for again', async () => {
  const { inbox, streams } = testStreams({ pollMs: 20, leastMs: 10, aliveMs: 30, lastsMs: 1500 });
  const page = await openStream(inbox, { user: 'ivy' });
  await until(() => page.events.length === 1);
  const first = page.state.lastId;
  await notifyAll(database.pool, 'somebody else', ['1']);
  await until(() => page.state.lastId !== first);
  expect(page.events).toHaveLength(1);
  await until(() => page.state.ended);
  expect(streams.size).toBe(0);
});

test('a statement that fails loses nothing', async () => {
  let failing = false;
  const failed: unknown[] = [];
  const pool = new Proxy(database.pool, {
    get: (target, name: keyof Pool) =>
      name === 'query' && failing
        ? () => Promise.reject(new Error('away'))
        : typeof target[name] === 'function'
          ? (target[name] as (...input: unknown[]) => unknown).bind(target)
          : target[name],
  });
  const { inbox } = testStreams({ pool, pollMs: 20, leastMs: 10, onError: (error) => void failed.push(error) });
  const page = await openStream(inbox, { user: 'jan' });
  await until(() => page.events.length === 1);
  failing = true;
  await notifyAll(database.pool, 'jan', ['1']);
  await until(() => failed.length >= 2);
  failing = false;
  await told(page, '1');
});

test('one person may open 20 streams, and a process that closes opens none', async () => {
  const inbox = testInbox(database.pool);
  const pages = await Promise.all(Array.from({ length: 20 }, () => openStream(inbox, { user: 'kit' })));
  const request = () => inbox.fetch(new Request('https://acme.example/stream', { headers: { 'x-user': 'kit' } }));
  const refusedHere = await request();
  expect([refusedHere.status, await refusedHere.json()]).toMatchObject([429, { error: 'too_many_streams' }]);
  await pages[0]?.stop();
  const opened = await request();
  expect(opened.status).toBe(200);
  await opened.body?.cancel();
  await inbox.close();
  expect((await request()).status).toBe(503);
});

test('listens with one session while streams are open, and with none after the last', async () => {
  const pool = new Pool({ connectionString: database.url, max: 3, application_name: 'inbox-listener' });
  pool.on('error', () => undefined);
  onTestFinished(() => pool.end());
  const inbox = testInbox(pool);
  const listening = async () => {
    const { rows } = await database.pool.query(
      `SELECT query FROM pg_stat_activity WHERE application_name = 'inbox-listener' AND query LIKE 'LISTEN%'`,
    );
    return rows.length;
  };
  const pages = await Promise.all(['a', 'b', 'c'].map((user) => openStream(inbox, { user })));
  await until(async () => (await listening()) === 1);
  for (const page of pages) await page.stop();
  await until(async () => (await listening()) === 0);
  const again = await openStream(inbox, { user: 'a' });
  await until(async () => again.events.length === 1 && (await listening()) === 1);
  // The session breaks: the page still hears, and another session listens in time.
  await database.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'inbox-listener'`,
  );
  await notifyAll(database.pool, 'a', ['1']);
  await told(again, '1');
});
