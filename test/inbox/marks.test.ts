/** Marks name what the reader has seen, whoever committed when. */
import { Client } from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { transaction } from '../../src/database/pool.ts';
import { useDatabase } from '../support/use-database.ts';
import { items, noticeFile, notify, notifyAll } from './support.ts';

const database = useDatabase({ templates: { greeting: noticeFile, other: noticeFile.replace('Greetings', 'Others') } });
const list: typeof items.list = (...input) => items.list(...input);
const count: typeof items.count = (...input) => items.count(...input);
const mark: typeof items.mark = (...input) => items.mark(...input);

async function connect(): Promise<Client> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

test('a mark by ids returns the exact counts, changes what it names once, and nothing of others', async () => {
  const [first = '', second = '', third = ''] = await notifyAll(database.pool, 'ida', ['1', '2', '3']);
  const [foreign = ''] = await notifyAll(database.pool, 'others', ['x']);
  const by = (as: 'seen' | 'read' | 'unread' | 'archived' | 'unarchived', ...ids: string[]) =>
    mark(database.pool, { recipientId: 'ida', as, ids });
  expect(await by('seen', first, second, foreign)).toEqual({
    changed: 2,
    unread: 3,
    unseen: 1,
    cancelled: 0,
    reload: false,
  });
  expect(await by('read', second, third)).toMatchObject({ changed: 2, unread: 1, unseen: 0 });
  expect(await by('read', second, third)).toMatchObject({ changed: 0, unread: 1, unseen: 0 });
  expect(await by('unread', third)).toMatchObject({ changed: 1, unread: 2, unseen: 0 });
  expect(await by('archived', first)).toMatchObject({ changed: 1, unread: 1, unseen: 0 });
  expect(await by('unarchived', first)).toMatchObject({ changed: 1, unread: 2, unseen: 0 });
  expect(await count(database.pool, { recipientId: 'others' })).toEqual({ unread: 1, unseen: 1 });
});

test('a mark by target reads everything about a thing, in the transaction of its page', async () => {
  await notify(database.pool, 'tom', 'w42', { targets: ['42', 'org'] });
  await notify(database.pool, 'tom', 'w43', { targets: ['43', 'org'] });
  await transaction(database.pool, async (tx) => {
    expect(await mark(tx, { recipientId: 'tom', as: 'read', target: '42' })).toMatchObject({ changed: 1, unread: 1 });
  });
  expect((await list(database.pool, { recipientId: 'tom', status: 'unread' })).items.map(({ title }) => title)).toEqual(
    ['Hello w43'],
  );
});

describe('marking all', () => {
  test('never marks what arrived since the list was read', async () => {
    await notifyAll(database.pool, 'amy', ['1', '2']);
    const { token } = await list(database.pool, { recipientId: 'amy', limit: 1 });
    await notifyAll(database.pool, 'amy', ['3']);
    expect(await mark(database.pool, { recipientId: 'amy', as: 'read', asOf: token })).toEqual({
      ...{ changed: 2, unread: 1, unseen: 1, cancelled: 0, reload: false },
    });
  });

  test('nor what a transaction that began earlier committed later', async () => {
    const [early, seen] = [await connect(), await connect()];
    await early.query('BEGIN');
    const hidden = await notify(early, 'kim', 'began first, committed last');
    const shown = await transaction(database.pool, (tx) => notify(tx, 'kim', 'began later, committed first'));
    const { token, items: page } = await list(seen, { recipientId: 'kim' });
    expect(page.map(({ id }) => id)).toEqual([shown]);
    await early.query('COMMIT');
    expect(await mark(database.pool, { recipientId: 'kim', as: 'read', asOf: token })).toMatchObject({
      changed: 1,
      unread: 1,
      unseen: 1,
    });
    expect((await list(database.pool, { recipientId: 'kim', status: 'unread' })).items.map(({ id }) => id)).toEqual([
      hidden,
    ]);
    // No time tells them apart: the hidden one is the older one.
    expect((await list(database.pool, { recipientId: 'kim' })).items.map(({ id }) => id)).toEqual([shown, hidden]);
  });

  test('nor what commits while it runs', async () => {
    const early = await connect();
    await early.query('BEGIN');
    const hidden = await notify(early, 'joe', 'hidden');
    await notifyAll(database.pool, 'joe', ['shown']);
    const { token } = await list(database.pool, { recipientId: 'joe' });
    const client = await connect();
    await client.query('BEGIN');
    await mark(client, { recipientId: 'joe', as: 'read', asOf: token });
    await early.query('COMMIT');
    await mark(client, { recipientId: 'joe', as: 'read', asOf: token });
    await client.query('COMMIT');
    expect((await list(database.pool, { recipientId: 'joe', status: 'unread' })).items.map(({ id }) => id)).toEqual([
      hidden,
    ]);
  });

  test('keeps to the template and group of the list', async () => {
    await notifyAll(database.pool, 'gus', ['1', '2']);
    const { token } = await list(database.pool, { recipientId: 'gus' });
    const all = { recipientId: 'gus', as: 'read', asOf: token } as const;
    expect(await mark(database.pool, { ...all, group: 'Others' })).toMatchObject({ changed: 0, unread: 2 });
    expect(await mark(database.pool, { ...all, template: 'other' })).toMatchObject({ changed: 0, unread: 2 });
    expect(await mark(database.pool, { ...all, group: 'Greetings', template: 'greeting' })).toMatchObject({
      changed: 2,
      unread: 0,
    });
  });

  test('with a token that cannot be used marks nothing and says so', async () => {
    await notifyAll(database.pool, 'ray', ['1']);
    const { token } = await list(database.pool, { recipientId: 'ray' });
    const [cluster = '', time = '', snapshot = ''] = token.split('.');
    const bad = {
      'another server': `${BigInt(cluster) + 1n}.${time}.${snapshot}`,
      'older than a day': `${cluster}.${Number(time) - 86_401}.${snapshot}`,
      'made in the future': `${cluster}.${Number(time) + 3600}.${snapshot}`,
      'before this server was restored': `${cluster}.${time}.900000000000_900000000000_`,
      'not a snapshot': `${cluster}.${time}.9_8_`,
      'not a token': "x'; --",
    };
    for (const asOf of Object.values(bad))
      expect(await mark(database.pool, { recipientId: 'ray', as: 'read', asOf })).toEqual({
        ...{ changed: 0, unread: 1, unseen: 1, cancelled: 0, reload: true },
      });
  });
});

test('two marks of the same items at the same time wait for each other', async () => {
  const ids = await notifyAll(database.pool, 'dan', ['1', '2', '3', '4', '5']);
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      mark(database.pool, {
        ...{ recipientId: 'dan', as: index % 2 === 0 ? 'read' : 'unread' },
        ids: index % 3 === 0 ? ids.toReversed() : ids,
      }),
    ),
  );
  const { rows } = await database.pool.query(
    `SELECT count(*) FILTER (WHERE read_at IS NULL)::int AS unread, count(*) FILTER (WHERE read_at IS NULL AND seen_at IS NULL)::int AS unseen
     FROM herald.inbox WHERE recipient_id = 'dan'`,
  );
  expect(await count(database.pool, { recipientId: 'dan' })).toEqual(rows[0]);
});

describe('a list', () => {
  test('has keyset pages that skip and repeat nothing, with equal times and new items between them', async () => {
    const expected = await transaction(database.pool, async (tx) => {
      const ids: string[] = [];
      for (let i = 0; i < 25; i++) ids.push(await notify(tx, 'lea', `${i}`));
      // All have the time of the transaction, so the ids decide.
      return ids.toSorted().toReversed();
    });
    const seen: string[] = [];
    let cursor: string | undefined;
    for (;;) {
      const page = await list(database.pool, { recipientId: 'lea', limit: 10, cursor });
      seen.push(...page.items.map(({ id }) => id));
      if (page.next === null) break;
      cursor = page.next;
      // The item that the cursor names goes away, and another one arrives.
      await database.pool.query('DELETE FROM herald.inbox WHERE message_id = $1', [seen.at(-1)]);
      await notify(database.pool, 'lea', 'new');
    }
    expect(seen).toEqual(expected);
  });

  test('filters by status, template, group and target', async () => {
    const a = await notify(database.pool, 'max', 'a', { targets: ['t1'] });
    const b = await notify(database.pool, 'max', 'b', { targets: ['t2'] });
    const c = await notify(database.pool, 'max', 'c', { targets: ['t1', 't2'] });
    await mark(database.pool, { recipientId: 'max', as: 'read', ids: [a] });
    await mark(database.pool, { recipientId: 'max', as: 'archived', ids: [b] });
    const found = async (query: object) =>
      (await list(database.pool, { recipientId: 'max', ...query })).items.map(({ id }) => id);
    expect(await found({})).toEqual([c, a]);
    expect(await found({ status: 'unread' })).toEqual([c]);
    expect(await found({ status: 'read' })).toEqual([a]);
    expect(await found({ status: 'archived' })).toEqual([b]);
    expect(await found({ target: 't1' })).toEqual([c, a]);
    expect(await found({ target: 't2' })).toEqual([c]);
    expect(await found({ group: 'Greetings' })).toEqual([c, a]);
    expect(await found({ group: 'Others' })).toEqual([]);
    expect(await found({ template: 'greeting', target: 't1', status: 'read' })).toEqual([a]);
  });

  test('of a tenant has its items and those of none', async () => {
    await notify(database.pool, 'tess', 'acme', { tenant: 'acme' });
    await notify(database.pool, 'tess', 'globex', { tenant: 'globex' });
    await notify(database.pool, 'tess', 'none');
    const page = await list(database.pool, { recipientId: 'tess', tenant: 'acme' });
    expect(page.items.map(({ title }) => title)).toEqual(['Hello none', 'Hello acme']);
    expect(page).toMatchObject({ unread: 2, unseen: 2 });
    expect(
      await mark(database.pool, { recipientId: 'tess', tenant: 'acme', as: 'read', asOf: page.token }),
    ).toMatchObject({ changed: 2, unread: 0 });
    expect(await count(database.pool, { recipientId: 'tess' })).toEqual({ unread: 1, unseen: 1 });
  });
});

test.each([
  ['recipientId: must have 1 to 200 characters', () => count(database.pool, { recipientId: '' })],
  ['cursor: is not the "next" of a page', () => list(database.pool, { recipientId: 'a', cursor: 'zz' })],
  ['limit: must be from 1 to 50', () => list(database.pool, { recipientId: 'a', limit: 51 })],
  ['must have exactly one of ids, target and asOf', () => mark(database.pool, { recipientId: 'a', as: 'read' })],
  ['as: must be one of seen', () => mark(database.pool, { recipientId: 'a', as: 'gone' as 'read', target: '1' })],
  [
    'ids.1: is not the id of an item',
    () => mark(database.pool, { recipientId: 'a', as: 'read', ids: [crypto.randomUUID(), 'x'] }),
  ],
])('refuses what is wrong: %s', async (message, work) => {
  await expect(work()).rejects.toThrow(message);
});

test('the SQL functions refuse it, too', async () => {
  for (const [text, message] of [
    [`SELECT * FROM herald.mark('a', 'gone', target => '1')`, 'unknown state "gone"'],
    [`SELECT * FROM herald.mark('a', 'read')`, 'mark takes exactly one of'],
    [`SELECT * FROM herald.mark('', 'read', target => '1')`, 'recipient_id must be one line'],
    [`SELECT * FROM herald.inbox_page('a', status => 'x')`, 'unknown status "x"'],
  ] as const)
    await expect(database.pool.query(text)).rejects.toThrow(message);
});
