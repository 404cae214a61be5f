/** The layout of an email in the brand of an application or a tenant. */
import { describe, expect, it } from 'vitest';
import { checkTemplate } from '../../src/templates/check.ts';
import { renderEmail } from '../../src/templates/email.ts';
import { createRenderer } from '../../src/templates/render.ts';
import { parseTemplate, type TemplateSource } from '../../src/templates/template-file.ts';
import type { Brand } from '../../src/vocabulary.ts';
import { invalid, unsupported } from '../support/email-lint.ts';

const body =
  'Hi [Kim](https://x.example),\n\n> q\n\n- a\n\n1. b\n\n```\nf\n```\n\n| g | h |\n|---|--:|\n| i | j |\n\n---\n\nBye.';
const plain: Brand = { appName: 'A & B', baseUrl: 'https://app.example' };
const full: Brand = {
  ...plain,
  logoUrl: 'https://app.example/l.png?a=1&b=2',
  logoDarkUrl: 'https://app.example/d.png',
  logoWidth: 120,
  logoHeight: 40,
  color: '#fde047',
  footer: ['A & B Ltd, 1 Main Street <London>', 'Help: help@app.example, or https://app.example/help?x="1".'],
};

function email(brand: Brand, language = 'en') {
  const createdAt = new Date('2026-06-01T00:00:00Z');
  const actions = [
    { label: 'Go', url: 'https://app.example/a' },
    { label: 'Other', url: 'https://app.example/o' },
  ];
  const template = { name: 't', language, title: 'T', body, actions };
  const content = createRenderer()({ template, recipient: { id: 'u' }, labels: {}, data: null, brand, createdAt });
  return renderEmail({ content, brand, createdAt, unsubscribeUrl: 'https://app.example/u' });
}

describe('the layout', () => {
  it.each([
    ['without a brand of its own', plain],
    ['with everything', full],
    ['with a logo alone', { ...plain, logoUrl: 'https://app.example/l.png' }],
  ])('is valid HTML that email programs understand, %s', (_, brand) => {
    const { html } = email(brand);
    expect(invalid(html)).toEqual([]);
    expect(unsupported(html)).toEqual([]);
  });

  it('shows a logo in its size, with the name for readers who do not load it', () => {
    const { logoDarkUrl: _, ...light } = full;
    const { html } = email(light);
    expect(html).toContain(
      '<img src="https://app.example/l.png?a=1&amp;b=2" width="120" height="40" alt="A &amp; B" style="display:block;width:120px;height:40px;border:0">',
    );
    expect(html).not.toContain('class="dark"');
    expect(email({ ...plain, logoUrl: 'https://app.example/l.png' }).html).toContain('height="36" alt="A &amp; B"');
  });

  it('hides the logo for dark mode until the style sheet shows it, from Outlook for Windows always', () => {
    const { html } = email(full);
    expect(html).toMatch(
      /<img class="light" [^>]+><!--\[if !mso\]><!--><img class="dark" [^>]+style="display:none;[^"]*mso-hide:all"><!--<!\[endif\]-->/,
    );
    expect(html).toContain('.dark{display:block!important}');
    expect(email(plain).html).not.toContain('.dark');
    expect(email({ ...full, logoDarkUrl: 'http://app.example/d.png' }).html).not.toContain('class="dark"');
  });

  it('has the colour of the brand on the primary button only, with ink that can be read on it', () => {
    const { html } = email(full);
    const [first = '', second = ''] = [...html.matchAll(/<td class="button[^>]*>.*?<\/td>/g)].map(([cell]) => cell);
    expect(first).toContain('bgcolor="#fde047"');
    expect(first).toMatch(/<a [^>]*color:#000000/);
    expect(second).toContain('bgcolor="#ffffff"');
    // Outlook for Windows pads the cell, because it ignores the padding of a link.
    expect(first).toContain('mso-padding-alt:11px 24px');
  });

  it('darkens links in a light colour until they can be read', () => {
    const [, link = ''] = /<a href="https:\/\/x\.example\/?"[^>]*style="color:(#\w+)/.exec(email(full).html) ?? [];
    expect(link).not.toBe('#fde047');
    expect(link).toMatch(/^#[0-9a-f]{6}$/);
  });

  it('has the lines of the footer in both parts, escaped, with their URLs and addresses as links', () => {
    const { html, text } = email(full);
    expect(html).toContain('<p style="margin:0 0 6px">A &amp; B Ltd, 1 Main Street &lt;London&gt;</p>');
    expect(html).toMatch(/Help: <a href="mailto:help@app\.example"[^>]*>help@app\.example<\/a>, or <a/);
    expect(html).toMatch(
      /<a href="https:\/\/app\.example\/help\?x="[^>]*>app\.example\/help\?x=<\/a>&quot;1&quot;\.<\/p>/,
    );
    expect(text).toContain('\nA & B Ltd, 1 Main Street <London>\nHelp: help@app.example, or');
    expect(text.indexOf('-- \n')).toBeLessThan(text.indexOf('A & B Ltd'));
  });
});

describe('what lists of emails show after the subject', () => {
  const file = (header: string) =>
    parseTemplate('t.md', `---\ntitle: Hello\n${header}---\nHi {{labels.who}},\n\nThe body.\n`).source;
  const shown = (header: string, labels: Record<string, string> = { who: 'Kim' }) => {
    const template = file(header);
    if (template === null) throw new Error('the template is not valid');
    const createdAt = new Date(0);
    const content = createRenderer()({ template, recipient: { id: 'u' }, labels, data: null, brand: plain, createdAt });
    return /mso-hide:all">(.*?)(?:&#8199;|<)/.exec(renderEmail({ content, brand: plain, createdAt }).html)?.[1];
  };

  it('is the preview of the header, filled in and escaped', () => {
    expect(shown('preview: "For {{labels.who}} & <all>"\n')).toBe('For Kim &amp; &lt;all&gt;');
    expect(shown('preview: "{{labels.more}}"\n', { who: 'Kim', more: '' })).toBe('');
  });

  it('is the first paragraph behind the greeting without one', () => {
    expect(shown('')).toBe('The body.');
  });

  it('is checked as the other texts are: syntax, labels, secrets', () => {
    expect(parseTemplate('t.md', '---\ntitle: T\npreview: "{{labels.a"\n---\nB\n').source).not.toBe(null);
    const issues = (text: string) => checkTemplate(parseTemplate('t.md', text).source as TemplateSource);
    expect(issues('---\ntitle: T\npreview: "{{labels.a"\n---\nB\n')).toContainEqual(
      expect.objectContaining({ line: 3, severity: 'error' }),
    );
    expect(file('preview: "{{labels.more}}"\n')?.labels).toEqual(['more', 'who']);
    const secret = '---\ntitle: T\npreview: "{{labels.code}}"\nsecrets: [code]\n---\nB\n';
    expect(issues(secret).map(({ message }) => message)).toContain(
      'label "code" is secret, but lists and previews show previews',
    );
  });

  it('makes another version, and none where there is no preview', () => {
    const hashes = ['', 'preview: a\n', 'preview: b\n'].map((header) => file(header)?.contentHash);
    expect(new Set(hashes).size).toBe(3);
  });
});

describe('an email from right to left', () => {
  it('has its sides, its direction and its names in order', () => {
    const { html } = email(full, 'he');
    expect(html).toContain('<html lang="he" dir="rtl"');
    expect(html).toMatch(/role="article"[^>]* lang="he" dir="rtl"/);
    expect(html).toMatch(/<td class="card pad ink" align="right" dir="rtl"/);
    expect(html).toContain('border-right:4px solid');
    expect(html).toContain('padding:0 24px 0 0');
    expect(html).toContain('&#8296;A &amp; B&#8297;');
    expect(html).toMatch(/<pre[^>]*text-align:left/);
    // Numbers on the far side, as in a text from left to right.
    expect(html).toMatch(/<td style="[^"]*text-align:left">(?:&#8296;)?j/);
    expect(invalid(html)).toEqual([]);
    expect(unsupported(html)).toEqual([]);
  });
});
