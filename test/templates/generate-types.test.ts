/** The file that `pg-herald types` writes: what it says about labels and data, and that it compiles to those types. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest';
import { type DataOf, type LabelsOf, type RequiredData, validateInput } from '../../src/templates/define.ts';
import { differsInContent, generateTypes } from '../../src/templates/generate-types.ts';
import { templateFromFile, typeOfData } from '../../src/templates/generated.ts';
import { readTemplates, shippedTemplatesFolder } from '../../src/templates/files.ts';
import { parseTemplate, type TemplateSource } from '../../src/templates/template-file.ts';

function source(name: string, content: string): TemplateSource {
  const { source: parsed, issues } = parseTemplate(`${name}.md`, content);
  if (parsed === null) throw new Error(JSON.stringify(issues));
  return parsed;
}

const report = source(
  'build-report',
  `---
title: Builds of {{labels.workspace}} */
secrets: [token]
example:
  labels: { workspace: billing, token: t }
  data:
    count: 2
    owner: null
    note: unused
    tags: [a, 1]
    builds: [{ name: "41", state: passed }, { name: "42", state: failed, log: x }]
---
{{default labels.greeting "Hi"}} {{labels.token}} {{data.count}} {{data.owner}} {{data.missing}}
{{#if data.builds}}{{#each (first data.builds 10)}}{{name}}{{#if (eq state "failed")}}{{log}}{{/if}}{{/each}}{{/if}}
{{#each data.tags}}{{this}}{{/each}} {{data.tags.length}}
`,
);

const plain = source('2fa-code', '---\ntitle: Code\nexample: { labels: {} }\n---\nHello\n');

/** The declared type of one template's data, without its layout. */
const dataOf = (text: string) => /typeOfData<(.*)>\(/s.exec(text)?.[1]?.replace(/\s+/g, ' ');

function dataFor(body: string, data: string): string | undefined {
  return dataOf(generateTypes([source('a', `---\ntitle: A\nexample: { data: ${data} }\n---\n${body}\n`)]));
}

describe('the generated file', () => {
  test('has one member for each template, with its labels and secrets', () => {
    expect(generateTypes([report, plain])).toContain(`export const templates = {
  /** Code */
  "2faCode": templateFromFile({
    name: '2fa-code',
  }),
  /** Builds of {{labels.workspace}} * / */
  buildReport: templateFromFile({
    name: 'build-report',
    labels: ['token', 'workspace'],
    optionalLabels: ['greeting'],
    secrets: ['token'],
`);
  });

  test('takes fields of data from the texts, and their types from the example', () => {
    expect(dataOf(generateTypes([report]))).toBe(
      '{ readonly builds?: readonly { readonly log?: string; readonly name: string; readonly state: string; }[];' +
        ' readonly count: number; readonly missing: JsonValue; readonly note?: string; readonly owner: JsonValue;' +
        ' readonly tags: readonly (number | string)[]; }',
    );
  });

  test.each([
    ['{{data.a.b}}', '{ a: { b: true } }', '{ readonly a: { readonly b: boolean; }; }'],
    ['{{default data.a "x"}}', '{ a: x }', '{ readonly a?: string; } | undefined'],
    ['{{#if data.a}}{{data.b}}{{/if}}', '{ a: 1, b: 2 }', '{ readonly a?: number; readonly b?: number; } | undefined'],
    ['{{#if (eq data.a 1)}}x{{/if}}', '{ a: 1 }', '{ readonly a: number; }'],
    ['{{#each data}}{{n}}{{/each}}', '[{ n: 1 }]', 'readonly { readonly n: number; }[]'],
    ['{{#each data.m}}{{this}}{{/each}}', '{ m: { x: 1 } }', '{ readonly m: Readonly<Record<string, number>>; }'],
    ['{{data.l.0.n}}', '{ l: [{ n: 1 }] }', '{ readonly l: readonly { readonly n: number; }[]; }'],
    ['{{#each data.a as |b|}}{{b.c}}{{/each}}', '{ a: [] }', '{ readonly a: readonly { readonly c: JsonValue; }[]; }'],
    ['{{#with data.a}}{{b}}{{/with}}', '{ a: { b: 1 } }', '{ readonly a: { readonly b: number; }; }'],
    ['{{lookup data.a "b"}}', '{ a: { b: 1 } }', '{ readonly a?: { readonly b?: number; }; } | undefined'],
    ['x', '{ "a-b": 1 }', '{ readonly "a-b"?: number; } | undefined'],
    [
      '{{#each data.a}}{{#each b}}{{../c}}{{this}}{{/each}}{{/each}}',
      '{ a: [] }',
      '{ readonly a: readonly { readonly b: readonly JsonValue[]; readonly c: JsonValue; }[]; }',
    ],
  ])('reads %s with %s as %s', (body, data, type) => {
    expect(dataFor(body, data)).toBe(type);
  });

  test('lets a notification leave out data that no text requires', async () => {
    const file = generateTypes([source('a', '---\ntitle: A\n---\n{{#if data.note}}{{data.note}}{{/if}}\n')]);
    expect(file).toContain(
      'data: typeOfData<{\n      readonly note?: JsonValue;\n    } | undefined>({ optional: true }),',
    );
    const template = templateFromFile({
      name: 'a',
      data: typeOfData<{ readonly note?: string } | undefined>({ optional: true }),
    });
    expectTypeOf<RequiredData<typeof template>>().toEqualTypeOf<unknown>();
    expect(await validateInput(template, { labels: {} })).toEqual({ value: { labels: {}, data: null } });
  });

  test('keeps the exact names of templates that would share one', () => {
    const file = generateTypes(['a-1', 'a1'].map((name) => source(name, '---\ntitle: A\n---\nx\n')));
    expect(file).toMatch(/ {2}"a-1": templateFromFile[\s\S]* {2}a1: templateFromFile/);
  });

  test('counts as the same when a formatter has changed its layout', () => {
    const text = generateTypes([report]);
    expect(differsInContent(text, text.replaceAll("'", '"').replaceAll(';', ',').replace(/\s+/g, '\n'))).toBe(false);
    expect(differsInContent(text, text.replace('count', 'counts'))).toBe(true);
  });
});

describe('a program that uses the generated file', () => {
  const labels = "labels: { workspace: 'w', token: 't' }";
  const data = 'data: { count: 1, missing: null, owner: "x", tags: [], builds: [{ name: "1", state: "failed" }] }';
  /** What each program passes to `enqueue`, and a word of the compiler's error. */
  const programs: Readonly<
    Record<string, { readonly passes: string; readonly template?: string; readonly error?: string }>
  > = {
    'what the texts use': { passes: `${labels}, ${data}` },
    'labels alone': { passes: "labels: { code: '1' }", template: 'passwordReset' },
    'too few labels': { passes: `labels: { workspace: 'w' }, ${data}`, error: 'token' },
    'an unknown label': { passes: `${labels.replace(' }', ", worksace: 'x' }")}, ${data}`, error: 'worksace' },
    'no data': { passes: labels, error: "Property 'data' is missing" },
    'data of another type': { passes: `${labels}, ${data.replace('count: 1', 'count: "1"')}`, error: 'number' },
  };
  const fileOf = (name: string) => `${name.replaceAll(' ', '-')}.ts`;
  let folder: string;
  let printed: string;

  beforeAll(async () => {
    const cache = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));
    await mkdir(cache, { recursive: true });
    folder = await mkdtemp(join(cache, 'types-'));
    const { sources } = await readTemplates(shippedTemplatesFolder);
    await writeFile(join(folder, 'templates.gen.ts'), generateTypes([...sources, report]));
    for (const [name, { passes, template = 'buildReport' }] of Object.entries(programs))
      await writeFile(
        join(folder, fileOf(name)),
        `import { createHerald, type Transaction } from 'pg-herald';
import { templates } from './templates.gen.ts';
export const send = (tx: Transaction) => createHerald().enqueue(tx, templates.${template}, { to: { id: 'u' }, ${passes} });
`,
      );
    printed = compile(folder);
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each(Object.entries(programs))('that passes %s compiles as it should', (name, { error }) => {
    const errors = printed.split(/\n(?=\S)/).filter((line) => line.includes(fileOf(name)));
    expect(errors).toHaveLength(error === undefined ? 0 : 1);
    if (error !== undefined) expect(errors[0]).toContain(error);
  });

  test('is the only one with errors', () => {
    expect(printed.match(/error TS/g)).toHaveLength(4);
  });
});

/** What the compiler prints about the TypeScript files of a folder. */
function compile(folder: string): string {
  const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
  const compilerOptions = { noEmit: true, paths: { 'pg-herald': [path('src/index.ts')] }, types: ['node'] };
  const config = { extends: path('tsconfig.json'), include: ['*.ts'], exclude: [], compilerOptions };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  return spawnSync(process.execPath, [path('node_modules/typescript/bin/tsc'), '-p', folder], { encoding: 'utf8' })
    .stdout;
}

describe('templateFromFile', () => {
  const template = templateFromFile({
    name: 'invitation',
    labels: ['team', 'code'],
    optionalLabels: ['note'],
    secrets: ['code'],
    data: typeOfData<{ readonly count: number }>(),
  });

  test('gives enqueue the types of labels and data', () => {
    expectTypeOf<LabelsOf<typeof template>>().toExtend<{ readonly team: string; readonly code: string }>();
    expectTypeOf<DataOf<typeof template>>().toEqualTypeOf<{ readonly count: number }>();
    expectTypeOf<RequiredData<typeof template>>().toEqualTypeOf<{ readonly data: { readonly count: number } }>();
    expectTypeOf(template.name).toEqualTypeOf<'invitation'>();
  });

  test('refuses missing and unknown labels and missing data at run time, without values', async () => {
    expect(await validateInput(template, { labels: { taem: 'x', team: 'y' } })).toEqual({
      issues: [
        { path: 'labels.code', message: 'is missing or not valid; the value is not shown because it is secret' },
        { path: 'labels.taem', message: 'is not a label of the template; did you mean "team"?' },
        { path: 'data', message: 'is missing, and the text of the template uses it' },
      ],
    });
  });

  test('takes labels with and without the optional ones', async () => {
    const labels = { team: 'a', code: 'b' };
    expect(await validateInput(template, { labels: { ...labels, note: undefined }, data: { count: 1 } })).toEqual({
      value: { labels, data: { count: 1 } },
    });
  });
});
