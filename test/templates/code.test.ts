/** Values in code: they keep their line breaks and never leave the code, whichever parser reads the Markdown. */
import fc from 'fast-check';
import MarkdownIt, { type Token } from 'markdown-it';
import { describe, expect, test } from 'vitest';
import { createRenderer, RenderError } from '../../src/templates/render.ts';

const render = createRenderer();
const content = (body: string, v: string) =>
  render({
    template: { name: 'code', title: 'Title', body, actions: [] },
    recipient: { id: 'u' },
    labels: { v },
    data: null,
    brand: { appName: 'A', baseUrl: 'https://app.example' },
    createdAt: new Date(0),
  });

const trace = 'Error: no\n    at run (a.ts:1)\n\n\tat main\n';

const bodies = {
  'a fence': 'Log:\n\n```\n{{labels.v}}\n```\n\nEnd',
  'a fence of tildes': '~~~\n{{labels.v}}\n~~~\n\nEnd',
  'indented code': 'Log:\n\n    {{labels.v}}\n\nEnd',
  'indented code at the start': '    {{labels.v}}\n\nEnd',
  'a fence in a quote': '> Log:\n>\n> ```\n> x {{labels.v}}\n> ```\n>\n> End',
  'a fence in a list': '- Log:\n\n  ```\n  {{labels.v}}\n  ```\n\n- End',
  'a fence that begins a list item': '1. ```\n   {{labels.v}}\n   ```\n2. End',
  'indented code in a list': '- Log:\n\n      {{labels.v}}\n\n- End',
  'indented code that begins a list item': '-     {{labels.v}}\n- End',
  'a quote in a list': '- > ```\n  > {{labels.v}}\n  > ```\n- End',
  'a span': 'Run `{{labels.v}}` now',
  'a span in a table': '| a | b |\n|---|---|\n| `{{labels.v}}` | c |\n\nEnd',
};

const receiver = new MarkdownIt({ html: true, linkify: true });
const flat = (tokens: readonly Token[]): Token[] => tokens.flatMap((token) => [token, ...flat(token.children ?? [])]);
const structure = (markdown: string) => flat(receiver.parse(markdown, {})).map(({ type, level }) => `${level} ${type}`);

const nasty = [
  '\n',
  '\n\n',
  '\r\n',
  '\u2028',
  '```',
  '~~~',
  '`',
  '|',
  '\\',
  '\\|',
  '\\\\|',
  '> ',
  '- ',
  '# h',
  '    ',
  '\t',
  ' ',
  'x',
  '[x](https://evil.example)',
  '<b>',
  '</code></pre>',
  '---',
];
const hostile = fc
  .array(fc.constantFrom(...nasty), { minLength: 1, maxLength: 8 })
  .map((parts) => parts.join(''))
  .filter((v) => v.trim() !== '');

describe('a value in code', () => {
  test('keeps its line breaks, tabs and indentation in a block', () => {
    const { html, text, markdown } = content(bodies['a fence'], trace);
    expect(html).toContain('<pre><code>Error: no\n    at run (a.ts:1)\n\n\tat main\n</code></pre>');
    expect(text).toBe('Log:\n\n    Error: no\n        at run (a.ts:1)\n    \n    \tat main\n\nEnd');
    expect(markdown).toBe('Log:\n\n```\nError: no\n    at run (a.ts:1)\n\n\tat main\n```\n\nEnd');
  });

  test('leaves no empty line in the text of a quote that holds nothing else', () => {
    expect(content('> ```\n> one\n> {{labels.v}}\n> ```\n\nEnd', 'two').text).toBe('>     one\n>     two\n\nEnd');
  });

  test('keeps the quote marks and the indentation of its block on every line', () => {
    expect(content(bodies['a fence in a quote'], 'a\nb').markdown).toContain('> x a\n> b\n> ```');
    expect(content(bodies['a fence in a quote'], 'a\nb').text).toContain('>     x a\n>     b');
    expect(content(bodies['indented code that begins a list item'], 'a\nb').markdown).toBe('-     a\n      b\n- End');
  });

  test('is one line in a span', () => {
    expect(content(bodies['a span'], 'a\n  b').html).toBe('<p>Run <code>a b</code> now</p>');
  });

  test.each(Object.entries(bodies))('stays in %s', (_, body) => {
    const plain = content(body, 'plain');
    fc.assert(
      fc.property(hostile, (v) => {
        const { html, markdown } = content(body, v);
        expect(structure(markdown)).toEqual(structure(plain.markdown));
        expect(html.match(/<[^>]*>/g)).toEqual(plain.html.match(/<[^>]*>/g));
      }),
      { numRuns: 300 },
    );
  });

  test('cannot end a table cell for a reader that takes two backslashes for one', () => {
    for (const v of ['|', '\\|', '\\\\|', 'a\\\\\\|b|c']) {
      const row = content(bodies['a span in a table'], v).markdown.split('\n')[2] ?? '';
      // GitHub's scanner: a backslash escapes whatever follows it, also another backslash.
      const cells = row.replace(/\\./g, '').split('|');
      expect(cells).toHaveLength(4);
    }
  });

  test('cannot be inserted with "paragraphs", which would print backslashes', () => {
    for (const name of ['a fence', 'indented code', 'a fence of tildes'] as const) {
      const body = bodies[name].replace('{{labels.v}}', '{{paragraphs labels.v}}').replace('    {{', '{{');
      if (name === 'indented code') continue;
      expect(() => content(body, 'a\nb')).toThrow(RenderError);
      expect(() => content(body, 'a\nb')).toThrow(/body: "paragraphs" cannot be used in code/);
    }
  });
});
