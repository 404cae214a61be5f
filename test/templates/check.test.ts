import { describe, expect, it } from 'vitest';
import { checkTemplate } from '../../src/templates/check.ts';
import { parseTemplate } from '../../src/templates/template-file.ts';

function check(content: string): string[] {
  const { source, issues } = parseTemplate('a.md', content);
  expect(issues).toEqual([]);
  if (!source) throw new Error('no source');
  return checkTemplate(source).map((issue) => `${issue.severity} ${issue.path} ${issue.message}`);
}

const file = (header: string, body: string) => `---\ntitle: Hello\n${header}---\n${body}\n`;

describe('checkTemplate', () => {
  it('is content with a sound template', () => {
    expect(check(file('example: { labels: { a: x } }\n', 'Hi {{labels.a}}'))).toEqual([]);
  });

  it('warns when there is no example', () => {
    expect(check(file('', 'Hi'))).toEqual([expect.stringMatching(/^warning a\.md:1:1 there is no example/)]);
  });

  it('finds syntax errors in every text, at their place in the file', () => {
    const content = `---
title: "{{tilte}}"
actions:
  - { label: "{{{labels.a}}}", url: "{{baseUrl}}/{{lables.a}}" }
example: { labels: { a: x } }
---

Hi

see {{dat labels.a}}
`;
    expect(check(content)).toEqual([
      'error a.md:2:11 title: there is nothing called "tilte"; did you mean "labels.tilte"?',
      'error a.md:4:15 actions[0].label: raw output ({{{ }}} or {{& }}) is not allowed; use {{ }}',
      'error a.md:4:52 actions[0].url: there is nothing called "lables"; did you mean "labels"?',
      expect.stringMatching(/^error a\.md:10:5 body: there is no helper "dat"; did you mean "date"\?/),
    ]);
  });

  it('finds labels that the example does not give, and those that nothing uses', () => {
    expect(check(file('example: { labels: { workspace: x } }\n', 'Hi\n{{labels.wrkspace}}'))).toEqual([
      'warning a.md:1:1 the example has a label "workspace", which no text uses; did you mean "wrkspace"?',
      'error a.md:6:3 label "wrkspace" is not in the example; did you mean "workspace"?; add it under example.labels',
    ]);
  });

  it('finds secrets that nothing uses, or that a title or button would show', () => {
    const content = `---
title: "{{labels.code}}"
secrets: [code, cod]
example: { labels: { code: x } }
---
{{labels.code}}
`;
    expect(check(content)).toEqual([
      'error a.md:1:1 secrets: no text uses a label "cod"; did you mean "code"?',
      'error a.md:2:11 label "code" is secret, but lists and previews show titles',
    ]);
  });

  it.each([
    [
      'a URL whose host a label could choose',
      'actions: [{ label: x, url: "https://{{labels.a}}/" }]\nexample: { labels: { a: x } }\n',
      'Hi',
      /^error a\.md:3:29 the example cannot be rendered: actions\[0\]\.url: a value stands where the host/,
    ],
    [
      'a URL without a scheme',
      'actions: [{ label: x, url: "/workspaces" }]\nexample: {}\n',
      'Hi',
      /^error a\.md:3:29 .*not an absolute URL/,
    ],
    [
      'a URL with a scheme that is not allowed',
      'actions: [{ label: x, url: "ftp://x.example/" }]\nexample: {}\n',
      'Hi',
      /only https:, http: and mailto:/,
    ],
    [
      'data that the example lacks',
      'example: { data: { rows: [{ a: 1 }] } }\n',
      'Hi\n{{#each data.rows}}{{b}}{{/each}}',
      /^error a\.md:6:22 .*"b" is missing/,
    ],
    [
      'an example that is not printable',
      'example: { data: { rows: [{ a: 1 }] } }\n',
      '{{data.rows}}',
      /^error a\.md:5:1 .*is a list/,
    ],
    [
      'an email that Gmail would clip',
      `example: { labels: { a: ${'x'.repeat(100_000)} } }\n`,
      '{{labels.a}}',
      /^error a\.md:5:1 the HTML of the email has 10\d{4} bytes/,
    ],
    [
      'an image',
      'example: {}\n',
      'Hi\n\nsee ![x](https://x.example/y.png)',
      /^warning a\.md:7:5 body: images are not sent/,
    ],
    ['HTML', 'example: {}\n', 'Hi <b>you</b>', /^warning a\.md:5:4 body: HTML is sent as literal text/],
    ['a reserved word', 'example: {}\n', 'zqx1xqz', /^error a\.md:5:1 body: the word/],
  ])('finds %s', (_, header, body, message) => {
    expect(check(file(header, body))[0]).toMatch(message);
  });
});
