import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../src/errors.ts';
import { readTemplates } from '../../src/templates/files.ts';
import { parseTemplate } from '../../src/templates/template-file.ts';

function issues(content: string, file = 'a.md'): string[] {
  return parseTemplate(file, content).issues.map((issue) => `${issue.path} ${issue.message}`);
}

const minimal = '---\ntitle: Hello\n---\nBody\n';

describe('parseTemplate', () => {
  it('reads a minimal file with its defaults', () => {
    const { source } = parseTemplate('folder/hello-you.md', minimal);
    expect(source).toMatchObject({
      name: 'hello-you',
      title: 'Hello',
      body: 'Body',
      group: 'General',
      kind: 'system',
      actions: [],
      methods: null,
      fallback: 'all',
      enabledByDefault: true,
      mandatory: false,
      ttlSeconds: null,
      unknown: 'retry',
      maxAttempts: null,
      sender: null,
      secrets: [],
      labels: [],
      optionalLabels: [],
      example: null,
    });
  });

  it('knows the fields of the data without which nothing can be rendered', () => {
    const body = `{{date data.at}} {{data.user.name}} {{default data.note "-"}} {{lookup data.names 0}}
{{#if data.late}}{{number data.days}}{{/if}}

{{#each data.rows}}
- {{name}} {{../data.prefix}} {{@root.data.suffix}}
{{/each}}

{{#each (first data.builds 2)}}x{{/each}} {{data.length}}`;
    const { source } = parseTemplate('a.md', `---\ntitle: "{{data.title}}"\n---\n${body}\n`);
    expect(source?.dataFields).toEqual(['at', 'builds', 'rows', 'title', 'user']);
    expect(parseTemplate('a.md', minimal).source?.dataFields).toEqual([]);
  });

  it('reads everything that a header may say', () => {
    const { source, issues } = parseTemplate(
      'a.md',
      `---
title: Code {{labels.a}}
group: Account
kind: custom
actions:
  - { label: Go, url: "{{baseUrl}}/{{labels.b}}" }
methods: [smtp, webhook]
fallback: first
enabledByDefault: false
mandatory: true
ttlSeconds: 900
unknown: hold
maxAttempts: 5
sender: security
labels: [extra]
secrets: [a]
example:
  recipient: { name: Kim }
  labels: { a: x, b: y, extra: z }
  data: { n: [1, true, null] }
---

Body {{default labels.c "-"}} {{lookup labels "d"}}
`,
    );
    expect(issues).toEqual([]);
    expect(source).toMatchObject({
      group: 'Account',
      kind: 'custom',
      methods: ['smtp', 'webhook'],
      fallback: 'first',
      enabledByDefault: false,
      mandatory: true,
      ttlSeconds: 900,
      unknown: 'hold',
      maxAttempts: 5,
      sender: 'security',
      secrets: ['a'],
      labels: ['a', 'b', 'extra'],
      optionalLabels: ['c', 'd'],
      example: {
        recipient: { id: 'example', email: 'kim@example.com', name: 'Kim' },
        labels: { a: 'x', b: 'y', extra: 'z' },
        data: { n: [1, true, null] },
      },
      origin: {
        positions: {
          title: { line: 2, column: 8 },
          'actions[0].url': { line: 6, column: 24 },
          body: { line: 23, column: 1 },
        },
      },
    });
  });

  it('reports every fault of a header with its place, value and remedy', () => {
    const header = `---
title: 5
ttlSecond: 3
kind: sytem
actions:
  - { label: x, ulr: y }
example:
  labels:
    n: 5
---
Body`;
    expect(issues(header)).toEqual([
      'a.md:2:1 "title" must be text; quote it, not 5',
      expect.stringMatching(/^a\.md:3:1 "ttlSecond" is not a known key; did you mean "ttlSeconds"\?; known: title, /),
      'a.md:4:1 "kind" must be "system", "custom" or "test", not "sytem"',
      'a.md:6:5 "actions[0].url" is missing',
      'a.md:6:17 "actions[0].ulr" is not a known key; did you mean "url"?; known: label, url',
      'a.md:9:5 "example.labels.n" must be text; quote it, not 5',
    ]);
  });

  it('reports broken texts beside the faults of the header, not only once those are corrected', () => {
    expect(issues('---\ntitle: "Hi {{labels.x}"\ntitel: y\n---\nFine.\nHi {{labels.y}\n')).toEqual([
      expect.stringMatching(/^a\.md:2:\d+ title: /),
      expect.stringMatching(/^a\.md:3:1 "titel" is not a known key/),
      expect.stringMatching(/^a\.md:6:\d+ body: /),
    ]);
  });

  it.each([
    ['no header', 'Body', /^a\.md:1:1 the header is missing/],
    ['no end of the header', '---\ntitle: x\nBody', /the header is missing/],
    ['no title', '---\ngroup: x\n---\nBody', /"title" is missing/],
    ['no body', '---\ntitle: x\n---\n\n', /the body is empty/],
    [
      'a value that begins with braces',
      '---\ntitle: {{labels.a}} b\n---\nBody',
      /^a\.md:2:\d+ the header is not valid YAML.*quote values/,
    ],
    ['a value with a colon', '---\ntitle: Build: {{labels.a}}\n---\nBody', /^a\.md:2:8 .*quote values/],
    [
      'a label that YAML takes for a comment',
      '---\ntitle: Build #{{labels.a}}\n---\nBody',
      /after " #" as a comment; quote/,
    ],
    ['a key twice', '---\ntitle: a\ntitle: b\n---\nBody', /^a\.md:3:1 .*unique/],
    ['an alias', '---\ntitle: &a x\ngroup: *a\n---\nBody', /aliases are not supported/],
    ['too large a file', `---\ntitle: x\n---\n${'x'.repeat(300_000)}`, /larger than 256 KB/],
    ['no mapping', '---\n- a\n---\nBody', /must be a mapping/],
  ])('refuses %s', (_, content, message) => {
    expect(issues(content).join('\n')).toMatch(message);
    expect(parseTemplate('a.md', content).source).toBeNull();
  });

  it('refuses a file name that is not a template name', () => {
    expect(issues(minimal, 'Bad_Name.md')).toEqual([expect.stringContaining('"Bad_Name" is not a template name')]);
  });

  it('hashes what a version consists of, not how the file is written', () => {
    const hash = (content: string) => parseTemplate('a.md', content).source?.contentHash;
    expect(hash(minimal)).toMatch(/^[0-9a-f]{64}$/);
    expect(hash('\ufeff---\r\n# why\r\ntitle: "Hello"\r\nmandatory: true\r\n---\r\n\r\nBody\r\n\r\n')).toBe(
      hash(minimal),
    );
    expect(hash('---\ntitle: Hello\n---\nBody!\n')).not.toBe(hash(minimal));
  });
});

describe('readTemplates', () => {
  async function folder(files: Record<string, string>, use: (path: string) => Promise<void>): Promise<void> {
    const path = await mkdtemp(join(tmpdir(), 'herald-templates-'));
    try {
      await Promise.all(Object.entries(files).map(([name, content]) => writeFile(join(path, name), content)));
      await use(path);
    } finally {
      await rm(path, { recursive: true });
    }
  }

  it('reads the Markdown files of a folder in order and gathers the issues of all', async () => {
    await folder({ 'b.md': minimal, 'a.md': minimal, 'c.md': 'x', 'README.md': 'x', 'x.txt': 'x' }, async (path) => {
      const { sources, issues } = await readTemplates(path);
      expect(sources.map((source) => source.name)).toEqual(['a', 'b']);
      expect(issues.map((issue) => issue.path)).toEqual(['c.md:1:1']);
    });
  });

  it('refuses two files for one template', async () => {
    await folder({ 'b.md': minimal, 'b.MD': minimal }, async (path) => {
      const { issues } = await readTemplates(path);
      expect(issues.map((issue) => issue.message)).toEqual(['two files for one template: b.MD and b.md; remove one']);
    });
  });

  it('says which folder cannot be used', async () => {
    await expect(readTemplates('/nowhere/at/all')).rejects.toThrow(ConfigurationError);
    await folder({}, async (path) => {
      await expect(readTemplates(path)).rejects.toThrow('contains no template files');
    });
  });
});
