/**
 * The work of rendering is bounded. Each input has about 100 KB and is the worst of its kind: it renders or is refused
 * within four seconds of processor time, where the worst took minutes or all memory.
 */
import { describe, expect, test } from 'vitest';
import { checkTemplate } from '../../src/templates/check.ts';
import { renderEmail } from '../../src/templates/email.ts';
import { parseSyntax } from '../../src/templates/parse.ts';
import { createRenderer, RenderError } from '../../src/templates/render.ts';
import { parseTemplate } from '../../src/templates/template-file.ts';
import type { JsonValue } from '../../src/vocabulary.ts';

const size = 100_000;
const fill = (text: string) => text.repeat(Math.ceil(size / text.length)).slice(0, size);
const brand = { appName: 'A', baseUrl: 'https://app.example' };

function render(body: string, labels: Record<string, string> = {}, data: JsonValue = null) {
  const input = { recipient: { id: 'u' }, labels, data, brand, createdAt: new Date(0) };
  const content = createRenderer()({ template: { name: 't', title: 'T', body, actions: [] }, ...input });
  return { content, email: renderEmail({ content, brand, createdAt: input.createdAt }) };
}

/** Runs something that may be refused, and returns the milliseconds of processor time. Any other error is a fault. */
function timed(work: () => unknown): number {
  const start = process.cpuUsage();
  try {
    work();
  } catch (error) {
    if (!(error instanceof RenderError)) throw error;
  }
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

const nest = (open: string, close: string, depth: number) => `${open.repeat(depth)}x${close.repeat(depth)}`;
const rows = (count: number, cell: string) => Array<string>(count).fill(cell);

describe('the work of rendering', () => {
  test.each<[string, string, Record<string, string>?, JsonValue?]>([
    ['a tight list', fill('- a\n')],
    ['a loose list', fill('- a\n\n')],
    ['paragraphs', fill('a\n\n')],
    ['headings', fill('# a\n')],
    ['nested quotes', `${'> '.repeat(99)}a\\\n${fill('b\\\n')}`],
    ['brackets that never close', fill('[')],
    ['images that never close', fill('![a')],
    ['links that never close', fill('[a](')],
    ['emphasis that never closes', fill('*a **b ')],
    ['code spans that never close', fill('`a``b')],
    ['blocks within blocks', nest('{{#if labels.v}}', '{{/if}}', 4_000), { v: 'x' }],
    ['blocks that never close', '{{#if labels.v}}'.repeat(6_000), { v: 'x' }],
    ['a chain of else', `{{#if labels.v}}${'{{else if labels.v}}x'.repeat(4_500)}{{/if}}`, { v: '' }],
    ['helpers within helpers', `{{default ${nest('(default ', ' "")', 6_000)} "x"}}`],
    ['a path of many parts', `{{data${'.a'.repeat(50_000)}}}`],
    ['a path out of many blocks', `{{${'../'.repeat(30_000)}x}}`],
    ['many placeholders', '{{labels.v}}'.repeat(8_500), { v: '' }],
    ['comments that never close', fill('{{!-- ')],
    ['brackets in a loop', '{{#each data}}[{{this}}{{/each}}', {}, rows(99_000, '')],
    ['a list in a loop', '{{#each data}}\n- {{this}}\n{{/each}}', {}, rows(50_000, 'x')],
    ['a table in a loop', '| a |\n|---|\n{{#each data}}\n| {{this}} |\n{{/each}}', {}, rows(20_000, 'x')],
    ['lines of code', '```\n{{labels.v}}\n```', { v: fill('a\n') }],
    ['blank lines', '{{paragraphs labels.v}}', { v: `a${'\n'.repeat(900)}b` }],
    ['a long number', '{{number labels.v}}', { v: fill('9') }],
    ['a long date', '{{date labels.v}}', { v: `2026-01-01T00:00${fill('+')}` }],
  ])('is bounded for %s', (_, body, labels, data) => {
    expect(timed(() => render(body, labels, data))).toBeLessThan(4_000);
  });

  test('does not widen every row of a table to its longest cell', () => {
    const body = '| a | b |\n|---|---|\n{{#each data}}\n| {{this}} | x |\n{{/each}}';
    const before = process.memoryUsage().rss;
    expect(timed(() => render(body, {}, [fill('x'), ...rows(4_999, 'y')]))).toBeLessThan(4_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000);
    const { text } = render(body, {}, ['x'.repeat(500), 'y']).content;
    expect(text.split('\n').at(-1)).toBe(`y${' '.repeat(61)}x`);
    expect(text.split('\n').at(1)).toBe(`${'-'.repeat(60)}  ---`);
  });

  test.each([
    ['images', `---\ntitle: T\nexample: {}\n---\n${fill('![')}`],
    ['tags', `---\ntitle: T\nexample: {}\n---\n${fill('<a ')}`],
    ['rules', `---\n${fill('--- x\n')}`],
    ['nested YAML', `---\ntitle: T\nexample: { data: ${nest('[', ']', 20_000)} }\n---\nx`],
  ])('of a check is bounded for a file of %s', (_, file) => {
    const work = () => {
      const { source } = parseTemplate('a.md', file);
      if (source) checkTemplate(source);
    };
    expect(timed(work)).toBeLessThan(4_000);
  });
});

describe('the limits of a source text', () => {
  const problem = (source: string) => {
    const [first] = parseSyntax(source).problems;
    return first && `${first.line}:${first.column} ${first.message}`;
  };

  test('allow 100 blocks within each other, and say where the next one is', () => {
    expect(problem(nest('{{#if data.x}}', '{{/if}}', 100))).toBeUndefined();
    expect(problem(`a\n${nest('{{#if data.x}}', '{{/if}}', 101)}`)).toBe('2:1401 blocks are nested more than 100 deep');
    expect(problem('{{#if data.x}}a{{/if}}'.repeat(1_000))).toBeUndefined();
    expect(problem('{{#if data.x}}a{{else if data.y}}b{{else}}c{{/if}}'.repeat(1_000))).toBeUndefined();
  });

  test('do not count what is a comment or escaped', () => {
    expect(problem(`{{!-- ${'{{#if x}}'.repeat(200)} --}}`)).toBeUndefined();
    expect(problem('\\{{#if x}} '.repeat(200))).toBeUndefined();
  });

  test('allow 20 helpers within each other', () => {
    const source = (depth: number) => `{{default ${'(default '.repeat(depth)}data.x ${'"")'.repeat(depth)} "x"}}`;
    expect(problem(source(20))).toBeUndefined();
    expect(problem(source(21))).toBe('1:1 helpers are nested more than 20 deep');
  });
});
