/** What a development catcher captured, opened: an email's HTML, text, headers and files, and a webhook call's parts. */
import { createTransport } from 'nodemailer';
import { describe, expect, test } from 'vitest';
import type { CapturedMessage } from '../../src/console/index.ts';
import { createClient, useConsoleDatabase } from './support.ts';

const database = useConsoleDatabase();
const pixel = Buffer.from('iVBORw0KGgo=', 'base64');

async function opened(kind: CapturedMessage['kind'], raw: Buffer) {
  const one: CapturedMessage = {
    ...{ id: 'c1', at: new Date(), kind, messageId: null, to: 'ada@example.com', title: 'Hi <there>', raw },
  };
  const client = createClient(database, { captured: { list: () => [one], forMessage: () => [] } });
  return { ...client, view: (view: string) => client.see(`/captured/c1?view=${view}`) };
}

async function email(): Promise<Buffer> {
  const { message } = await createTransport({ streamTransport: true, buffer: true }).sendMail({
    from: 'Zoë <app@example.com>',
    to: 'ada@example.com',
    subject: 'Grüße',
    text: 'Plain <b>text</b>, größer',
    html: '<p>Rich</p><img src="cid:logo"><img src="https://tracker.example/x.png"><script>alert(1)</script>',
    headers: { 'X-Test': '<i>value</i>' },
    attachments: [
      { filename: 'größe <1>.txt', content: 'file content' },
      { filename: 'logo.png', content: pixel, cid: 'logo', contentType: 'image/png' },
    ],
  });
  return message as Buffer;
}

describe('a captured email', () => {
  test('opens as HTML in a frame that runs and loads nothing, with its own images', async () => {
    const { view, visit } = await opened('mail', await email());
    expect(await view('html')).toMatch(/<iframe [^>]*src="\/captured\/c1\/frame\?scheme=light" sandbox=""/);
    const frame = await visit('/captured/c1/frame?scheme=light');
    expect(frame.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'; .*img-src data:/);
    const text = await frame.text();
    expect(text).toContain('<p>Rich</p>');
    expect(text).toContain(`<img src="data:image/png;base64,${pixel.toString('base64')}">`);
  });

  test('opens as text, headers and source, all of it as text', async () => {
    const { view } = await opened('mail', await email());
    expect(await view('text')).toContain('Plain &lt;b&gt;text&lt;/b&gt;, größer');
    const headers = await view('headers');
    expect(headers).toMatch(/<th scope="row">Subject<\/th><td class="value">Grüße</);
    expect(headers).toContain('&lt;i&gt;value&lt;/i&gt;');
    expect(await view('source')).toContain('Content-Type: multipart/');
  });

  test('gives its files as downloads under their names', async () => {
    const { view, visit } = await opened('mail', await email());
    const files = await view('files');
    expect(files).toContain('größe &lt;1&gt;.txt');
    expect(files).toContain('Files (2)');
    const file = await visit('/captured/c1/files/1');
    expect(file.headers.get('content-disposition')).toBe("attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe%20%3C1%3E.txt");
    expect(file.headers.get('content-type')).toBe('application/octet-stream');
    expect(file.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await file.text()).toBe('file content');
    for (const index of ['2', '-1', 'constructor', '__proto__'])
      expect((await visit(`/captured/c1/files/${index}`)).status, index).toBe(404);
    expect((await visit('/captured/c2')).status).toBe(404);
  });

  test('without HTML opens as text', async () => {
    const { see, view } = await opened('mail', Buffer.from('Subject: Hi\r\n\r\njust text'));
    expect(await see('/captured/c1')).toContain('just text');
    expect(await view('html')).toContain('This email has no HTML.');
    expect(await view('files')).toContain('This email has no files.');
  });

  test.each([
    '',
    '\r\n',
    'no header at all',
    'Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n',
    '\u0000\u0001',
  ])('that is malformed (%j) still opens', async (raw) => {
    const { view } = await opened('mail', Buffer.from(raw));
    for (const name of ['html', 'text', 'headers', 'files', 'source']) await view(name);
  });
});

test('a captured webhook call opens as body, headers and source', async () => {
  const raw = Buffer.from('POST /in HTTP/1.1\nhost: a\n\n{"title":"<b>x</b>"}');
  const { see, view } = await opened('webhook', raw);
  expect(await see('/captured/c1')).toContain('  &quot;title&quot;: &quot;&lt;b&gt;x&lt;/b&gt;&quot;');
  expect(await view('headers')).toContain('host: a</pre>');
  expect(await view('source')).toContain('POST /in HTTP/1.1');
});
