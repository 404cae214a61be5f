import Handlebars from 'handlebars';
import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../src/vocabulary.ts';
import { evaluate } from '../../src/templates/evaluate.ts';
import { createFormatters } from '../../src/templates/formatters.ts';
import { parseSyntax } from '../../src/templates/parse.ts';

const root = {
  labels: { workspace: 'dev', empty: '' },
  data: {
    none: null,
    zero: 0,
    yes: true,
    no: false,
    list: ['a', 'b', 'c'],
    nothing: [],
    object: { x: 1, y: { z: 'deep' } },
    rows: [
      { name: 'one', tags: ['p', 'q'] },
      { name: 'two', tags: [] },
    ],
  },
  recipient: { id: 'u', name: null, email: 'u@x.example', locale: null, timeZone: null },
  appName: 'App',
  baseUrl: 'https://app.example',
  logoUrl: null,
  currentYear: 2026,
  targets: ['t1'],
} satisfies Record<string, JsonValue>;

function run(source: string): string {
  const { parts, problems } = parseSyntax(source);
  if (problems.length > 0) return `PROBLEM ${problems.map((p) => `${p.line}:${p.column} ${p.message}`).join('; ')}`;
  const environment = { root, formatters: createFormatters(), localeContext: {} };
  try {
    return evaluate(parts, environment)
      .map((piece) => (typeof piece === 'string' ? piece : piece.text))
      .join('');
  } catch (error) {
    return `ERROR ${String((error as Error).message)}`;
  }
}

describe('evaluate', () => {
  it.each([
    'plain text, {{labels.workspace}} and {{{{raw}}}}'.slice(0, 38),
    '{{data.object.y.z}} {{data/object/x}} {{data.[list].[1]}} {{data.list.length}}',
    '{{data.none}}|{{data.zero}}|{{data.yes}}|{{data.no}}|{{labels.empty}}',
    '{{#if data.zero}}a{{else}}b{{/if}}{{#if data.nothing}}a{{else}}b{{/if}}{{#if data.object}}a{{/if}}{{#if labels.empty}}a{{/if}}',
    '{{#unless data.no}}a{{else}}b{{/unless}}{{#if data.none}}a{{else if data.yes}}b{{else}}c{{/if}}{{#if data.absent}}a{{else}}b{{/if}}',
    '{{#each data.list}}{{@index}} {{@key}} {{this}}{{.}}{{#if @first}}F{{/if}}{{#unless @last}},{{/unless}}{{/each}}',
    '{{#each data.rows}}{{name}}:{{#each tags}}{{this}}{{@index}}{{@../index}}{{../name}}{{../../labels.workspace}}{{@root.appName}}{{else}}none{{/each}};{{/each}}',
    '{{#each data.rows}}{{#if name}}{{../labels.workspace}}{{this.name}}{{./name}}{{/if}}{{/each}}',
    '{{#each data.object}}{{@key}}{{#if @last}}!{{/if}}{{/each}}{{#each data.nothing}}x{{else}}empty{{/each}}{{#each data.none}}x{{else}}null{{/each}}',
    '{{#each data.rows as |row i|}}{{i}}{{row.name}}{{#each row.tags as |tag|}}{{tag}}{{i}}{{row.name}}{{/each}}{{/each}}',
    '{{#with data.object}}{{x}}{{y.z}}{{../labels.workspace}}{{/with}}{{#with data.none}}x{{else}}none{{/with}}{{#with data.object as |o|}}{{o.x}}{{/with}}',
    'a\n{{#each data.list}}\n- {{this}}\n{{/each}}\nb\n  {{! gone }}\nc {{~labels.workspace~}} d\n{{!-- {{x}} --}}\n',
    '| a |\n|---|\n{{#each data.rows}}\n| {{name}} |\n{{/each}}\n\\{{not.this}}',
  ])('gives what Handlebars gives: %j', (source) => {
    const compiled = Handlebars.create().compile(source, { noEscape: true, strict: false });
    expect(run(source)).toBe(compiled(root));
  });

  it.each([
    ['{{labels.wrkspace}}', 'ERROR label "wrkspace" is missing'],
    ['{{#if labels.absent}}x{{/if}}', 'ERROR label "absent" is missing'],
    ['{{#each data.absent}}x{{/each}}', 'ERROR "data.absent" is missing'],
    ['{{data.absent.deeper}}', 'ERROR "data.absent.deeper" is missing'],
    ['{{#each data.rows}}{{nmae}}{{/each}}', 'ERROR "nmae" is missing'],
    ['{{data.constructor}}', 'ERROR "data.constructor" is missing'],
    ['{{labels.__proto__}}', 'ERROR label "__proto__" is missing'],
    ['{{labels.workspace.length}}', 'PROBLEM 1:3 "labels.workspace.length" goes too deep: labels has no such fields'],
    ['{{data.object}}', 'ERROR "data.object" is an object, which cannot be printed; print its fields or use {{#each}}'],
    ['{{data.list}}', 'ERROR "data.list" is a list, which cannot be printed; print its fields or use {{#each}}'],
  ])('ends with an error for %s', (source, message) => {
    expect(run(source)).toBe(message);
  });

  it.each([
    ['{{{labels.workspace}}}', /^PROBLEM 1:1 raw output/],
    ['a\n {{&labels.workspace}}', /^PROBLEM 2:2 raw output/],
    ['{{> partial}}', /partials and decorators are not supported/],
    ['{{#> layout}}{{/layout}}', /partials and decorators are not supported/],
    ['{{* decorator}}', /partials and decorators are not supported/],
    ['{{workspace}}', /there is nothing called "workspace"; did you mean "labels.workspace"\?/],
    ['{{lables.workspace}}', /there is nothing called "lables"; did you mean "labels"\?/],
    ['{{recipient.nam}}', /a recipient has no "nam"; did you mean "name"\?/],
    ['{{#fi data.x}}{{/fi}}', /there is no block \{\{#fi\}\}; did you mean "if"\?/],
    ['{{#if}}{{/if}}', /\{\{#if\}\} takes exactly one argument/],
    ['{{dat data.x}}', /there is no helper "dat"; did you mean "date"\?/],
    ['{{log data.x}}', /there is no helper "log"/],
    ['{{date}}', /"date" takes 1 arguments/],
    ['{{date data.x stile="long"}}', /"date" has no option "stile"/],
    ['{{default (url labels.a) "x"}}', /"url" cannot be used inside another helper/],
    ['{{../labels.x}}', /no enclosing block that far out/],
    ['{{@index}}', /@index is only available inside/],
    ['{{#each labels}}{{this}}{{/each}}', /name each label/],
    ['{{lookup labels data.x}}', /labels can only be looked up by name/],
    ['{{lookup (lookup this "labels") "code"}}', /this stands for everything/],
    ['{{#with (default this "")}}{{labels.code}}{{/with}}', /this stands for everything/],
    ['{{#each @root}}{{this}}{{/each}}', /this stands for everything/],
    ['{{#with (default data.none labels)}}{{code}}{{/with}}', /labels can only be looked up by name/],
    ['a\n {{#null}}x{{/null}}', /^PROBLEM 2:2 this is not a block; known: if, unless, each, with/],
    ['{{#if data.x}}a', /a block is opened and never closed/],
    ['{{"text"}}', /write this text without braces/],
    ['{{#}}', /not valid Handlebars/],
    ['{{labels.}}', /there is no helper "labels"/],
    ['{{#if data.x}}{{/each}}', /if doesn't match each/],
    ['{{eq data.x undefined}}', /not supported/],
  ])('refuses %s', (source, message) => {
    expect(run(source)).toMatch(message);
  });

  it('refuses a syntax tree in the place of a source', () => {
    expect(() => parseSyntax({ type: 'Program', body: [] } as never)).toThrow(TypeError);
  });

  it('stops loops that print nothing', () => {
    const { parts } = parseSyntax('{{#each data}}{{#each @root.data}}{{#each @root.data}}{{/each}}{{/each}}{{/each}}');
    const environment = { root: { data: Array(100).fill(1) }, formatters: createFormatters(), localeContext: {} };
    expect(() => evaluate(parts, environment)).toThrow('too many iterations');
  });

  it.each([
    [
      'a list that is copied in every round',
      '{{#each data}}{{#if (first @root.data 5000)}}{{/if}}{{/each}}',
      'too many steps',
    ],
    ['conditions in every round', `{{#each data}}${'{{#if (eq 1 2)}}{{/if}}'.repeat(500)}{{/each}}`, 'too many steps'],
    ['empty values in every round', `{{#each data}}${'{{@root.none}}'.repeat(100)}{{/each}}`, '256 KB'],
  ])('stops %s', (_name, source, message) => {
    const { parts } = parseSyntax(source);
    const environment = {
      root: { data: Array(5000).fill(1), none: '' },
      formatters: createFormatters(),
      localeContext: {},
    };
    expect(() => evaluate(parts, environment)).toThrow(message);
  });

  it('stops output that grows without end', () => {
    const { parts } = parseSyntax(`{{#each data}}${'x'.repeat(1000)}{{/each}}`);
    const environment = { root: { data: Array(1000).fill(1) }, formatters: createFormatters(), localeContext: {} };
    expect(() => evaluate(parts, environment)).toThrow('256 KB');
  });
});

describe('formatters', () => {
  const formatters = createFormatters();
  const call = (name: string, args: JsonValue[], options: Record<string, JsonValue> = {}, localeContext = {}) =>
    formatters.apply(name, args, { options: new Map(Object.entries(options)), localeContext });

  it('prints times in the language and zone of the recipient, UTC without one', () => {
    const at = '2026-11-23T14:05:00Z';
    expect(call('date', [at])).toBe('Nov 23, 2026, 2:05 PM UTC');
    expect(call('date', [at], {}, { locale: 'de-AT', timeZone: 'Europe/Vienna' })).toBe('23. Nov. 2026, 15:05 MEZ');
    expect(call('date', [at], { style: 'full', time: false }, { timeZone: 'Pacific/Auckland' })).toBe(
      'Tuesday, November 24, 2026',
    );
    expect(call('date', ['2026-11-23'], {}, { timeZone: 'America/Los_Angeles' })).toBe('Nov 23, 2026');
  });

  it('reads locales as frameworks and operating systems write them', () => {
    const at = '2026-03-04T10:00:00Z';
    expect(call('date', [at], { style: 'short', time: false }, { locale: 'en_GB' })).toBe('04/03/2026');
    expect(call('date', [at], { style: 'short', time: false }, { locale: 'de_DE.UTF-8' })).toBe('04.03.2026');
    expect(call('number', [1234.5], {}, { locale: 'de_DE@euro' })).toBe('1.234,5');
    expect(call('number', [1234.5], {}, { locale: 'C.UTF-8' })).toBe('1,234.5');
  });

  it('falls back to English and UTC for a recipient whose locale or zone does not exist', () => {
    expect(call('date', ['2026-11-23T14:05:00Z'], {}, { locale: '!!', timeZone: 'Mars/Base' })).toBe(
      'Nov 23, 2026, 2:05 PM UTC',
    );
    expect(call('number', [1234.5], {}, { locale: '!!' })).toBe('1,234.5');
  });

  it.each([
    ['9007199254740993', {}, '9,007,199,254,740,993'],
    ['1234567890123456.78', { digits: 2 }, '1,234,567,890,123,456.78'],
    ['-0.1234567890123456789', { digits: 19 }, '-0.1234567890123456789'],
    [' 12345678901234567890 ', {}, '12,345,678,901,234,567,890'],
    ['1e3', {}, '1,000'],
    ['.5', {}, '0.5'],
  ])('prints every digit of the number %j', (value, options, printed) => {
    expect(call('number', [value], options)).toBe(printed);
  });

  it.each([
    '2026-02-30',
    '2026-02-29',
    '2026-04-31T10:00:00Z',
    '2026-13-01',
    '2026-00-10',
    '2026-06-31T10:00:00+02:00',
  ])('refuses %s, a day that does not exist', (value) => {
    expect(() => call('date', [value])).toThrow('not a date');
  });

  it('takes the last day of a leap year February, and days that another zone moves', () => {
    expect(call('date', ['2028-02-29'])).toBe('Feb 29, 2028');
    expect(call('date', ['2026-01-01T00:30:00+02:00'], { time: false })).toBe('Dec 31, 2025');
  });

  it('reads times as Postgres prints them, and prints those without an offset as they are', () => {
    const vienna = { timeZone: 'Europe/Vienna' };
    const printed = (value: JsonValue) => call('date', [value], {}, vienna);
    for (const at of [
      '2026-11-23 14:05:00.123456+00',
      '2026-11-23T14:05:00.123456+00:00',
      '2026-11-23 19:35:00+05:30',
      '2026-11-23 19:35:00+0530',
      '2026-11-23T14:05Z',
    ])
      expect(printed(at)).toBe('Nov 23, 2026, 3:05 PM GMT+1');
    for (const local of ['2026-11-23T14:05:00.123456', '2026-11-23 14:05:00', '2026-11-23T14:05'])
      expect(printed(local)).toBe('Nov 23, 2026, 2:05 PM');
    expect(printed('0001-01-01 00:00:00+00')).toContain('Jan 1, 1');
  });

  it('prints nothing for null, as for a column without a value', () => {
    expect([call('date', [null]), call('number', [null]), call('url', [null]), call('more', [null, 5])]).toEqual([
      '',
      '',
      '',
      0,
    ]);
    expect(call('first', [null, 5])).toEqual([]);
    expect(call('plural', [null, 'build', 'builds'])).toBe('builds');
  });

  it('refuses an invalid date', () => {
    for (const value of [
      'soon',
      5,
      '2026-13-40',
      '2026-02-30',
      '2026-02-29T10:00:00Z',
      '2026-11-23T25:00Z',
      'infinity',
      '',
    ]) {
      expect(() => call('date', [value])).toThrow('not a date');
    }
  });

  it('prints numbers and plurals, picks and counts', () => {
    expect(call('number', ['1234567.891'], { digits: 1 }, { locale: 'de' })).toBe('1.234.567,9');
    for (const value of ['12x', '1,234.50', '1 234', '', '0x10', 'Infinity', true, {}])
      expect(() => call('number', [value])).toThrow('not a number');
    expect(call('number', ['9007199254740993'])).toBe('9,007,199,254,740,993');
    expect(call('number', ['1234567890123456.78'], { digits: 2 })).toBe('1,234,567,890,123,456.78');
    expect(call('number', [' -1.5e3 '])).toBe('-1,500');
    expect([0, 1, 2, '1'].map((n) => call('plural', [n, 'build', 'builds']))).toEqual([
      'builds',
      'build',
      'builds',
      'build',
    ]);
    expect(call('default', [null, 'x'])).toBe('x');
    expect(call('default', ['', 'x'])).toBe('x');
    expect(call('default', [0, 'x'])).toBe(0);
    expect(call('eq', ['a', 'a'])).toBe(true);
    expect(call('eq', ['1', 1])).toBe(false);
    expect(call('lookup', [{ a: 1 }, 'a'])).toBe(1);
    expect(call('lookup', [{ a: 1 }, 'constructor'])).toBeNull();
    expect(call('first', [[1, 2, 3], 2])).toEqual([1, 2]);
    expect(call('more', [[1, 2, 3], 2])).toBe(1);
    expect(call('more', [[1], 2])).toBe(0);
  });
});
