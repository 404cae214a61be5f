/** One table of bounds: TypeScript and SQL accept what is at a bound and refuse what is beyond it. */
import { describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { bounds } from '../../src/enqueue/bounds.ts';
import { InvalidNotificationError } from '../../src/errors.ts';
import { createTestDatabase } from '../support/database.ts';
import { afterAll } from 'vitest';
import * as v from 'valibot';
import { defineTemplate } from '../../src/templates/define.ts';

const database = await createTestDatabase();
afterAll(() => database.close());
await database.pool.query(`INSERT INTO herald.template (name, current_version) VALUES ('any', 1);
  INSERT INTO herald.template_version (template, version, title, body, labels, secrets, content_hash)
  VALUES ('any', 1, 'x', 'y', '{}', '{}', 'z')`);
const template = defineTemplate({ name: 'any', labels: v.record(v.string(), v.string()) });
const herald = createHerald();

type Options = Readonly<Record<string, unknown>>;
const to = { id: 'a', email: 'a@example.com' };
const text = (length: number, character = 'x') => character.repeat(length);
const many = <T>(count: number, item: T) => Array.from({ length: count }, () => item);
const action = { label: 'x', url: 'https://example.com' };
const url = (length: number) => `https://example.com/${text(length - 20)}`;
const deep = (levels: number) => Array.from({ length: levels }).reduce<unknown>((inner) => [inner], 0);

/** The option, what is at its bound and what is beyond it, in characters of this kind. */
const tableOf = (character: string): readonly (readonly [string, Options, Options])[] => [
  ['targets', { targets: many(bounds.targets, 'x') }, { targets: many(bounds.targets + 1, 'x') }],
  ['a target', { targets: [text(bounds.target, character)] }, { targets: [text(bounds.target + 1, character)] }],
  ['actions', { actions: many(bounds.actions, action) }, { actions: many(bounds.actions + 1, action) }],
  [
    'the label of an action',
    { actions: [{ ...action, label: text(bounds.actionLabel, character) }] },
    { actions: [{ ...action, label: text(bounds.actionLabel + 1, character) }] },
  ],
  [
    'the URL of an action',
    { actions: [{ ...action, url: url(bounds.url) }] },
    { actions: [{ ...action, url: url(bounds.url + 1) }] },
  ],
  ['dedupeKey', { dedupeKey: text(bounds.dedupeKey, character) }, { dedupeKey: text(bounds.dedupeKey + 1, character) }],
  ['dedupeWindowSeconds', { dedupeKey: 'a', dedupeWindowSeconds: 1 }, { dedupeKey: 'b', dedupeWindowSeconds: 0.5 }],
  ['delaySeconds', { delaySeconds: bounds.seconds }, { delaySeconds: bounds.seconds + 1 }],
  ['ttlSeconds', { ttlSeconds: bounds.seconds }, { ttlSeconds: bounds.seconds + 1 }],
  ['the highest priority', { priority: bounds.priority }, { priority: bounds.priority + 1 }],
  ['the lowest priority', { priority: -bounds.priority }, { priority: -bounds.priority - 1 }],
  ['tenant', { tenant: text(bounds.tenant, character) }, { tenant: text(bounds.tenant + 1, character) }],
  ['groupKey', { groupKey: text(bounds.groupKey, character) }, { groupKey: text(bounds.groupKey + 1, character) }],
  [
    'unsubscribeUrl',
    { unsubscribeUrl: url(bounds.unsubscribeUrl) },
    { unsubscribeUrl: url(bounds.unsubscribeUrl + 1) },
  ],
  ['createdBy', { createdBy: text(bounds.createdBy, character) }, { createdBy: text(bounds.createdBy + 1, character) }],
  [
    'the id of a recipient',
    { to: { id: text(bounds.recipient.id, character) } },
    { to: { id: text(bounds.recipient.id + 1, character) } },
  ],
  [
    'the name of a recipient',
    { to: { ...to, name: text(bounds.recipient.name, character) } },
    { to: { ...to, name: text(bounds.recipient.name + 1, character) } },
  ],
  [
    'the locale of a recipient',
    { to: { ...to, locale: text(bounds.recipient.locale, character) } },
    { to: { ...to, locale: text(bounds.recipient.locale + 1, character) } },
  ],
  [
    'the time zone of a recipient',
    { to: { ...to, timeZone: text(bounds.recipient.timeZone, character) } },
    { to: { ...to, timeZone: text(bounds.recipient.timeZone + 1, character) } },
  ],
];

const sql = (options: Options) =>
  database.pool.query(`SELECT * FROM herald.enqueue($1::jsonb)`, [JSON.stringify({ template: 'any', to, ...options })]);
const typed = (options: Options) =>
  herald.enqueue(database.pool, template, { autocommit: true, to, labels: {}, ...(options as Record<string, never>) });

describe('at its bound, and not beyond it, both TypeScript and SQL accept', () => {
  test.each([
    ...tableOf('x'),
    ...tableOf('🦊').map(([name, ...options]) => [`${name}, in emoji`, ...options] as const),
  ])('%s', async (_, accepted, refused) => {
    await typed(accepted);
    await sql(accepted);
    await expect(typed(refused)).rejects.toBeInstanceOf(InvalidNotificationError);
    await expect(sql(refused)).rejects.toMatchObject({ code: expect.stringMatching(/^HE00\d$/) });
  });

  test('the URL of an action in ASCII, without a user', async () => {
    const withUrl = (each: string) => ({ actions: [{ ...action, url: each }] });
    for (const accepted of [`https://a.example/${text(450, '用')}`, 'https://a.example/?to=b@c.example']) {
      await typed(withUrl(accepted));
      await sql(withUrl(accepted));
    }
    for (const refused of [
      `https://a.example/${text(456, '用')}`,
      'https://user:pw@a.example/',
      'HTTP://user@a.example',
    ]) {
      await expect(typed(withUrl(refused))).rejects.toThrow(/actions\[0\]\.url/);
      await expect(sql(withUrl(refused))).rejects.toMatchObject({ column: 'actions' });
    }
  });

  test('the number of recipients', { timeout: 60_000 }, async () => {
    const recipients = (count: number) => Array.from({ length: count }, (_, index) => ({ id: `r${index}` }));
    await expect(typed({ to: recipients(bounds.recipients + 1) })).rejects.toBeInstanceOf(InvalidNotificationError);
    await expect(sql({ to: recipients(bounds.recipients + 1) })).rejects.toMatchObject({ code: 'HE003' });
  });

  test('the size of the notification', async () => {
    await expect(typed({ data: text(bounds.notificationBytes) })).rejects.toThrow(/the limit is 262144/);
    await expect(sql({ data: text(bounds.notificationBytes) })).rejects.toMatchObject({ code: 'HE005' });
    await typed({ data: text(bounds.notificationBytes - 200) });
    await sql({ data: text(bounds.notificationBytes - 200) });
  });

  test('the depth of JSON, as far as TypeScript is asked', async () => {
    await typed({ data: deep(bounds.depth - 1) });
    await expect(typed({ data: deep(bounds.depth + 1) })).rejects.toThrow(/nested deeper than 100 levels/);
  });
});

test.each([
  ['an option', { [text(100_000)]: 1 }],
  ['a label', { labels: { [text(100_000)]: 1 } }],
])('an error of SQL about %s with a long name is short', async (_, wrong) => {
  const json = JSON.stringify({ template: 'any', to, ...wrong });
  const refused: unknown = await database.pool.query('SELECT herald.enqueue($1::jsonb)', [json]).catch((e) => e);
  expect(refused).toMatchObject({ code: expect.stringMatching(/^HE00[26]$/) });
  const { message, column } = refused as { message: string; column: string };
  expect(message.length + column.length).toBeLessThan(1_400);
});
