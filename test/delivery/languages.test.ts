/** A template in several languages, from the stored version to the email of each recipient. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as v from 'valibot';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { InvalidNotificationError } from '../../src/errors.ts';
import { listTemplates } from '../../src/templates/catalog.ts';
import { defineTemplate } from '../../src/templates/define.ts';
import { readTemplateHistory } from '../../src/templates/history.ts';
import { drain, writtenMessages } from '../../src/testing/index.ts';
import { putTemplates, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { startSmtpServer, type TestSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/wait.ts';

const files = {
  expired: `---\ntitle: "{{data.n}} {{plural data.n one=\\"file\\" other=\\"files\\"}} expired"\n---\nOn {{date data.at}}, {{labels.who}}.\n`,
  'expired.de': `---\ntitle: "{{data.n}} {{plural data.n one=\\"Datei\\" other=\\"Dateien\\"}} abgelaufen"\n---\nAm {{date data.at}}, {{labels.who}}.\n`,
  'expired.he': `---\ntitle: פגו {{data.n}} קבצים\n---\nבתאריך {{date data.at}}, {{labels.who}}.\n`,
};
const expired = defineTemplate({ name: 'expired', labels: v.object({ who: v.string() }) });
const herald = createHerald();
const database = useDatabase({ templates: files });
let relay: TestSmtpServer;
beforeAll(async () => {
  relay = await startSmtpServer();
});
afterAll(() => relay.close());

const readers = [
  { id: 'none', email: 'none@example.com' },
  { id: 'german', email: 'german@example.com', locale: 'de_AT.UTF-8' },
  { id: 'hebrew', email: 'hebrew@example.com', locale: 'iw_IL' },
  { id: 'persian', email: 'persian@example.com', locale: 'fa-IR' },
];
const content = { labels: { who: 'Acme (v2)' }, data: { n: 2, at: '2026-12-23' } };

test('each recipient gets their language by email and webhook, and a retry has the same text', async () => {
  const { pool } = database;
  const webhook = scriptedDispatcher(({ attempt }) =>
    attempt === 1 ? { outcome: 'retry', reason: 'server_error', detail: 'once' } : { outcome: 'sent' },
  );
  await herald.enqueue(pool, expired, { autocommit: true, to: readers, ...content, methods: ['smtp', 'webhook'] });
  const from = { address: 'noreply@acme.example' };
  const dispatchers = { smtp: smtp({ host: '127.0.0.1', port: relay.port, tls: 'none', from }), webhook };
  const worker = testWorker(database.url, { dispatchers });
  await worker.start();
  try {
    await relay.waitFor(4);
    await until(async () => (await pool.query(`SELECT FROM herald.message WHERE status = 'sent'`)).rowCount === 8);
  } finally {
    await worker.stop();
  }
  const mails = await Promise.all(relay.received().map((mail) => mail.parsed()));
  const mailTo = (id: string) =>
    mails.find(({ to }) => !Array.isArray(to) && to?.value.some(({ address }) => address === `${id}@example.com`));
  expect(mailTo('none')).toMatchObject({ subject: '2 files expired' });
  expect(mailTo('none')?.text).toContain('On Dec 23, 2026, Acme (v2).');
  expect(mailTo('german')).toMatchObject({ subject: '2 Dateien abgelaufen' });
  expect(mailTo('german')?.text).toContain('Am 23. Dez. 2026, Acme (v2).');
  expect(mailTo('german')?.headers.get('content-language')).toBe('de');
  expect(mailTo('hebrew')?.html).toMatch(/<html lang="he" dir="rtl"/);
  // Email programs drop <bdi>, so an email has the controls.
  expect(mailTo('hebrew')?.html).toContain('&#8296;Acme (v2)&#8297;.');
  expect(mailTo('persian')?.text).toContain('On 23 Dec 2026, Acme (v2).');
  for (const { id } of readers) {
    const [first, second] = webhook.deliveries.filter(({ recipient }) => recipient.id === id);
    expect(second?.content).toEqual(first?.content);
  }
  const languages = webhook.deliveries.filter(({ attempt }) => attempt === 1).map((one) => one.content.language);
  expect(languages.toSorted()).toEqual(['de', 'en', 'en', 'he']);
});

test('a message keeps the languages of its version', async () => {
  const client = await database.pool.connect();
  try {
    await client.query('BEGIN');
    await herald.enqueue(client, expired, { to: readers, ...content });
    const titles = async () => (await writtenMessages(client)).map((message) => message.content?.title);
    const before = ['2 files expired', '2 Dateien abgelaufen', 'פגו 2 קבצים', '2 files expired'];
    expect(await titles()).toEqual(before);
    const drained = await drain(client);
    expect(drained.map((one) => one.content.title)).toEqual(before);
    await client.query('ROLLBACK');
    await client.query('BEGIN');
    await herald.enqueue(client, expired, { to: readers, ...content });
    await putTemplates(database.pool, { ...files, 'expired.de': files['expired.de'].replace('abgelaufen', 'weg') });
    expect(await titles()).toEqual(before);
    await client.query('ROLLBACK');
  } finally {
    client.release();
  }
});

test('a changed language is a new version, and an unchanged folder is none', async () => {
  const versions = async () => (await readTemplateHistory(database.pool, 'expired'))?.versions ?? [];
  const known = (await versions()).length;
  await putTemplates(database.pool, {
    ...files,
    'expired.fr': '---\ntitle: Fini\n---\n{{labels.who}}{{data.n}}{{data.at}}\n',
  });
  await putTemplates(database.pool, {
    ...files,
    'expired.fr': '---\ntitle: Fini\n---\n{{labels.who}}{{data.n}}{{data.at}}\n',
  });
  const [newest] = await versions();
  expect(newest?.version).toBe(known + 1);
  expect(newest?.texts?.map(({ language }) => language)).toEqual(['de', 'fr', 'he']);
  const [entry] = await listTemplates(database.pool);
  expect(entry?.languages).toEqual(['en', 'de', 'fr', 'he']);
});

test("a notification that cannot be rendered in its recipient's language is refused", async () => {
  await putTemplates(database.pool, {
    sum: '---\ntitle: Sum\n---\n{{default data.n ""}}\n',
    'sum.de': '---\ntitle: Summe\n---\n{{number (lookup data "n")}}\n',
  });
  const sum = defineTemplate({ name: 'sum', labels: v.object({}) });
  const send = (locale: string) =>
    herald.enqueue(database.pool, sum, {
      ...{ autocommit: true, labels: {}, data: { n: 'many' } },
      to: { id: 'x', email: 'x@example.com', locale },
    });
  await expect(send('en')).resolves.toHaveLength(1);
  await expect(send('de')).rejects.toThrow(InvalidNotificationError);
  await expect(send('de')).rejects.toThrow(/template "sum" version 1 in de, body line 1/);
});
