import fc from 'fast-check';
import MarkdownIt, { type Token } from 'markdown-it';
import { describe, expect, it } from 'vitest';
import { isolated } from '../../src/templates/bidi.ts';
import { codeText, oneLine } from '../../src/templates/escape.ts';
import { renderEmail } from '../../src/templates/email.ts';
import { createRenderer, type RenderInput } from '../../src/templates/render.ts';

/** A value in every place where a template can put one. */
const template = {
  name: 'everywhere',
  title: 'About {{labels.v}}',
  body: `# Head {{labels.v}} head

{{labels.v}} begins a line and {{labels.v}}

The **{{labels.v}}** and *{{labels.v}}*, \`{{labels.v}}\`, [in {{labels.v}} link]({{baseUrl}}/p/{{labels.v}}/q?x={{labels.v}} "t {{labels.v}}").

- item {{labels.v}}
  - {{labels.v}} inner
> quote {{labels.v}}

| Head {{labels.v}} | Code |
|-------------------|------|
{{#each data}}
| {{this}} cell | \`{{this}}\` |
{{/each}}

\`\`\`
{{labels.v}}
\`\`\`

    indented {{labels.v}}

The end{{labels.v}}`,
  actions: [{ label: 'Go {{labels.v}}', url: '{{baseUrl}}/a/{{labels.v}}' }],
};

const render = createRenderer();

function rendered(v: string) {
  const input: RenderInput = {
    template,
    recipient: { id: 'u' },
    labels: { v },
    data: [v, v],
    brand: { appName: 'A', baseUrl: 'https://app.example' },
    createdAt: new Date(0),
  };
  const content = render(input);
  return { content, email: renderEmail({ content, brand: input.brand, createdAt: input.createdAt }) };
}

const nasty = [
  '[Reset](https://evil.example)',
  '![x](https://evil.example/p.png)',
  '<script>alert(1)</script>',
  '<https://evil.example>',
  'https://evil.example',
  'www.evil.example',
  '<img src=x onerror=alert(1)>',
  '# h',
  '\n# h\n',
  '\n\n',
  '\r\n- x',
  '| a | b |',
  '|',
  '`',
  '```\n',
  '\n```\n[x](https://evil.example)\n',
  '\n[x](https://evil.example)\n',
  '\\|[x](https://evil.example)',
  '\u2067',
  '\u2069',
  '\u00a0',
  '~~~',
  '\\',
  '\\[',
  '*',
  '**',
  '_',
  '~~',
  '&lt;',
  '&#60;',
  '&',
  '"',
  "'",
  '(',
  ')',
  '](',
  '[',
  ']:',
  '[a]: https://evil.example',
  '---',
  '===',
  '\n===\n',
  '1. x',
  '> q',
  '    code',
  '\t',
  '$&',
  '$1',
  '{{labels.x}}',
  '{{{x}}}',
  'zqx0xqz',
  'zqu0uqz',
  '\u202e',
  '\u2028',
  '\0',
  '\u0085',
  '\n\u0085\t',
  '\ud800',
  '..',
  '/',
  '?',
  '#',
  '@everyone',
  ':',
  '://',
  'javascript:alert(1)',
  '-->',
  '<!--',
  '<![endif]-->',
  '</style>',
  '</title>',
  'x',
  '0',
  ' ',
  'é',
  '日本',
  '😀',
];
const hostile = fc
  .array(fc.oneof(fc.constantFrom(...nasty), fc.string({ unit: 'binary', maxLength: 4 })), {
    minLength: 1,
    maxLength: 6,
  })
  .map((parts) => parts.join(''));

/** Elements with their attributes, but for URLs, titles and labels, which hold the value by design, and isolates of values. */
function skeletonOf(html: string): string[] {
  return (html.replace(/<\/?bdi>/g, '').match(/<[^>]*>/g) ?? []).map((tag) =>
    tag.replace(/ (href|title|aria-label)="[^"]*"/g, ' $1'),
  );
}

const entities: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&amp;': '&' };
const decoded = (html: string) => html.replace(/&(?:lt|gt|quot|amp);/g, (entity) => entities[entity] ?? entity);

/** What a receiver of the Markdown sees who allows HTML, makes links of bare URLs, and knows tables. */
const receiver = new MarkdownIt({ html: true, linkify: true });

function structureOf(markdown: string): string[] {
  const flat = (tokens: readonly Token[]): Token[] => tokens.flatMap((token) => [token, ...flat(token.children ?? [])]);
  return flat(receiver.parse(markdown, {}))
    .filter((token) => !['text', 'text_special', 'softbreak'].includes(token.type) && !/^(em|strong)_/.test(token.type))
    .map((token) => `${token.type} ${token.type === 'link_open' ? new URL(String(token.attrGet('href'))).origin : ''}`);
}

const plain = rendered('plain');

const wordsOf = (html: string) => decoded(html.replace(/<[^>]*>/g, ''));

/** Every value stands on one line, but in code blocks, where it keeps its line breaks. */
function expectedWords(v: string): string {
  const pieces = plain.content.html.split(/(<pre>.*?<\/pre>)/s);
  // Function as replacement: the value may hold "$&".
  return pieces
    .map((piece) => wordsOf(piece).replaceAll('plain', () => (piece.startsWith('<pre>') ? codeText(v) : oneLine(v))))
    .join('');
}

describe('a value', () => {
  it('never changes the elements of the HTML, of the email, or the words around it', () => {
    fc.assert(
      fc.property(hostile, (v) => {
        const { content, email } = rendered(v);
        expect(skeletonOf(content.html)).toEqual(skeletonOf(plain.content.html));
        expect(skeletonOf(email.html)).toEqual(skeletonOf(plain.email.html));
        expect(wordsOf(content.html)).toBe(expectedWords(v));
      }),
      { numRuns: 1000 },
    );
  });

  it('never chooses where a link leads', () => {
    fc.assert(
      fc.property(hostile, (v) => {
        const { content } = rendered(v);
        const hrefs = [...content.html.matchAll(/href="([^"]*)"/g)].map((match) => decoded(match[1] ?? ''));
        for (const href of [...hrefs, ...content.actions.map((action) => action.url)]) {
          const url = new URL(href);
          expect(url.origin).toBe('https://app.example');
          expect(url.pathname.split('/').length).toBe(url.pathname.startsWith('/p/') ? 4 : 3);
        }
        expect(hrefs).toHaveLength(1);
      }),
      { numRuns: 1000 },
    );
  });

  it('stays text when the Markdown is parsed again', () => {
    fc.assert(
      fc.property(
        hostile.filter((v) => oneLine(v).trim() !== ''),
        (v) => {
          const { markdown } = rendered(v).content;
          expect(structureOf(markdown)).toEqual(structureOf(plain.content.markdown));
          // The first heading, with its escapes undone, says what the value says.
          const heading = receiver.parse(markdown, {})[1]?.children ?? [];
          expect(heading.map((token) => token.content).join('')).toBe(`Head ${isolated(oneLine(v), 'ltr')} head`);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('keeps titles, labels and lines of the plain text on one line', () => {
    fc.assert(
      fc.property(hostile, (v) => {
        const { content } = rendered(v);
        expect(content.title).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e]/u);
        expect(content.actions[0]?.label).not.toMatch(/[\r\n]/);
        const outsideCode = (text: string) => text.split('\n').filter((line) => !line.startsWith('    '));
        expect(outsideCode(content.text)).toHaveLength(outsideCode(plain.content.text).length);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a value that is "unlinked"', () => {
  const unlinked = {
    ...template,
    title: '{{unlinked labels.v}}',
    body: 'Before {{unlinked labels.v}} after.\n\n| A |\n|---|\n| {{unlinked labels.v}} |',
    actions: [],
  };
  const linkify = new MarkdownIt({ linkify: true });
  linkify.linkify.set({ fuzzyEmail: true, fuzzyIP: true, fuzzyLink: true });
  const textsOf = (v: string) => {
    const input = { recipient: { id: 'u' }, labels: { v }, data: null, createdAt: new Date(0) };
    const brand = { appName: 'A', baseUrl: 'app' };
    const content = render({ ...input, template: unlinked, brand });
    return { title: content.title, text: content.text };
  };

  it.each([
    'https://evil.example/login',
    'www.evil.com',
    'evil.com',
    'ops@evil.com',
    'HTTP://evil.example:8080/?a=b.c',
    'visit https://evil.example, or http://x.co.',
    '10.0.0.1',
    'mailto:a@b.com',
    'пример.рф',
  ])('makes no link of %s', (v) => {
    expect(linkify.linkify.test(`Before ${v} after.`)).toBe(true);
    const { title, text } = textsOf(v);
    expect([title, text].map((each) => each.replaceAll('\u2060', ''))).toEqual([v, expect.stringContaining(v)]);
    for (const each of [title, text]) expect(linkify.linkify.match(each)).toBeNull();
  });

  it('reads the same, and an absent one is empty', () => {
    expect(textsOf('version 1. It works.').title).toBe('version 1. It works.');
  });
});
