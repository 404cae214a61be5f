/** The Big List of Naughty Strings: as values and as sources of templates, and through the database. */
import { createRequire } from 'node:module';
import MarkdownIt from 'markdown-it';
import { describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { checkTemplate } from '../../src/templates/check.ts';
import { renderEmail } from '../../src/templates/email.ts';
import { oneLine } from '../../src/templates/escape.ts';
import { createRenderer } from '../../src/templates/render.ts';
import { parseTemplate } from '../../src/templates/template-file.ts';
import { writtenMessages } from '../../src/testing/index.ts';
import { greeting, greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';

const all = createRequire(import.meta.url)('big-list-of-naughty-strings') as readonly string[];
const naughty = [...new Set(all)];

const render = createRenderer();
const brand = { appName: 'App', baseUrl: 'https://app.example' };
const template = {
  name: 'a',
  title: 'About {{labels.v}}',
  body: 'Before {{labels.v}} after\n\n`{{labels.v}}`\n\n[{{labels.v}}]({{baseUrl}}/{{labels.v}}?q={{labels.v}})',
  actions: [{ label: 'Go {{labels.v}}', url: '{{baseUrl}}/{{labels.v}}' }],
};

const decoded = (html: string) =>
  html.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');

/** Without what keeps a value of the other direction apart. */
const unisolated = (text: string) => text.replace(/<\/?bdi>|[\u2068\u2069]/g, '');

/** The texts between the tags of our HTML. */
const textsOf = (html: string) =>
  unisolated(html)
    .split(/<[^>]*>/)
    .map(decoded);

test('there are hundreds of them', () => {
  expect(naughty.length).toBeGreaterThan(450);
});

describe('a naughty string', () => {
  test.each(naughty)('%j is text in every place of a template', (v) => {
    const content = render({
      template,
      recipient: { id: 'u' },
      labels: { v },
      data: null,
      brand,
      createdAt: new Date(0),
    });
    const line = unisolated(oneLine(v));
    expect(textsOf(content.html)).toEqual(expect.arrayContaining([`Before ${line} after`, line]));
    expect(unisolated(content.html).match(/<[a-z]+/g)).toEqual(['<p', '<p', '<code', '<p', '<a']);
    expect(unisolated(content.text)).toContain(`Before ${line} after`);
    expect(new URL(content.actions[0]?.url ?? '').host).toBe('app.example');
    expect(content.title).not.toMatch(/[\r\n]/);
    // The Markdown of webhooks shows the same text.
    const again = new MarkdownIt('commonmark').render(content.markdown);
    expect(textsOf(again)).toContain(`Before ${line} after`);
    const email = renderEmail({ content, brand, createdAt: new Date(0) });
    expect(email.html).not.toMatch(/<script|<img|<iframe|(?:href|src)="(?!https:)/i);
  });

  test.each(naughty)('%j as the text of a template is rendered, or is an error with its place', (source) => {
    const { source: parsed, issues } = parseTemplate('a.md', `---\ntitle: x\nexample: {}\n---\n${source}\n`);
    const found = parsed === null ? issues : checkTemplate(parsed);
    for (const { message, line } of found) {
      expect(message).not.toMatch(/Cannot read|undefined|is not a function|\[object/);
      expect(line).toBeGreaterThan(0);
    }
  });
});

describe('the database', () => {
  const database = useDatabase({ templates: { greeting: greetingFile } });

  test('returns each of them letter for letter, or as well-formed text', async () => {
    const herald = createHerald();
    const client = await database.pool.connect();
    try {
      await client.query('BEGIN');
      for (const who of naughty)
        await herald.enqueue(client, greeting, { to: { id: 'ada' }, labels: { who }, data: [who] });
      const messages = await writtenMessages(client);
      const stored = messages.map(({ data }) => (data as string[])[0]);
      expect(new Set(stored)).toEqual(new Set(naughty.map((text) => text.toWellFormed().replaceAll('\0', '\ufffd'))));
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });
});
