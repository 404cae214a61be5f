/** Inbox messages are settled by enqueue itself, in the caller's transaction. */
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { transaction } from '../../src/database/pool.ts';
import { applyRetention } from '../../src/operate/retention.ts';
import { erase } from '../../src/operate/erase.ts';
import { purge } from '../../src/operate/purge.ts';
import { defineTemplate } from '../../src/templates/define.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';
import { herald, items, noticeFile, notify, notifyAll } from './support.ts';

const secretFile = `---
title: Your code
group: Security
methods: [inbox]
secrets: [code]
---
The code is {{labels.code}}.
`;

const welcome = {
  welcome: `---\ntitle: Welcome to {{appName}}\ngroup: Greetings\nmethods: [inbox]\n---\nHave a look around.\n`,
  'welcome.de': `---\ntitle: Willkommen bei {{appName}}\n---\nSehen Sie sich um.\n`,
};
const templates = { greeting: noticeFile, mail: greetingFile, code: secretFile, ...welcome };
const database = useDatabase({ templates });

const rows = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;
const messageOf = async (id: string) => (await rows('SELECT * FROM herald.message WHERE id = $1', [id]))[0];

test('an item is settled and counted by the very transaction, without a job or an attempt', async () => {
  const id = await transaction(database.pool, async (tx) => {
    const [message] = await herald.enqueue(tx, greeting, {
      to: { id: 'eva' },
      labels: { who: 'Eva' },
      targets: ['w1'],
    });
    expect(message).toMatchObject({ method: 'inbox', status: 'sent', reason: null });
    expect(await items.count(tx, { recipientId: 'eva' })).toEqual({ unread: 1, unseen: 1 });
    return message?.id ?? '';
  });
  expect(await messageOf(id)).toMatchObject({ status: 'sent', attempts: 0, settled_at: expect.any(Date) });
  expect(await rows('SELECT FROM herald_queue.job WHERE id = $1', [id])).toEqual([]);
  expect((await items.list(database.pool, { recipientId: 'eva' })).items).toEqual([
    {
      id,
      template: 'greeting',
      group: 'Greetings',
      title: 'Hello Eva',
      text: expect.stringContaining('Dear Eva, welcome.'),
      html: expect.stringContaining('<strong>Eva</strong>'),
      actions: [{ label: 'Open', url: 'https://acme.example/hello' }],
      targets: ['w1'],
      language: 'en',
      direction: 'ltr',
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      seenAt: null,
      readAt: null,
      archivedAt: null,
    },
  ]);
});

test('a rollback leaves nothing', async () => {
  await expect(
    transaction(database.pool, async (tx) => {
      await notify(tx, 'rolf', 'Rolf');
      throw new Error('business says no');
    }),
  ).rejects.toThrow('business says no');
  expect(await items.list(database.pool, { recipientId: 'rolf' })).toMatchObject({ items: [], unread: 0, unseen: 0 });
});

test('beside an email, each takes its own way, in the order of the methods, for one and for many', async () => {
  for (const methods of [
    ['smtp', 'inbox'],
    ['inbox', 'smtp'],
  ]) {
    const one = { id: `b-${methods[0]}`, email: 'b@example.com' };
    const two = { id: `c-${methods[0]}`, email: 'c@example.com' };
    for (const to of [one, [one, two]]) {
      const written = await herald.enqueue(database.pool, greeting, {
        autocommit: true,
        to,
        labels: { who: 'B' },
        methods,
      });
      expect(written.map(({ method, status }) => [method, status])).toEqual(
        [to].flat().flatMap(() => methods.map((method) => [method, method === 'inbox' ? 'sent' : 'pending'])),
      );
      const jobs = await rows('SELECT name FROM herald_queue.job WHERE id = ANY ($1)', [written.map(({ id }) => id)]);
      expect(jobs).toEqual([to].flat().map(() => ({ name: 'smtp' })));
    }
    expect(await items.count(database.pool, { recipientId: one.id })).toEqual({ unread: 2, unseen: 2 });
  }
});

test('a dedupe key holds for items, also beside an email', async () => {
  const once = () =>
    herald.enqueue(database.pool, greeting, {
      ...{ autocommit: true, to: { id: 'dora', email: 'd@example.com' }, labels: { who: 'D' } },
      ...{ methods: ['smtp', 'inbox'], dedupeKey: 'only-once' },
    });
  expect((await once()).map(({ deduplicated }) => deduplicated)).toEqual([false, false]);
  expect((await once()).map(({ deduplicated }) => deduplicated)).toEqual([true, true]);
  expect(await items.count(database.pool, { recipientId: 'dora' })).toEqual({ unread: 1, unseen: 1 });
});

test('a preference against the inbox inhibits the item', async () => {
  await herald.setPreference(database.pool, { recipientId: 'nils', method: 'inbox', enabled: false });
  const id = await notify(database.pool, 'nils', 'Nils');
  expect(await messageOf(id)).toMatchObject({ status: 'inhibited', reason: 'preference' });
  expect(await items.count(database.pool, { recipientId: 'nils' })).toEqual({ unread: 0, unseen: 0 });
});

test('a secret label is not stored with the item and not shown', async () => {
  const [message] = await rows(
    `SELECT * FROM herald.enqueue(jsonb_build_object('template', 'code', 'to', '{"id": "sue"}'::jsonb,
      'secrets', '{"code": "4711"}'::jsonb, 'allowPlainSecrets', true))`,
  );
  expect(await messageOf(message.message_id)).toMatchObject({ secrets: null });
  const [item] = (await items.list(database.pool, { recipientId: 'sue' })).items;
  expect(item?.text).toContain('The code is ••••••.');
});

test('a scheduled item waits for its time, can be cancelled, expires, and is delivered by any worker', async () => {
  const later = { delaySeconds: 3600 };
  const cancelled = await notify(database.pool, 'lena', 'cancelled', later);
  const expired = await notify(database.pool, 'lena', 'expired', { ...later, ttlSeconds: 1 });
  const due = await notify(database.pool, 'lena', 'due', later);
  expect(await messageOf(due)).toMatchObject({ status: 'pending' });
  expect(await items.count(database.pool, { recipientId: 'lena' })).toEqual({ unread: 0, unseen: 0 });
  await transaction(database.pool, (tx) => herald.cancel(tx, { ids: [cancelled] }));
  await database.pool.query(
    `UPDATE herald.message SET next_attempt_at = now(), expires_at = CASE id WHEN $2 THEN now() END WHERE id IN ($1, $2)`,
    [due, expired],
  );
  await database.pool.query('SELECT herald.ensure_jobs($1)', [[due, expired]]);
  const worker = testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() } });
  await worker.start();
  try {
    await until(
      async () => (await messageOf(due)).status === 'sent' && (await messageOf(expired)).status === 'expired',
    );
  } finally {
    await worker.stop();
  }
  expect((await messageOf(cancelled)).status).toBe('cancelled');
  const page = await items.list(database.pool, { recipientId: 'lena' });
  expect(page.items.map(({ title }) => title)).toEqual(['Hello due']);
  // It came when it was due, not when it was enqueued.
  const [{ added }] = await rows(
    'SELECT added_at > created_at AS added FROM herald.inbox JOIN herald.message ON id = message_id WHERE id = $1',
    [due],
  );
  expect(added).toBe(true);
});

test('a worker has the method built in', async () => {
  expect(() => testWorker(database.url, { dispatchers: { inbox: scriptedDispatcher() } })).toThrow(
    'dispatchers.inbox: is built in; leave it out, or use another name',
  );
});

test('erasing a person, purging and retention delete items', async () => {
  const [erased] = await notifyAll(database.pool, 'ella', ['a']);
  await erase(database.pool, { recipientId: 'ella' });
  expect(await rows('SELECT FROM herald.inbox WHERE message_id = $1', [erased])).toEqual([]);

  const [old, fresh] = await notifyAll(database.pool, 'otto', ['old', 'fresh']);
  // Ids of messages are ordered by time, so an old one has an old id.
  const oldId = '018a0000-0000-7000-8000-000000000001';
  await database.pool.query(
    `UPDATE herald.message SET id = $2, created_at = now() - interval '91 days', settled_at = now() - interval '91 days' WHERE id = $1`,
    [old, oldId],
  );
  await database.pool.query(
    `UPDATE herald.inbox SET message_id = $2, added_at = now() - interval '91 days' WHERE message_id = $1`,
    [old, oldId],
  );
  expect(await applyRetention(database.pool)).toBe(1);
  expect(await rows('SELECT message_id FROM herald.inbox WHERE recipient_id = $1', ['otto'])).toEqual([
    { message_id: fresh },
  ]);
  expect((await messageOf(oldId)).status).toBe('sent');

  await purge(database.pool, { before: new Date(Date.now() + 60_000) });
  expect(
    await rows('SELECT FROM herald.inbox i WHERE NOT EXISTS (SELECT FROM herald.message m WHERE m.id = i.message_id)'),
  ).toEqual([]);
  expect(await rows('SELECT FROM herald.inbox WHERE message_id = $1', [fresh])).toEqual([]);
});

test('an item that can no longer be rendered does not hide the others', async () => {
  const [broken] = await notifyAll(database.pool, 'bea', ['broken', 'whole']);
  await database.pool.query(
    `UPDATE herald.notification SET actions = '[{"label": "x", "url": "javascript:alert(1)"}]'
     WHERE id = (SELECT notification_id FROM herald.message WHERE id = $1)`,
    [broken],
  );
  const page = await items.list(database.pool, { recipientId: 'bea' });
  expect(page.items.map(({ title, actions }) => [title, actions.length])).toEqual([
    ['Hello whole', 1],
    ['Greeting', 0],
  ]);
});

test('an item is in the language of its reader and in the brand of its tenant', async () => {
  await database.pool.query(`INSERT INTO herald.tenant (id, brand) VALUES ('globex', '{"appName": "Globex"}')`);
  const to = { id: 'uwe', locale: 'de-AT' };
  await herald.enqueue(database.pool, defineTemplate({ name: 'welcome', labels: v.object({}) }), {
    ...{ autocommit: true, to, labels: {}, tenant: 'globex' },
  });
  expect((await items.list(database.pool, { recipientId: 'uwe' })).items).toMatchObject([
    { title: 'Willkommen bei Globex', language: 'de', direction: 'ltr' },
  ]);
});
