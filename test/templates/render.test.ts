import { describe, expect, it } from 'vitest';
import { createRenderer, RenderError, type RenderInput, type TemplateTexts } from '../../src/templates/render.ts';

function input(template: Partial<TemplateTexts>, more: Partial<RenderInput> = {}): RenderInput {
  return {
    template: { name: 'example', title: 'Title', body: 'Body', actions: [], ...template },
    recipient: { id: 'u1', name: 'Kim' },
    labels: { workspace: 'dev' },
    data: null,
    brand: { appName: 'Buildyard', baseUrl: 'https://app.example' },
    createdAt: new Date('2025-12-31T23:30:00Z'),
    ...more,
  };
}

const render = (one: RenderInput) => createRenderer()(one);
const body = (source: string, more: Partial<RenderInput> = {}) => render(input({ body: source }, more));

describe('the renderer', () => {
  it('fills title, body and actions with all that a template can see', () => {
    const content = render(
      input(
        {
          title: '{{labels.workspace}} of {{recipient.name}}',
          body: '{{appName}} {{currentYear}} {{data.a.[0]}} {{targets.[0]}} {{recipient.id}}{{recipient.email}} {{logoUrl}}.',
          actions: [
            { label: 'Open {{labels.workspace}}', url: '{{baseUrl}}/w/{{labels.workspace}}?y={{currentYear}}' },
          ],
        },
        { data: { a: [1] }, targets: ['t9'] },
      ),
    );
    expect(content).toEqual({
      title: 'dev of Kim',
      markdown: 'Buildyard 2025 1 t9 u1 .',
      text: 'Buildyard 2025 1 t9 u1 .',
      html: '<p>Buildyard 2025 1 t9 u1 .</p>',
      language: 'en',
      direction: 'ltr',
      actions: [{ label: 'Open dev', url: 'https://app.example/w/dev?y=2025' }],
    });
  });

  it('names template, version, text, line, column and label when a label is missing', () => {
    const attempt = () =>
      render(input({ version: 3, body: 'Hi\n\nsee {{labels.wrkspace}}' }, { labels: { code: 'SECRET' } }));
    expect(attempt).toThrow(RenderError);
    expect(attempt).toThrow('template "example" version 3, body line 3 column 7: label "wrkspace" is missing');
  });

  it('gives the same bytes again, from the same renderer and from a new one', () => {
    const one = input(
      { body: '{{#each data}}\n- **{{this}}** {{date "2026-01-01T00:00:00Z"}}\n{{/each}}' },
      { data: ['a', 'b'] },
    );
    const render = createRenderer();
    expect(render(one)).toEqual(render(structuredClone(one)));
    expect(render(one)).toEqual(createRenderer()(one));
  });

  it('keeps apart what differs only in values, in branches or in rows', () => {
    const render = createRenderer({ cacheSize: 1 });
    const source =
      '{{#if data.rows}}\n| a |\n|---|\n{{#each data.rows}}\n| {{this}} |\n{{/each}}\n{{else}}\nnone {{labels.workspace}}\n{{/if}}';
    const texts = [[], ['x'], ['x', 'y'], ['longer'], []].map(
      (rows) => render(input({ body: source }, { data: { rows } })).text,
    );
    expect(texts).toEqual(['none dev', 'a\n---\nx', 'a\n---\nx\ny', 'a\n------\nlonger', 'none dev']);
    expect(render(input({ body: 'other' })).text).toBe('other');
    expect(render(input({ body: source }, { data: { rows: ['z'] } })).text).toBe('a\n---\nz');
  });

  it('makes titles and button labels one line of plain text of 200 characters at most', () => {
    const { title } = render(
      input({ title: 'A *b* {{labels.workspace}}' }, { labels: { workspace: '[x]\r\n\u0000\u202e<i>&\ttab' } }),
    );
    expect(title).toBe('A *b* [x] <i>& tab');
    const long = render(input({ title: '{{labels.workspace}}' }, { labels: { workspace: '😀'.repeat(300) } })).title;
    expect(Array.from(long)).toHaveLength(200);
    expect(long.endsWith('😀…')).toBe(true);
  });

  it.each(['', '\n', ' \t ', '\u200b', '\u2066\u2069', '\u00a0'])(
    'sends the name of the template for a title of %j, and leaves out a button without a label',
    (workspace) => {
      const actions = ['{{labels.workspace}}', 'Open'].map((label) => ({ label, url: 'https://x.example/' }));
      const content = render(input({ title: ' {{labels.workspace}} ', actions }, { labels: { workspace } }));
      expect(content.title).toBe('Example');
      expect(content.actions).toEqual([{ label: 'Open', url: 'https://x.example/' }]);
    },
  );

  it('refuses output that is too long', () => {
    expect(() => body('{{labels.workspace}}', { labels: { workspace: 'x'.repeat(300_000) } })).toThrow('256 KB');
    expect(() => body('{{labels.workspace}}', { labels: { workspace: '&'.repeat(100_000) } })).toThrow('256 KB');
  });

  it('refuses a body that holds the word it marks values with', () => {
    expect(() => body('zqx0xqz')).toThrow('reserved word');
  });
});

describe('Markdown', () => {
  it('becomes readable plain text', () => {
    const source = `# Head

First *line*
goes **on**.\\
New line with \`code\` and [a link](https://x.example/a?b=1), <https://y.example/>, [mail](mailto:a@b.example).

> Quoted
>
> - in a list

1. one

   more of one
2. two

3) three

---

    indented code
      deeper

| Name | Count |
|------|------:|
| **a** | 10 |
| 日本語 | 5 |
`;
    expect(body(source).text).toBe(`Head

First line goes on.
New line with code and a link (https://x.example/a?b=1), https://y.example/, mail (mailto:a@b.example).

> Quoted
>
> - in a list

1. one

   more of one

2. two

3. three

----------------------------------------

    indented code
      deeper

Name    Count
------  -----
a          10
日本語      5`);
  });

  it('shows HTML as text and drops images, keeping their description', () => {
    const content = body('<b>x</b> ![a *cat*](https://img.example/c.png)');
    expect(content.html).toBe('<p>&lt;b&gt;x&lt;/b&gt; a cat</p>');
    expect(content.text).toBe('<b>x</b> a cat');
  });

  it('leaves links with other schemes as text', () => {
    expect(body('[x](javascript:alert(1)) [y](data:text/html,x) [z](/relative)').html).not.toContain('<a');
  });

  it('keeps the line breaks of a text only where the template asks for it', () => {
    const labels = { workspace: '  one\r\ntwo\n\n\n# three\n    four\n- five\u2028six\n' };
    expect(body('{{paragraphs labels.workspace}}\n\nend', { labels })).toMatchObject({
      text: 'one\ntwo\n\n# three\nfour\n- five\nsix\n\nend',
      html: '<p>one<br>\ntwo</p>\n<p># three<br>\nfour<br>\n- five<br>\nsix</p>\n<p>end</p>',
    });
    expect(body('{{labels.workspace}}', { labels }).html).toBe('<p> one two # three four - five six </p>');
    expect(() => body('> {{paragraphs labels.workspace}}')).toThrow('must stand alone');
    expect(() => body('{{paragraphs labels.workspace}} x')).toThrow('must stand alone');
  });
});

describe('URLs', () => {
  const url = (source: string, labels: Record<string, string> = {}, baseUrl = 'https://app.example') =>
    render(input({ actions: [{ label: 'x', url: source }] }, { labels, brand: { appName: 'A', baseUrl } })).actions[0]
      ?.url;

  it.each([
    ['{{baseUrl}}/w/{{labels.a}}', '../../admin?x#y', 'https://app.example/w/..%2F..%2Fadmin%3Fx%23y'],
    ['{{baseUrl}}/w/{{labels.a}}/edit', '..', 'https://app.example/w/%252E%252E/edit'],
    ['{{baseUrl}}/w/{{labels.a}}/edit', '.', 'https://app.example/w/%252E/edit'],
    ['{{baseUrl}}/w/{{labels.a}}', "a b'(c)\n\ud800", 'https://app.example/w/a%20b%27%28c%29%20%EF%BF%BD'],
    ['{{baseUrl}}?q={{labels.a}}&z=1', 'x&z=2#', 'https://app.example/?q=x%26z%3D2%23&z=1'],
    ['{{baseUrl}}', '', 'https://app.example/'],
    ['https://static.example/{{labels.a}}', '//evil', 'https://static.example/%2F%2Fevil'],
    ['mailto:{{labels.a}}', 'a@b.example?bcc=c@d.example', 'mailto:a%40b.example%3Fbcc%3Dc%40d.example'],
    ['{{url labels.a}}', 'https://sso.example/reset?token=a%2Fb', 'https://sso.example/reset?token=a%2Fb'],
    ['{{url labels.a}}&x=1', 'https://sso.example/?t=1', null],
    ['{{url labels.a}}', 'javascript:alert(1)', null],
    ['{{url labels.a}}', '/workspaces/7?tab=1', 'https://app.example/workspaces/7?tab=1'],
    ['{{url labels.a}}', '', 'https://app.example/'],
    ['{{url labels.a}}', 'relative', null],
    ['{{url labels.a}}', '//evil.example', null],
    ['{{url labels.a}}', '/\\evil.example', null],
    ['{{url labels.a}}', 'https://user:pw@evil.example/', null],
    ['{{labels.a}}', 'https://evil.example', null],
    ['https://{{labels.a}}/x', 'evil.example', null],
    ['https://app.example{{labels.a}}', '.evil.example', null],
    ['{{baseUrl}}{{labels.a}}', '.evil.example', null],
    ['{{baseUrl}}@{{labels.a}}', 'evil.example', null],
    ['{{baseUrl}}:{{labels.a}}', '8080', null],
    ['ftp://x.example/{{labels.a}}', '', null],
    ['/only/a/path/{{labels.a}}', '', null],
  ])('%s with %j is %j', (source, a, expected) => {
    if (expected === null) expect(() => url(source, { a })).toThrow(RenderError);
    else expect(url(source, { a })).toBe(expected);
  });

  it('takes a base URL with a path or a trailing slash', () => {
    expect(url('{{baseUrl}}/w', {}, 'https://x.example/herald')).toBe('https://x.example/herald/w');
    expect(url('{{baseUrl}}/w', {}, 'http://localhost:3000/')).toBe('http://localhost:3000/w');
  });

  it('applies to links of the body in all three forms', () => {
    const content = body('[see {{labels.workspace}}]({{baseUrl}}/w/{{labels.workspace}} "{{labels.workspace}}")', {
      labels: { workspace: 'a)"](https://evil.example' },
    });
    expect(content.html).toBe(
      '<p><a href="https://app.example/w/a%29%22%5D%28https%3A%2F%2Fevil.example" title="a)&quot;](https://evil.example">see a)&quot;](https://evil.example</a></p>',
    );
    expect(content.text).toBe(
      'see a)"](https://evil.example (https://app.example/w/a%29%22%5D%28https%3A%2F%2Fevil.example)',
    );
    expect(content.markdown).toContain('](https://app.example/w/a%29%22%5D%28https%3A%2F%2Fevil.example "');
    expect(() => body('[x](https://{{labels.workspace}}/)')).toThrow('host');
  });
});
