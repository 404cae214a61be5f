/** Emails are shown with the links of their recipients, and without the tokens that act for them. */
import { beforeAll, expect, test } from 'vitest';
import { putTemplates } from '../support/application.ts';
import { createClient, useConsoleDatabase } from './support.ts';

const database = useConsoleDatabase();
const links = { url: 'https://app.example/mail/' };
const ids = new Map<string, string>();

beforeAll(async () => {
  await putTemplates(database.pool, {
    report: '---\ntitle: Report\n---\nAll is well.\n',
    password: '---\ntitle: Password\nmandatory: true\n---\nReset it.\n',
  });
  for (const template of ['report', 'password']) {
    const notification = { template, to: { id: 'ada', email: 'ada@example.com' } };
    const { rows } = await database.pool.query('SELECT message_id AS id FROM herald.enqueue($1)', [
      JSON.stringify(notification),
    ]);
    ids.set(template, rows[0].id);
  }
});

test.each(['text', 'source'])('the %s of a message that can be turned off has both', async (view) => {
  const page = await createClient(database, { links }).see(`/messages/${ids.get('report')}?view=${view}`);
  expect(page.match(/https:\/\/app\.example\/mail\/[up]\/[\w-]+/g)).toEqual(
    expect.arrayContaining([
      'https://app.example/mail/u/token-of-the-recipient',
      'https://app.example/mail/p/token-of-the-recipient',
    ]),
  );
});

test('a mandatory message has none, and neither has one of a console that does not know where the pages are', async () => {
  const mandatory = await createClient(database, { links }).see(`/messages/${ids.get('password')}?view=source`);
  const unknown = await createClient(database).see(`/messages/${ids.get('report')}?view=source`);
  for (const page of [mandatory, unknown]) expect(page).not.toMatch(/app\.example\/mail|List-Unsubscribe/);
});

test('the preview of a template has them, too', async () => {
  const page = await createClient(database, { links }).see('/templates/report/preview?view=text');
  expect(page).toContain('https://app.example/mail/u/token-of-the-recipient');
});
