/** The layout of an email in the brand of an application or a tenant. */
import { describe, expect, it } from 'vitest';
import { renderEmail } from '../../src/templates/email.ts';
import { createRenderer } from '../../src/templates/render.ts';
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

function email(brand: Brand) {
  const createdAt = new Date('2026-06-01T00:00:00Z');
  const actions = [
    { label: 'Go', url: 'https://app.example/a' },
    { label: 'Other', url: 'https://app.example/o' },
  ];
  const template = { name: 't', title: 'T', body, actions };
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
