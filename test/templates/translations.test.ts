/** The files of a template's languages: read from a folder, joined, compared. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { audienceIssues } from '../../src/templates/audience.ts';
import { checkTemplate } from '../../src/templates/check.ts';
import { requiredLanguageIssues } from '../../src/templates/compare-languages.ts';
import { readTemplates } from '../../src/templates/files.ts';
import { generateTypes } from '../../src/templates/generate-types.ts';
import type { TemplateIssue } from '../../src/templates/template-file.ts';
import { templateSources } from '../support/application.ts';

let root: string;
let folders = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'pg-herald-languages-'));
});
afterAll(() => rm(root, { recursive: true }));

/** Reads a folder with these files. */
async function read(files: Readonly<Record<string, string>>) {
  const folder = join(root, String(folders++));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  const { sources, issues } = await readTemplates(folder);
  return { sources, issues: lines(issues) };
}

const lines = (issues: readonly TemplateIssue[]) =>
  issues.map(({ severity, path, message }) => `${severity} ${path} ${message}`);

const file = (title: string, header = '', body = 'Hi') => `---\ntitle: ${title}\n${header}---\n${body}\n`;

describe('a folder', () => {
  it('has one template for the files of its languages', async () => {
    const { sources, issues } = await read({
      'a.md': file('Hello', 'language: en_GB\nactions: [{ label: Go, url: "https://a.example/{{labels.x}}" }]\n'),
      'a.de.md': file('Hallo', 'actions: [{ label: Los }]\n', 'Hallo {{labels.y}}'),
      'a.pt_br.md': file('Olá', 'actions: [{ label: Vai, url: "https://a.example/pt" }]\n'),
      'b.md': file('B'),
      'locales/de-AT.json': '{ "unsubscribe": "Nein" }',
      'locales/de.json': '{ "unsubscribe": "Weg damit" }',
      'README.md': 'text',
      'locales/notes.txt': 'text',
    });
    expect(issues).toEqual([]);
    expect(sources).toMatchObject([
      {
        ...{ name: 'a', language: 'en-GB', words: null, labels: ['x', 'y'] },
        translations: [
          {
            ...{ language: 'de', title: 'Hallo', words: { unsubscribe: 'Weg damit' } },
            actions: [{ label: 'Los', url: 'https://a.example/{{labels.x}}' }],
          },
          { language: 'pt-BR', actions: [{ label: 'Vai', url: 'https://a.example/pt' }] },
        ],
      },
      { name: 'b', language: 'en', translations: [] },
    ]);
    expect(generateTypes(sources)).toContain("labels: ['x', 'y'],");
  });

  it('leaves out a template of which one language cannot be read, and says what is wrong', async () => {
    const { sources, issues } = await read({
      'a.md': file('A'),
      'a.de.md': file('A', 'group: Test\n'),
      'b.md': file('B'),
      'b.old.md': file('B'),
      'c.md': file('C', 'language: de\n'),
      'c.de.md': file('C'),
      'd.md': file('D'),
      'd.pt-BR.md': file('D'),
      'd.pt_BR.md': file('D'),
      'e.md': file('E'),
      'f.fr.md': file('F'),
      'g.md': file('G', 'language: english\n'),
      'h.md': file('H'),
      'h.de.md': 'Hallo',
    });
    expect(sources.map(({ name }) => name)).toEqual(['e']);
    expect(issues).toEqual([
      'error a.de.md:3:1 "group" belongs in the file without a language: it is an option of all languages',
      'error b.old.md:1:1 "old" is not a language; name the file for example b.de.md or b.pt-BR.md',
      'error g.md:3:1 "language" is not a language such as de or pt-BR, not "english"',
      'error h.de.md:1:1 the header is missing; begin the file with "---", then for example "title: ...", then "---"',
      'error c.de.md:1:1 c.md is in the language de, too; change its "language" or remove this file',
      'error d.pt_BR.md:1:1 two files for the language pt-BR: d.pt-BR.md and d.pt_BR.md; remove one',
      'error f.fr.md:1:1 there is no sound f.md, which has the options of all languages; did you mean "a"?',
    ]);
  });

  it.each([
    ['english.json', '{}', '"english" is not a language; name the file for example de.json or pt-BR.json'],
    ['de.json', '[]', 'this is not a JSON object of names and words'],
    ['de.json', '{', 'this is not a JSON object of names and words'],
    ['de.json', '{"unsubscribed": "x"}', /^there is no word "unsubscribed"; did you mean "unsubscribe"\?; known: /],
    ['de.json', '{"unsubscribe": 1}', '"unsubscribe" must be one line of 1 to 200 characters'],
    ['de.json', '{"unsubscribe": "a\\nb"}', '"unsubscribe" must be one line of 1 to 200 characters'],
    ['de.json', `{"unsubscribe": "${'x'.repeat(201)}"}`, '"unsubscribe" must be one line of 1 to 200 characters'],
  ])('refuses the words of locales/%s: %s', async (name, content, message) => {
    const { issues } = await read({ 'a.md': file('A'), [`locales/${name}`]: content });
    expect(issues).toHaveLength(1);
    const prefix = `error locales/${name}:1:1 `;
    expect(issues[0]?.slice(0, prefix.length)).toBe(prefix);
    expect(issues[0]?.slice(prefix.length)).toEqual(
      typeof message === 'string' ? message : expect.stringMatching(message),
    );
  });
});

const example = 'example: { labels: { a: x, b: y }, data: { n: 2, rows: [{ name: z }] } }\n';
const loop = '{{labels.a}} {{labels.b}} {{#each data.rows}}{{name}}{{/each}}';

function check(files: Readonly<Record<string, string>>): string[] {
  return templateSources(files).flatMap((source) => lines(checkTemplate(source)));
}

describe('the check of a template in several languages', () => {
  it('is content with languages that use the same', () => {
    expect(check({ t: file('T', example, loop), 't.de': file('T', '', loop) })).toEqual([]);
  });

  it('names what a language lacks', () => {
    const actions = 'actions: [{ label: Go, url: "https://a.example" }]\n';
    expect(check({ t: file('T', example + actions, loop), 't.de': file('T', '', '{{labels.a}}') })).toEqual([
      'error t.de.md:1:1 actions: t.md has 1, this file has 0; list each with a label, in the same order',
      'warning t.de.md:1:1 label "b" is not used here; t.md (English) uses it',
      'warning t.de.md:1:1 "data.rows" is not used here; t.md (English) uses it',
      'warning t.de.md:1:1 "data.rows[].name" is not used here; t.md (English) uses it',
      'warning t.de.md:1:1 the loop over data.rows of t.md is missing here',
    ]);
  });

  it('refuses a label that only one language needs, because no application passes it', () => {
    const german = file('T', 'example: { labels: { bb: z } }\n', `${loop} {{labels.bb}} {{lookup labels "c"}}`);
    expect(check({ t: file('T', example, loop), 't.de': german })).toEqual([
      'error t.de.md:5:66 label "bb" is not used in t.md; did you mean "b"?',
      expect.stringMatching(/^warning t\.de\.md:5:\d+ label "c" is not used in t\.md; did you mean "a"\?$/),
    ]);
  });

  it('checks each language like a template, at its place in its file', () => {
    const wrong = file('T', '', '{{lables.a}}\n\n<b>x</b>');
    expect(check({ t: file('T', example, '{{labels.a}}{{labels.b}}'), 't.de': wrong })).toEqual([
      'error t.de.md:4:3 body: there is nothing called "lables"; did you mean "labels"?',
      expect.stringMatching(/^warning t\.de\.md:6:1 body: HTML is sent as literal text/),
      expect.stringMatching(/^warning t\.de\.md:6:5 body: HTML is sent as literal text/),
    ]);
  });

  it('renders the example in each language', () => {
    const failing = file('T', 'example: { data: { n: many } }\n', '{{number data.n}}');
    expect(
      check({ t: file('T', example, '{{number data.n}}{{labels.a}}{{labels.b}}'), 't.de': failing }),
    ).toContainEqual(
      expect.stringMatching(/^error t\.de\.md:5:1 the example cannot be rendered: body line 1 column 1: "number"/),
    );
  });

  it('knows the plural forms of each language', () => {
    const two = '{{plural data.n one="a" other="b"}}';
    const source = file('T', 'example: { data: { n: 2 } }\n', '{{plural data.n "a" "b"}}');
    expect(check({ t: source, 't.pl': file('T', '', two) })).toEqual([
      'error t.pl.md:4:1 "plural" lacks the form "many" (as for 0) and "few" (as for 2), which Polish has; write ' +
        'one="…" few="…" many="…"',
    ]);
    expect(check({ t: source, 't.pl': file('T', '', '{{plural data.n "a" "b"}}') })).toHaveLength(1);
    expect(check({ t: source, 't.ja': file('T', '', '{{plural data.n other="b"}}') })).toEqual([]);
    expect(check({ t: source, 't.fr': file('T', '', two) })).toEqual([]);
    expect(
      check({ t: file('T', 'example: { data: { n: 2 } }\n', '{{plural data.n few="a" other="b" one="c"}}') }),
    ).toEqual(['warning t.md:5:1 "plural": English has no form "few", so it is never used']);
    expect(() => check({ t: file('T', '', '{{plural data.n one="a"}}') })).not.toThrow();
  });

  it('says where the layout has no words', () => {
    expect(check({ t: file('T', 'example: {}\n'), 't.cs': file('T') })).toEqual([
      'warning t.cs.md:1:1 the layout has no words in Czech, so it is in English; write unsubscribe, preferences in ' +
        'locales/cs.json',
    ]);
  });

  it('names the templates without a required language', () => {
    const sources = templateSources({ a: file('A'), 'a.pt': file('A'), b: file('B', 'language: de\n') });
    expect(lines(requiredLanguageIssues(sources, ['de', 'pt-BR']))).toEqual([
      'error a.md:1:1 there is no text in German; write a.de.md',
      'error b.md:1:1 there is no text in Brazilian Portuguese; write b.pt-BR.md',
    ]);
  });

  it('counts the recipients who miss their language', () => {
    const sources = templateSources({ a: file('A'), 'a.pt': file('A'), b: file('B') });
    const audience = [
      { template: 'a', locale: 'de_DE', recipients: 3 },
      { template: 'a', locale: 'de-AT', recipients: 1 },
      { template: 'a', locale: 'fr', recipients: 9 },
      ...['pt-BR', 'en-US', 'C.UTF-8', '??'].map((locale) => ({ template: 'a', locale, recipients: 5 })),
      { template: 'b', locale: 'ja', recipients: 1 },
      { template: 'gone', locale: 'ja', recipients: 1 },
    ];
    expect(lines(audienceIssues(sources, audience))).toEqual([
      'warning a.md:1:1 9 recipients of the last 30 days read French and got English; write a.fr.md',
      'warning a.md:1:1 4 recipients of the last 30 days read German and got English; write a.de.md',
      'warning b.md:1:1 1 recipient of the last 30 days reads Japanese and got English; write b.ja.md',
    ]);
  });
});
