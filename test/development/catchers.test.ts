/** The catchers store whatever comes exactly as it came. */
import { createTransport } from 'nodemailer';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CaptureStore, createCaptureStore, messageIdIn } from '../../src/development/capture-store.ts';
import { type Catcher, decodeWords, startMailCatcher } from '../../src/development/mail-catcher.ts';
import { startWebhookCatcher } from '../../src/development/webhook-catcher.ts';

const id = '01890a5d-ac96-774b-bcce-b302099a8057';
let captured: CaptureStore;
const open: Catcher[] = [];
beforeEach(() => {
  captured = createCaptureStore({ isMessage: (given) => Promise.resolve(given === id) });
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((catcher) => catcher.close()));
});

test('an email is stored with its envelope, its subject and the message that it belongs to', async () => {
  const catcher = await startMailCatcher(captured);
  open.push(catcher);
  const transport = createTransport({ host: '127.0.0.1', port: catcher.port });
  const to = ['ada@example.com', 'zoë@example.com'];
  const subject = `Größe ${'wörter '.repeat(20)}`.trim();
  await transport.sendMail({
    from: 'a@example.com',
    to,
    subject,
    html: '<b>hi</b>',
    messageId: `<${id}@acme.example>`,
  });
  await transport.sendMail({ from: 'a@example.com', to: 'b@example.com', text: 'no subject' });
  const [second, first] = await captured.list();
  expect(first).toMatchObject({ kind: 'mail', messageId: id, to: to.join(', '), title: subject });
  expect(first?.source).toContain('<b>hi</b>');
  // nodemailer's own Message-ID has the same form.
  expect(second).toMatchObject({ title: '(no subject)', messageId: null });
  expect(await captured.forMessage(id)).toEqual([first]);
});

test('a webhook call is stored whole, whatever it contains', async () => {
  const catcher = await startWebhookCatcher(captured);
  open.push(catcher);
  const post = (body: string, headers = {}) => fetch(`${catcher.url}in?a=1`, { method: 'POST', body, headers });
  expect(
    (await post(JSON.stringify({ type: 'notification.x', data: { title: 'Hi' } }), { 'webhook-id': id })).status,
  ).toBe(204);
  await post('{"type":"other"}');
  await post('<xml>');
  await post('');
  expect((await captured.list()).map(({ title }) => title)).toEqual(['(no body)', '<xml>', 'other', 'Hi']);
  const [first] = await captured.forMessage(id);
  expect(first?.to).toBe(`${catcher.url}in?a=1`);
  expect(first?.source).toMatch(/^POST \/in\?a=1 HTTP\/1\.1\n[\s\S]*\nwebhook-id: 0189[\s\S]*\n\n\{"type"/);
});

test('only the newest 1,000 are kept', async () => {
  for (let n = 0; n < 1100; n += 1)
    await captured.add({ kind: 'mail', messageId: null, to: '', title: String(n), source: '' });
  const all = await captured.list();
  expect([all.length, all[0]?.title]).toEqual([1000, '1099']);
});

test.each([
  ['plain', 'plain'],
  ['=?UTF-8?B?R3LDvMOfZQ==?=', 'Grüße'],
  ['=?utf-8?Q?Gr=C3=BC=C3=9Fe_an?= alle', 'Grüße an alle'],
  // A character that is split between two words is put together again.
  ['=?UTF-8?Q?=C3?=\n =?UTF-8?Q?=BC?=', 'ü'],
  ['=?iso-8859-1?Q?=FC?=', '=?iso-8859-1?Q?=FC?='],
])('the subject %j reads as %j', (coded, text) => {
  expect(decodeWords(coded)).toBe(text);
});

test('an id is found in a Message-ID, and in nothing else', () => {
  expect(messageIdIn(`<${id.toUpperCase()}@acme.example>`)).toBe(id);
  expect(messageIdIn('<abc@acme.example>')).toBeNull();
  expect(messageIdIn(undefined)).toBeNull();
});
