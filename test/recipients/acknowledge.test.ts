/** `/a/TOKEN`: a mail client that prefetches links acknowledges nothing, the recipient's click does. */
import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { transaction } from '../../src/database/pool.ts';
import { writtenMessages } from '../../src/testing/index.ts';
import { brand, scriptedDispatcher, testWorker } from '../support/application.ts';
import { until } from '../support/wait.ts';
import { key, links, linkTo, useRecipientPages } from './support.ts';

const { database, pages } = useRecipientPages({
  templates: {
    incident: `---\ntitle: Incident\nmethods: [smtp]\nmandatory: true\nthen:
  - { after: 1h, unless: acknowledged, methods: [smtp] }\n---\nLook.\n`,
    notice: '---\ntitle: Notice\nmethods: [smtp]\n---\nLook.\n',
  },
});

beforeEach(() => database.pool.query('TRUNCATE herald.message, herald.acknowledgement; DELETE FROM herald_queue.job'));

const enqueue = (template: string) =>
  database.pool.query('SELECT herald.enqueue($1)', [
    JSON.stringify({ template, to: { id: 'ada', email: 'ada@example.com', locale: 'de-AT' } }),
  ]);

/** The buttons of the first email. */
async function buttonsOf(template: string, options: { readonly withholdSecrets?: boolean } = {}) {
  await enqueue(template);
  const smtp = scriptedDispatcher(undefined, options);
  const worker = testWorker(database.url, { dispatchers: { smtp }, links });
  await worker.start();
  try {
    await until(() => smtp.deliveries.length > 0);
  } finally {
    await worker.stop();
  }
  const [delivery] = smtp.deliveries;
  return delivery?.content.actions ?? [];
}

const acknowledged = async () =>
  (await database.pool.query('SELECT recipient_id AS id FROM herald.acknowledgement')).rows;
const waiting = async () => (await database.pool.query(`SELECT FROM herald.message WHERE status = 'pending'`)).rowCount;

test('an email that a later step waits for has the button; a GET of its link shows a page and changes nothing', async () => {
  const [button] = await buttonsOf('incident');
  expect(button).toEqual({ label: 'Bestätigen', url: expect.stringContaining(`${links.url}/a/`) });
  for (const method of ['GET', 'HEAD', 'GET']) {
    const answer = await pages().fetch(new Request(button?.url ?? '', { method }));
    expect(answer.status).toBe(200);
    expect(answer.headers.get('set-cookie')).toBeNull();
  }
  const page = await pages().fetch(new Request(button?.url ?? '', { headers: { 'accept-language': 'de' } }));
  expect(await page.text()).toMatch(/<h1>Diese Nachricht bestätigen\?<\/h1>[^]*<form method="post"><button/);
  expect(await acknowledged()).toEqual([]);
  expect(await waiting()).toBe(1);
});

test('a POST acknowledges, and says the same the second time', async () => {
  const [button] = await buttonsOf('incident');
  for (const _ of [1, 2]) {
    const answer = await pages().fetch(new Request(button?.url ?? '', { method: 'POST' }));
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('<h1>Acknowledged</h1>');
    expect(await acknowledged()).toEqual([{ id: 'ada' }]);
  }
  expect(await waiting()).toBe(0);
});

test('nobody acknowledges for another person, with a changed link, or with a key that is gone', async () => {
  await enqueue('incident');
  const { rows } = await database.pool.query<{ id: string }>('SELECT notification_id AS id FROM herald.message');
  const notificationId = rows[0]?.id ?? '';
  const link = (recipientId: string) => linkTo('acknowledge', { recipientId, tenant: null, notificationId });
  const post = async (url: string, more = {}) => (await pages(more).fetch(new Request(url, { method: 'POST' }))).status;
  expect(await post(link('eve'))).toBe(200);
  expect(await post(linkTo('acknowledge', { recipientId: 'ada', tenant: null, notificationId: randomUUID() }))).toBe(
    200,
  );
  expect(await post(`${link('ada')}x`)).toBe(404);
  expect(await post(link('ada').replace('/a/', '/u/'))).toBe(404);
  expect(await post(link('ada'), { links: { ...links, keys: [key(9)] } })).toBe(410);
  expect(await acknowledged()).toEqual([]);
});

test('other emails have no such button, and neither has what goes to a system', async () => {
  expect(await buttonsOf('notice')).toEqual([]);
  await database.pool.query('TRUNCATE herald.message; DELETE FROM herald_queue.job');
  expect(await buttonsOf('incident', { withholdSecrets: true })).toEqual([]);
});

test('the testing kit shows the button', () =>
  transaction(database.pool, async (tx) => {
    await tx.query('SELECT herald.enqueue($1)', [
      JSON.stringify({ template: 'incident', to: { id: 'ada', email: 'ada@example.com' } }),
    ]);
    const [message] = await writtenMessages(tx, { links, brand });
    expect(message?.content?.actions).toEqual([{ label: 'Acknowledge', url: message?.acknowledgeUrl }]);
  }));
