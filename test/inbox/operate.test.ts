/** What operators and an application's own tests see of an inbox. */
import { expect, test } from 'vitest';
import { explain } from '../../src/operate/why.ts';
import { showMessage } from '../../src/operate/messages.ts';
import { drain, inboxOf } from '../../src/testing/index.ts';
import { runCli } from '../cli/support.ts';
import { createClient, useConsoleDatabase } from '../console/support.ts';
import { brand } from '../support/application.ts';
import { items, noticeFile, notify } from './support.ts';

const database = useConsoleDatabase({ templates: { greeting: noticeFile } });

test('the command shows an inbox as its reader sees it, and marks nothing', async () => {
  await notify(database.pool, 'cliff', 'first', { targets: ['w1'] });
  const second = await notify(database.pool, 'cliff', 'second');
  await items.mark(database.pool, { recipientId: 'cliff', as: 'read', target: 'w1' });
  const env = { DATABASE_URL: database.url };
  const shown = await runCli(['inbox', 'cliff', '--table'], env);
  expect(shown.out).toMatch(/unseen +Hello second .*\n.* read +Hello first [\s\S]*1 unread, 1 unseen\n$/);
  const json = JSON.parse((await runCli(['inbox', 'cliff', '--status', 'unread'], env)).out) as { items: object[] };
  expect(json.items).toMatchObject([{ id: second, seenAt: null }]);
  expect(await runCli(['inbox', 'cliff', '--status', 'all'], env)).toMatchObject({
    code: 2,
    err: expect.stringContaining('unknown status "all"'),
  });
  expect(await runCli(['inbox', 'cliff', '--limit', '51'], env)).toMatchObject({ code: 2 });
  expect(await items.count(database.pool, { recipientId: 'cliff' })).toEqual({ unread: 1, unseen: 1 });
});

test('the console shows it on the page of the recipient', async () => {
  await notify(database.pool, 'cora', '<b>Cora</b>');
  const client = createClient(database, { brand });
  const page = await client.see('/recipients?id=cora');
  expect(page).toContain('<h2 id="inbox">Inbox</h2>');
  expect(page).toContain('1 unread, 1 of them not seen yet');
  expect(page).toContain('Hello &lt;b&gt;Cora&lt;/b&gt;');
  expect(await client.see('/recipients?id=nobody')).toContain('The inbox is empty.');
});

test('why tells whether and when an item was seen and read', async () => {
  const id = await notify(database.pool, 'wanda', 'Wanda');
  const explained = async () => {
    const message = await showMessage(database.pool, id);
    return message === null ? expect.fail('no such message') : explain(message, new Date());
  };
  expect(await explained()).toMatchObject({ summary: 'Sent: it is in the inbox, not seen yet.', remedy: null });
  await items.mark(database.pool, { recipientId: 'wanda', as: 'read', ids: [id] });
  await items.mark(database.pool, { recipientId: 'wanda', as: 'archived', ids: [id] });
  const { summary, timeline } = await explained();
  expect(summary).toBe('Sent: it is in the inbox, read, and archived.');
  expect(timeline.map(({ what }) => what)).toEqual(
    expect.arrayContaining(['came into the inbox', 'seen', 'read', 'archived']),
  );
  await database.pool.query('DELETE FROM herald.inbox WHERE message_id = $1', [id]);
  expect((await explained()).summary).toBe('Sent: it came into the inbox, and is there no longer.');
});

test("an application's test sees the inbox of its own transaction, and scheduled items after drain", async () => {
  const client = await database.pool.connect();
  try {
    await client.query('BEGIN');
    await notify(client, 'tina', 'now');
    await notify(client, 'tina', 'later', { delaySeconds: 60 });
    const titles = async () => (await inboxOf(client, { recipientId: 'tina' })).items.map(({ title }) => title);
    expect(await titles()).toEqual(['Hello now']);
    await drain(client, { scheduled: true });
    expect((await titles()).toSorted()).toEqual(['Hello later', 'Hello now']);
    expect(await inboxOf(client, { recipientId: 'tina' })).toMatchObject({ unread: 2, unseen: 2 });
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
  expect(await items.count(database.pool, { recipientId: 'tina' })).toEqual({ unread: 0, unseen: 0 });
});
