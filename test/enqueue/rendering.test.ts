/** What an enqueue from TypeScript accepts can be rendered: what cannot fails the call, not the delivery after the commit. */
import * as v from 'valibot';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { defineTemplate } from '../../src/templates/define.ts';
import { drain } from '../../src/testing/index.ts';
import { putTemplates } from '../support/application.ts';
import { ada, type Enqueueing, issuesOf, openEnqueueing } from './support.ts';

const header = '---\ntitle: Report\ngroup: Reports\n';
const files = {
  expiry: `${header}---\nExpires {{date data.at}}.`,
  amount: `${header}---\nYou owe {{number labels.amount}}.`,
  link: `${header}actions:\n  - label: Open\n    url: "{{url labels.link}}"\n---\nOpen it.`,
  table: `${header}---\n| name | state |\n|---|---|\n{{#each data.rows}}\n| {{name}} | {{state}} |\n{{/each}}\n`,
  nested: `${header}---\n{{data.user.name}} {{data.user}}`,
  letter: `${header}---\n{{labels.text}}`,
  letters: `${header}---\n${Array.from({ length: 150 }, (_, i) => `{{labels.l${i}}}`).join('\n')}`,
  subject: '---\ntitle: "{{labels.subject}}"\ngroup: Reports\n---\nHello.',
};
type Name = keyof typeof files;
let it: Enqueueing;
beforeAll(async () => {
  it = await openEnqueueing();
  await putTemplates(it.pool, files);
});
afterAll(() => it.close());
beforeEach(() => it.reset());

const labels = v.record(v.string(), v.string());
const enqueue = (name: Name, input: { labels?: Record<string, string>; data?: unknown }) =>
  it.enqueue({ labels: {}, ...input }, defineTemplate({ name, labels, data: v.any() }));
const rowsOf = (count: number) => ({ rows: Array(count).fill({ name: 'x'.repeat(60), state: 'y'.repeat(60) }) });

describe('is refused before anything is written:', () => {
  test.each<[string, Name, Parameters<typeof enqueue>[1], RegExp]>([
    [
      'a date that is none',
      'expiry',
      { data: { at: 'soon' } },
      /"expiry" version 1, body line 1 column \d+: .*not a date/,
    ],
    ['missing data', 'expiry', {}, /"data\.at" is missing/],
    ['a number with separators', 'amount', { labels: { amount: '1,234.50' } }, /not a number/],
    ['a relative URL', 'link', { labels: { link: 'workspaces/7' } }, /actions\[0\]\.url: .*not an absolute URL/],
    ['a URL that runs code', 'link', { labels: { link: 'javascript:alert(1)' } }, /only https:/],
    ['an object where a text belongs', 'nested', { data: { user: { name: 'Ada' } } }, /is an object/],
    ['a table that is too long', 'table', { data: rowsOf(2000) }, /grows beyond 256 KB/],
    [
      'many labels that are too long together',
      'letters',
      { labels: Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`l${i}`, '&'.repeat(600)])) },
      /256 KB/,
    ],
    ['a label that is too long once it is escaped', 'letter', { labels: { text: '&'.repeat(100_000) } }, /256 KB/],
  ])('%s', async (_, name, input, expected) => {
    const [issue, ...others] = await issuesOf(enqueue(name, input));
    expect(issue).toMatch(expected);
    expect(others).toEqual([]);
    expect(await it.count()).toBe(0);
  });

  test('also what the rows of a query would get', async () => {
    const template = defineTemplate({ name: 'expiry', labels, data: v.any() });
    const attempt = it.withClient((client) =>
      it.herald.enqueueFrom(client, template, {
        recipients: { text: `SELECT 'a' AS id` },
        labels: {},
        data: { at: 'soon' },
      }),
    );
    expect(await issuesOf(attempt)).toEqual([expect.stringContaining('not a date')]);
  });
});

describe('is rendered:', () => {
  test.each<[string, Name, Parameters<typeof enqueue>[1], string]>([
    [
      'a time as Postgres prints it',
      'expiry',
      { data: { at: '2026-11-23 14:05:00.123456+00' } },
      'Nov 23, 2026, 2:05 PM UTC',
    ],
    ['a time without an offset', 'expiry', { data: { at: '2026-11-23T14:05:00.123' } }, 'Nov 23, 2026, 2:05 PM.'],
    ['null in place of a time', 'expiry', { data: { at: null } }, 'Expires .'],
    [
      'a path below the base URL',
      'link',
      { labels: { link: '/workspaces/7' } },
      'https://app.example.com/workspaces/7',
    ],
    ['an empty link', 'link', { labels: { link: '' } }, 'https://app.example.com/'],
    ['an empty title', 'subject', { labels: { subject: ' ' } }, '"Subject"'],
    ['a table of 240 rows', 'table', { data: rowsOf(240) }, 'yyy'],
  ])('%s', async (_, name, input, expected) => {
    await enqueue(name, input);
    const [sent] = await drain(it.pool, { committed: true });
    expect(JSON.stringify(sent)).toContain(expected);
  });
});

test('a template is read once, and again when it refuses, so that a sync counts at once', async () => {
  const texts: string[] = [];
  await it.withClient(async (client) => {
    const counted = { query: (text: string, values: unknown[]) => (texts.push(text), client.query(text, values)) };
    const herald = createHerald();
    const template = defineTemplate({ name: 'amount', labels });
    const send = (amount: string) =>
      herald.enqueue(counted, template, { to: ada, labels: { amount }, autocommit: true });
    await send('1');
    await send('2');
    expect(texts.map((text) => /herald\.\w+/.exec(text)?.[0])).toEqual([
      'herald.current_template',
      'herald.enqueue',
      'herald.enqueue',
    ]);
    await putTemplates(it.pool, { amount: `${header}---\nYou owe {{labels.amount}}.` });
    await send('1,234.50');
    expect(await it.count()).toBe(3);
  });
});
