/** The catchers store whatever comes exactly as it came. */
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { createTransport } from 'nodemailer';
import { decodeWords } from 'postal-mime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CaptureStore, createCaptureStore, messageIdIn } from '../../src/development/capture-store.ts';
import { type Catcher, startMailCatcher } from '../../src/development/mail-catcher.ts';
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
  expect(String(first?.raw)).toContain('<b>hi</b>');
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
  expect(String(first?.raw)).toMatch(/^POST \/in\?a=1 HTTP\/1\.1\n[\s\S]*\nwebhook-id: 0189[\s\S]*\n\n\{"type"/);
});

test('only the newest 1,000 are kept', async () => {
  for (let n = 0; n < 1100; n += 1)
    await captured.add({ kind: 'mail', messageId: null, to: '', title: String(n), raw: Buffer.from('') });
  const all = await captured.list();
  expect([all.length, all[0]?.title]).toEqual([1000, '1099']);
});

test.each([
  ['plain', 'plain'],
  ['=?UTF-8?B?R3LDvMOfZQ==?=', 'Grüße'],
  ['=?utf-8?Q?Gr=C3=BC=C3=9Fe_an?= alle', 'Grüße an alle'],
  // A character that is split between two words is put together again.
  ['=?UTF-8?Q?=C3?=\n =?UTF-8?Q?=BC?=', 'ü'],
  ['=?iso-8859-1?Q?=FC?=', 'ü'],
])('the subject %j reads as %j', (coded, text) => {
  expect(decodeWords(coded)).toBe(text);
});

test('an id is found in a Message-ID, and in nothing else', () => {
  expect(messageIdIn(`<${id.toUpperCase()}@acme.example>`)).toBe(id);
  expect(messageIdIn('<abc@acme.example>')).toBeNull();
  expect(messageIdIn(undefined)).toBeNull();
});

test('a webhook call from a web page, or for another host, is refused and not stored', async () => {
  const catcher = await startWebhookCatcher(captured);
  open.push(catcher);
  const own = `127.0.0.1:${catcher.port}`;
  const post = (headers: Record<string, string>) =>
    new Promise<number | undefined>((resolve, reject) => {
      request({ host: '127.0.0.1', port: catcher.port, method: 'POST', path: '/', headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end('{"title":"\u001b]52;c;cm0=\u0007"}');
    });
  const refused: Record<string, string>[] = [
    { host: own, origin: 'https://evil.example' },
    { host: own, origin: 'null' },
    { host: own, 'sec-fetch-site': 'cross-site' },
    { host: own, 'sec-fetch-site': 'same-site' },
    { host: `localhost:${catcher.port}` },
    { host: `evil.example:${catcher.port}` },
    { host: 'evil.example', origin: 'http://evil.example' },
  ];
  for (const headers of refused) expect(await post(headers), JSON.stringify(headers)).toBeOneOf([403, 421]);
  expect(await captured.list()).toEqual([]);
  for (const headers of [{ host: own }, { host: own, origin: `http://${own}` }]) expect(await post(headers)).toBe(204);
  expect(await captured.list()).toHaveLength(2);
});

test.each(['constructor', '__proto__', 'toString'])('a call with the format %s is an ordinary one', async (format) => {
  const catcher = await startWebhookCatcher(captured);
  open.push(catcher);
  const answer = await fetch(catcher.url, { method: 'POST', body: '{}', headers: { 'x-pg-herald-capture': format } });
  expect(answer.status).toBe(204);
});

/** As many bytes as one likes, without holding them. */
function* filler(megabytes: number): Generator<Buffer> {
  const chunk = Buffer.alloc(1_000_000, 'a');
  for (let n = 0; n < megabytes; n += 1) yield chunk;
}

test('a webhook call that is too large is counted while it is read, refused and not stored', async () => {
  const catcher = await startWebhookCatcher(captured);
  open.push(catcher);
  const before = process.memoryUsage().rss;
  const answer = await fetch(catcher.url, {
    method: 'POST',
    body: Readable.toWeb(Readable.from(filler(300))),
    duplex: 'half',
  } as RequestInit);
  expect(answer.status).toBe(413);
  expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
  expect(await captured.list()).toEqual([]);
});

test('an email that is too large is counted while it is read, refused and not stored', async () => {
  const catcher = await startMailCatcher(captured);
  open.push(catcher);
  const before = process.memoryUsage().rss;
  const socket = connect(catcher.port, '127.0.0.1');
  const replies = createInterface({ input: socket })[Symbol.asyncIterator]();
  const reply = async (): Promise<string> => {
    for (;;) {
      const { value = '' } = (await replies.next()) as { value?: string };
      if (!/^\d{3}-/.test(value)) return value;
    }
  };
  await reply();
  for (const line of ['EHLO a', 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.com>', 'DATA']) {
    socket.write(`${line}\r\n`);
    expect(await reply()).toMatch(/^[23]/);
  }
  for (const chunk of filler(600)) if (!socket.write(chunk)) await once(socket, 'drain');
  socket.write('\r\n.\r\n');
  expect(await reply()).toMatch(/^552 /);
  socket.destroy();
  expect(process.memoryUsage().rss - before).toBeLessThan(250_000_000);
  expect(await captured.list()).toEqual([]);
});

test('what is stored and what is being read together stay within a bound; the oldest make room', async () => {
  const store = createCaptureStore({ isMessage: () => Promise.resolve(false), maxBytes: 10_000_000 });
  const add = async (title: string) => {
    const raw = await store.read(Readable.from(filler(3)), 5_000_000);
    if (raw !== null) await store.add({ kind: 'mail', messageId: null, to: '', title, raw });
    return raw !== null;
  };
  for (const title of ['a', 'b', 'c', 'd']) expect(await add(title)).toBe(true);
  expect((await store.list()).map(({ title }) => title)).toEqual(['d', 'c', 'b']);
  expect(await store.read(Readable.from(filler(6)), 5_000_000)).toBeNull();
  // Four at once do not fit, however little is stored.
  const together = await Promise.all(Array.from({ length: 4 }, (_, n) => add(`at once ${n}`)));
  expect(together).toContain(false);
  expect(await add('afterwards')).toBe(true);
});
