/** The warnings of `templates check`: what is valid, but probably a mistake. */
import { describe, expect, test } from 'vitest';
import { checkTemplate } from '../../src/templates/check.ts';
import { parseTemplate } from '../../src/templates/template-file.ts';

function issues(header: string, body = 'Hi'): string[] {
  const { source, issues: found } = parseTemplate('a.md', `---\n${header}\n---\n${body}\n`);
  if (source === null) throw new Error(JSON.stringify(found));
  return [...found, ...checkTemplate(source)].map(({ severity, path, message }) => `${severity} ${path} ${message}`);
}

const head = (example: string) => `title: x\nexample: ${example}`;

describe('a hash after a space', () => {
  test.each([
    ['title: Issue # 5 was closed\nexample: {}', '2:13', '# 5 was closed'],
    ['title: x\ngroup: Team #1\nexample: {}', '3:12', '#1'],
    ['title: x\nactions:\n  - label: Open #5\n    url: https://x.example/\nexample: {}', '4:16', '#5'],
    ['title: x\nactions:\n  - label: Open\n    url: https://x.example/ #top\nexample: {}', '5:28', '#top'],
  ])('of %j is reported with its place', (header, place, text) => {
    expect(issues(header)).toEqual([
      `warning a.md:${place} YAML reads ${JSON.stringify(text)} as a comment; quote the value if it is part of the text`,
    ]);
  });

  test('is reported in the labels of an example', () => {
    const warnings = issues('title: "{{labels.a}}"\nexample:\n  labels:\n    a: Fix #3');
    expect(warnings).toEqual([expect.stringContaining('YAML reads "#3" as a comment')]);
  });

  test('is fine in quotes, and after a value that is not a text', () => {
    expect(issues('title: "Issue # 5"\nttlSeconds: 60 # a minute\nexample: {}')).toEqual([]);
  });
});

describe('a comparison', () => {
  test.each([
    ['(eq labels.n 1)', 'labels.n is never equal to 1: write "1" in quotes'],
    ['(eq true labels.n)', 'labels.n is never equal to true: write "true" in quotes'],
    ['(eq recipient.id 7)', 'recipient.id is never equal to 7: write "7" in quotes'],
    ['(eq data.count "1")', 'data.count is never equal to "1": the example has a number'],
    ['(eq currentYear "2026")', 'currentYear is never equal to "2026": the example has a number'],
    ['labels.on', 'every text but the empty one is true, also "false"; write (eq labels.on "false")'],
  ])('%s that can never be meant is reported', (condition, message) => {
    const body = `{{#if ${condition}}}one{{/if}} {{labels.n}} {{labels.on}}`;
    expect(issues(head('{ labels: { n: "1", on: "false" }, data: { count: 1 } }'), body)).toEqual([
      expect.stringMatching(/^warning a\.md:5:\d+ body: /),
    ]);
    expect(issues(head('{ labels: { n: "1", on: "false" }, data: { count: 1 } }'), body)[0]).toContain(message);
  });

  test.each(['(eq labels.n "1")', '(eq data.count 1)', '(eq data.other "1")', 'labels.n2', '(eq labels.n labels.on)'])(
    '%s that can be true is not',
    (condition) => {
      const body = `{{#if ${condition}}}one{{/if}} {{labels.n}} {{labels.on}} {{labels.n2}}`;
      expect(
        issues(head('{ labels: { n: "1", on: "false", n2: two }, data: { count: 1, other: null } }'), body),
      ).toEqual([]);
    },
  );

  test('in a loop, and inside another block or helper, is found, too', () => {
    const body =
      '{{#each data.rows}}{{#if (eq state 1)}}a{{/if}}{{default (eq n "1") "x"}}{{else}}{{#unless (eq labels.a 2)}}b{{/unless}}{{/each}}';
    expect(issues(head('{ labels: { a: "2" }, data: { rows: [{ state: up, n: 1 }] } }'), body)).toHaveLength(3);
  });
});

describe('a slash in a value', () => {
  const example = '{ labels: { repo: acme/api, plain: x }, data: { branch: feature/x } }';

  test('is reported where it becomes %2F, with the helper that keeps it', () => {
    const header = `title: x\nactions: [{ label: Go, url: "{{baseUrl}}/{{labels.repo}}" }]\nexample: ${example}`;
    expect(issues(header, 'See [it]({{baseUrl}}/{{labels.plain}}/tree/{{data.branch}}).')).toEqual([
      'warning a.md:3:44 actions[0].url: a "/" in labels.repo becomes %2F here; write {{path labels.repo}} to keep the segments of a path',
      'warning a.md:6:46 body: a "/" in data.branch becomes %2F here; write {{path data.branch}} to keep the segments of a path',
    ]);
  });

  test.each([
    '{{labels.repo}}',
    '[x]({{baseUrl}}/?r={{labels.repo}})',
    '[x]({{baseUrl}}/{{path labels.repo}})',
    '[{{labels.repo}}](https://x.example/)',
  ])('is fine in %s', (body) => {
    expect(issues(head(example.replace(', plain: x', '')), `${body} {{labels.repo}}`)).toEqual([]);
  });
});

describe('markup that goes out as it is written', () => {
  test.each([
    ['[settings](/settings)', 'this link is sent as literal text'],
    ['[call](tel:+43123)', 'this link is sent as literal text'],
    ['[x](javascript:alert(1))', 'this link is sent as literal text'],
    ['<tel:+43123>', 'this link is sent as literal text'],
    ['[r]\n\n[r]: /foo', 'this link is sent as literal text'],
    ['<!-- internal note -->', 'an HTML comment is sent as literal text'],
    ['- [ ] task', 'a task list is sent with literal brackets'],
    ['1. [x] task', 'a task list is sent with literal brackets'],
    ['word[^1]', 'footnotes are sent as literal text'],
    ['a <br> b', 'HTML is sent as literal text'],
    ['![x](https://x.example/y.png)', 'images are not sent'],
  ])('%j is reported with its line', (markup, message) => {
    const [warning, ...more] = issues(head('{}'), `Hi\n\nline three\n\n${markup}`);
    expect(warning).toMatch(/^warning a\.md:(9|11):\d+ body: /);
    expect(warning).toContain(message);
    expect(more).toEqual([]);
  });

  test.each([
    '`[x](/y) <b> <!-- x -->`',
    '```\n<b>[x](/y)\n- [ ] task\n```',
    '~~~~ html\n<b>\n~~~\n[^1]\n~~~~',
    '[x](https://x.example/) <https://x.example/> [m](mailto:a@b.example) [v]({{baseUrl}}/a)',
    '[r]\n\n[r]: https://x.example/',
    'a < b and c > d, 3 <4',
  ])('%j is not', (body) => {
    expect(issues(head('{}'), body)).toEqual([]);
  });
});

describe('an empty text', () => {
  test('is reported where the example shows one', () => {
    const header = 'title: "{{labels.a}}"\nactions: [{ label: "{{labels.a}}", url: "https://x.example/" }]';
    expect(issues(`${header}\nexample: { labels: { a: "" } }`)).toEqual([
      expect.stringContaining('actions: with the example 1 of them have no label and are left out'),
      expect.stringContaining('title: with the example it is empty, so the name of the template is sent'),
    ]);
  });
});
