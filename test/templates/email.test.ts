import { describe, expect, it } from 'vitest';
import type { RenderedContent } from '../../src/vocabulary.ts';
import { type EmailInput, renderEmail } from '../../src/templates/email.ts';
import { createRenderer } from '../../src/templates/render.ts';

const content: RenderedContent = {
  title: 'Title <&"',
  markdown: '',
  text: 'Hi Kim,\n\nThe first sentence & more.\n\nThe second.',
  html: '<p>Hi</p>',
  actions: [
    { label: 'Go <b>', url: 'https://app.example/?a=1&b=2' },
    { label: 'Other', url: 'https://app.example/o' },
  ],
  language: 'en',
  direction: 'ltr',
};

function email(input: Partial<EmailInput> = {}) {
  const brand = { appName: 'A & B', baseUrl: 'https://app.example' };
  return renderEmail({ content, brand, createdAt: new Date('2026-06-01T00:00:00Z'), ...input });
}

describe('an email', () => {
  it('has the title as subject and a plain part with actions, unsubscription and year', () => {
    const mail = email({ unsubscribeUrl: 'https://app.example/u/1' });
    expect(mail.subject).toBe('Title <&"');
    expect(mail.text).toBe(`Hi Kim,

The first sentence & more.

The second.

Go <b>: https://app.example/?a=1&b=2
Other: https://app.example/o

${'-- '}
Unsubscribe from emails like this: https://app.example/u/1
© 2026 A & B · https://app.example
`);
  });

  it('escapes everything that it puts into the document', () => {
    const { html } = email({ unsubscribeUrl: 'https://app.example/?a="&b=<' });
    expect(html).toContain('<title>Title &lt;&amp;&quot;</title>');
    expect(html).toContain('>Go &lt;b&gt;</a>');
    expect(html).toContain('href="https://app.example/?a=1&amp;b=2"');
    expect(html).toContain('href="https://app.example/?a=&quot;&amp;b=&lt;"');
    expect(html).toContain('A &amp; B');
  });

  it('shows the first sentence after the greeting in lists of emails', () => {
    expect(email().html).toMatch(/mso-hide:all">The first sentence &amp; more\.&#8199;/);
    expect(email({ content: { ...content, text: 'Only this' } }).html).toContain('mso-hide:all">Only this&#8199;');
  });

  it('shows a logo only when there is one, over https, with the name for readers who do not load it', () => {
    const brand = { appName: 'A', baseUrl: 'https://app.example' };
    expect(email({ brand }).html).not.toContain('<img');
    expect(email({ brand: { ...brand, logoUrl: 'http://app.example/l.png' } }).html).not.toContain('<img');
    expect(email({ brand: { ...brand, logoUrl: 'https://app.example/l.png' } }).html).toContain(
      '<img src="https://app.example/l.png" height="36" alt="A"',
    );
  });

  it('names the language and the direction of its text', () => {
    expect(email({ content: { ...content, language: 'de-AT' } }).html).toContain('<html lang="de-AT" xmlns');
    const hebrew = { ...content, language: 'he', direction: 'rtl' } as const;
    expect(email({ content: hebrew }).html).toContain('<html lang="he" dir="rtl"');
    expect(email({ content: { ...content, language: '"><script>' } }).html).toContain('<html lang="&quot;&gt;');
  });

  it('says its fixed words in the language of the text, or as the application does', () => {
    const unsubscribeUrl = 'https://app.example/u/1';
    const german = email({ unsubscribeUrl, content: { ...content, language: 'de-CH' } });
    expect(german.text).toContain(`Solche E-Mails abbestellen: ${unsubscribeUrl}\n`);
    expect(german.html).toContain('>Solche E-Mails abbestellen</a>');
    const own = { ...content, language: 'cs', words: { unsubscribe: 'Odhlásit' } };
    expect(email({ unsubscribeUrl, content: own }).text).toContain(`Odhlásit: ${unsubscribeUrl}\n`);
  });

  it('styles every element of the body in place and keeps one top heading', () => {
    const source =
      '# One\n\n## Two\n\n> q\n\n- a\n\n1. b\n\n`c` **d** [e](https://x.example)\n\n```\nf\n```\n\n| g | h |\n|---|--:|\n| i | j |\n\n---';
    const brand = { appName: 'A', baseUrl: 'https://app.example' };
    const createdAt = new Date(0);
    const template = { name: 't', title: 'T', body: source, actions: [] };
    const { html } = email({
      content: createRenderer()({ template, recipient: { id: 'u' }, labels: {}, data: null, brand, createdAt }),
    });
    const body = html.slice(html.indexOf('</h1>') + 5, html.indexOf('</td>\n</tr>\n<tr>\n<td class="pad muted"'));
    const bare = [...body.matchAll(/<([a-z0-9]+)((?: [^>]*)?)>/g)].filter(
      ([, tag, attributes]) => !attributes?.includes('style=') && !['thead', 'tbody', 'br'].includes(tag ?? ''),
    );
    expect(bare.map(([tag]) => tag)).toEqual([]);
    expect(body).toContain('<h2 style=');
    expect(body).toContain('<h3 style=');
    expect(body).toMatch(/<td style="[^"]*;text-align:right">j<\/td>/);
    expect(html.match(/<h1/g)).toHaveLength(1);
  });

  it.each([
    ['4F9K-27QX-M3TD', true],
    ['493021', true],
    ['npm test', false],
    ['ERROR', false],
    ['123456\n789012', false],
  ])('shows %j alone in a code block in large letters: %s', (code, large) => {
    const html = `<pre><code>${code}\n</code></pre>`;
    expect(email({ content: { ...content, html } }).html.includes('font-size:24px')).toBe(large);
  });

  it('keeps a table of 300 rows below the size that Gmail clips', () => {
    const rows = Array.from({ length: 300 }, (_, row) => `| build ${row} | failed | worker-${row} |`).join('\n');
    const brand = { appName: 'A', baseUrl: 'https://app.example' };
    const createdAt = new Date(0);
    const body = `| Build | State | Worker |\n|---|---|---|\n${rows}`;
    const template = { name: 't', title: 'T', body, actions: [] };
    const { html } = email({
      content: createRenderer()({ template, recipient: { id: 'u' }, labels: {}, data: null, brand, createdAt }),
    });
    expect(html.length).toBeLessThan(102_000);
  });

  it('leaves the rule of a table out of the preview', () => {
    const { html } = email({ content: { ...content, text: 'A    B\n---  ---\n1    2' } });
    expect(html).toContain('mso-hide:all">A B 1 2&#8199;');
  });

  it('says that it knows dark mode', () => {
    const { html } = email();
    expect(html).toContain('<meta name="color-scheme" content="light dark">');
    expect(html).toContain('@media (prefers-color-scheme:dark)');
  });

  it('gives the same bytes again', () => {
    expect(email()).toEqual(email());
  });
});
