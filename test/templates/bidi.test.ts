/** Values whose letters run in the other direction than the text around them. */
import { describe, expect, it } from 'vitest';
import { createRenderer } from '../../src/templates/render.ts';
import { renderEmail } from '../../src/templates/email.ts';

const render = createRenderer();
const brand = { appName: 'Acme', baseUrl: 'https://acme.example' };
const createdAt = new Date('2026-06-01T00:00:00Z');

function rendered(language: string, body: string, x: string, title = '{{labels.x}}') {
  const template = { name: 't', language, title, body, actions: [] };
  return render({ template, recipient: { id: 'u' }, labels: { x }, data: null, brand, createdAt });
}

describe('a value of the other direction', () => {
  it('stands in an isolate in a Hebrew text, so that its bracket stays at its end', () => {
    const content = rendered('he', 'החשבון **{{labels.x}}** נמחק.', 'billing-api (v2)', 'נמחק: {{labels.x}}');
    expect(content.html).toBe('<p>החשבון <strong><bdi>billing-api (v2)</bdi></strong> נמחק.</p>');
    expect(content.text).toBe('החשבון \u2068billing-api (v2)\u2069 נמחק.');
    expect(content.markdown).toBe('החשבון **\u2068billing\\-api \\(v2\\)\u2069** נמחק.');
    expect(content.title).toBe('נמחק: \u2068billing-api (v2)\u2069');
    expect(content).toMatchObject({ language: 'he', direction: 'rtl' });
  });

  it('stands in an isolate in an English text, so that what follows stays after it', () => {
    const content = rendered('en', 'Job {{labels.x}}: 5 min', 'مهمة');
    expect(content.html).toBe('<p>Job <bdi>مهمة</bdi>: 5 min</p>');
    expect(content.text).toBe('Job \u2068مهمة\u2069: 5 min');
    expect(content.title).toBe('\u2068مهمة\u2069');
    expect(content).toMatchObject({ language: 'en', direction: 'ltr' });
  });

  it('needs no isolate where it runs along', () => {
    for (const [language, value] of [
      ['en', 'billing-api (v2)'],
      ['de', 'Zoë & Łukasz, 東京'],
      ['he', 'החשבון שלי'],
      ['ar', 'محمد'],
      ['ar', '42'],
    ] as const) {
      const { text, html, title } = rendered(language, 'x {{labels.x}} x', value);
      expect(text + html + title).not.toMatch(/[\u2066-\u2069]|<bdi>/);
    }
  });

  it('holds no invisible character in code, URLs and titles of links', () => {
    const body = '`{{labels.x}}`\n\n```\n{{labels.x}}\n```\n\n[א](https://a.example/{{labels.x}} "{{labels.x}}")';
    const content = rendered('he', body, 'a-b');
    expect(content.html).toBe(
      '<p><code dir="ltr">a-b</code></p>\n<pre dir="ltr" style="text-align:left"><code>a-b\n</code></pre>\n' +
        '<p><a href="https://a.example/a-b" title="a-b">א</a></p>',
    );
    expect(content.text + content.markdown).not.toMatch(/[\u2066-\u2069]/);
  });

  it('cannot leave its isolate, and a title that is cut closes it', () => {
    const { text, title } = rendered('he', '{{labels.x}}!', 'a\u2069b\u2067c');
    expect(text).toBe('\u2068ab\u2067c\u2069\u2069!');
    expect(title).toBe('\u2068ab\u2067c\u2069\u2069');
    const long = rendered('he', 'x', 'a'.repeat(300)).title;
    expect(long).toBe(`\u2068${'a'.repeat(198)}…\u2069`);
  });

  it('stays in its isolate in the preview of an email', () => {
    const content = rendered('he', `{{labels.x}} ${'ש'.repeat(300)}`, `b${'c'.repeat(300)}`);
    const { html } = renderEmail({ content, brand, createdAt });
    expect(html).toMatch(/<html lang="he" dir="rtl"/);
    expect(/mso-hide:all">([^&]*)/.exec(html)?.[1]).toMatch(/^\u2068bc+…\u2069$/);
  });

  it('keeps the columns of a table in plain text aligned', () => {
    const body = '| א | ב |\n|---|---|\n| {{labels.x}} | 1 |\n| abcdef | 2 |';
    const lines = rendered('he', body, 'abcdef').text.split('\n').slice(2);
    expect(lines.map((line) => line.replace(/[\u2066-\u2069]/g, ''))).toEqual(['abcdef  1', 'abcdef  2']);
  });
});
