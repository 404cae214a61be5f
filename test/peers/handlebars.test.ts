/** Random templates and data: ours and Handlebars' own compiler print the same, wherever both accept the template. */
import fc from 'fast-check';
import Handlebars from 'handlebars';
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../src/templates/evaluate.ts';
import { createFormatters } from '../../src/templates/formatters.ts';
import { parseSyntax } from '../../src/templates/parse.ts';
import type { JsonValue } from '../../src/vocabulary.ts';

const formatters = createFormatters();

function ours(source: string, data: JsonValue): string {
  const { parts, problems } = parseSyntax(source);
  if (problems[0]) throw new Error(`${problems[0].message} in ${source}`);
  const chunks = evaluate(parts, { root: { data }, formatters, localeContext: {} });
  return chunks.map((chunk) => (typeof chunk === 'string' ? chunk : chunk.text)).join('');
}

const theirs = (source: string, data: JsonValue) => Handlebars.compile(source)({ data });

const space = fc.constantFrom('', ' ', '\n', '\n\n', '  \n ', 'x', '\t', 'a b');
const open = fc.constantFrom('{{', '{{~');
const close = fc.constantFrom('}}', '~}}');
/** Paths that hold a primitive, from the root and inside of a row. */
const value = fc.constantFrom('data.name', 'data.count', '@root.data.name', 'data.[name]');
const inRow = fc.constantFrom(
  'name',
  'this.name',
  '@index',
  '@first',
  '@last',
  '../data.name',
  '@root.data.count',
  'this/name',
);
const condition = fc.constantFrom(
  'data.name',
  'data.empty',
  'data.count',
  'data.zero',
  'data.rows',
  'data.none',
  'data.absent',
);

const mustache = (path: fc.Arbitrary<string>) => fc.tuple(open, path, close).map((parts) => parts.join(''));
const comment = fc.constantFrom('{{! note }}', '{{!-- }} --}}', '{{~! trim ~}}');

/** A block on lines of its own is standalone, which is where whitespace rules differ most. */
function block(name: fc.Arbitrary<string>, body: fc.Arbitrary<string>, otherwise: fc.Arbitrary<string>) {
  return fc
    .tuple(open, name, close, body, fc.option(fc.tuple(open, close, otherwise)), open, close)
    .map(([o1, opening, c1, inside, other, o2, c2]) => {
      const [word = ''] = opening.split(' ');
      const elseText = other === null ? '' : `${other[0]}else${other[1]}${other[2]}`;
      return `${o1}#${opening}${c1}${inside}${elseText}${o2}/${word}${c2}`;
    });
}

const simple = (path: fc.Arbitrary<string>) =>
  fc.array(fc.oneof(space, mustache(path), comment), { maxLength: 5 }).map((parts) => parts.join(''));

const row = fc.array(
  fc.oneof(
    simple(inRow),
    block(fc.constantFrom('if @first', 'unless @last', 'if name', 'if ../data.zero'), simple(inRow), simple(inRow)),
  ),
  { maxLength: 3 },
);

const template = fc
  .array(
    fc.oneof(
      simple(value),
      block(
        condition.map((path) => `if ${path}`),
        simple(value),
        simple(value),
      ),
      block(
        condition.map((path) => `unless ${path}`),
        simple(value),
        simple(value),
      ),
      block(
        fc.constantFrom('each data.rows', 'each data.none', 'each data.map'),
        row.map((parts) => parts.join('')),
        simple(value),
      ),
      block(
        fc.constant('with data.owner'),
        simple(fc.constantFrom('name', 'this.name', '../data.name')),
        simple(value),
      ),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''));

const name = fc.constantFrom('Ada', '{{data.name}}', '$1', 'é\u0301');
const data = fc.record({
  name,
  count: fc.constantFrom(1, 2.5, -3),
  zero: fc.constant(0),
  empty: fc.constant(''),
  none: fc.constant<string[]>([]),
  rows: fc.array(fc.record({ name }), { maxLength: 3 }),
  map: fc.record({ first: fc.record({ name }), second: fc.record({ name }) }),
  owner: fc.record({ name }),
});

describe('Handlebars', () => {
  test('prints what ours prints, for 1,500 random templates and data', () => {
    fc.assert(
      fc.property(template, data, (source, values) => {
        expect(ours(source, values)).toBe(theirs(source, values));
      }),
      { numRuns: 1500 },
    );
  });

  // From the specifications of Mustache (comments, interpolation, sections, inverted) and Handlebars (whitespace control).
  test.each([
    ['12345{{! Comment }}67890', '1234567890'],
    ['Begin.\n{{! standalone }}\nEnd.\n', 'Begin.\nEnd.\n'],
    ['  {{! indented }}\nEnd.', 'End.'],
    ['|\r\n{{! standalone }}\r\n|', '|\r\n|'],
    ['12 {{! 34 }}\n', '12 \n'],
    ['| {{data.name}} |', '| Ada |'],
    ['  {{data.name}}\n', '  Ada\n'],
    ['|{{ data.name }}|', '|Ada|'],
    ['| This Is\n{{#if data.name}}\n|\n{{/if}}\n| A Line', '| This Is\n|\n| A Line'],
    [' {{#if data.name}}YES{{/if}}\n {{#if data.name}}GOOD{{/if}}\n', ' YES\n GOOD\n'],
    ['{{#each data.list}}{{this}}{{/each}}', '12345'],
    ['{{#each data.none}}Yay!{{else}}none{{/each}}', 'none'],
    ['{{#unless data.empty}}inverted{{/unless}}', 'inverted'],
    ['a {{~data.name~}} b', 'aAdab'],
    ['a {{~#if data.name~}} b {{~/if~}} c', 'abc'],
    ['{{#each data.list}}{{@index}}:{{this}}{{#unless @last}}, {{/unless}}{{/each}}', '0:1, 1:2, 2:3, 3:4, 4:5'],
    ['{{#each data.map}}{{@key}}={{this}};{{/each}}', 'a=1;b=2;'],
    ['{{#each data.list as |item index|}}{{index}}{{item}} {{/each}}', '01 12 23 34 45 '],
    ['{{#if data.empty}}a{{else if data.name}}b{{else}}c{{/if}}', 'b'],
    ['\\{{data.name}}', '{{data.name}}'],
    ['{{data.[name]}}', 'Ada'],
  ])('%j prints %j', (source, expected) => {
    const values = { name: 'Ada', empty: '', none: [], list: [1, 2, 3, 4, 5], map: { a: 1, b: 2 } };
    expect(ours(source, values)).toBe(expected);
    expect(theirs(source, values)).toBe(expected);
  });
});
