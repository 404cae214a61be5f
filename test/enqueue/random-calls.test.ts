/**
 * Random calls of every function that an application enqueues with, in TypeScript and in SQL: each succeeds, or fails
 * with an error that names the place and what to do; none shows an error from inside. `npm run test:random` makes
 * 100,000 of them; RANDOM_SEED repeats a run.
 */
import fc from 'fast-check';
import * as v from 'valibot';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineTemplate } from '../../src/templates/define.ts';
import { putTemplates } from '../support/application.ts';
import { type Call, hostile, of, or, problemOf } from '../support/random-calls.ts';
import { type Enqueueing, openEnqueueing } from './support.ts';

const calls = Number(process.env['RANDOM_CALLS'] ?? 2000);
// The same calls in every run of `npm test`, so that it passes or fails for a reason; new ones in `test:random`.
const seed = Number(process.env['RANDOM_SEED'] ?? (calls === 2000 ? 20261127 : Date.now() % 1_000_000));

let it: Enqueueing;
beforeAll(async () => {
  it = await openEnqueueing();
  await putTemplates(it.pool as never, {
    rich: `---
title: "{{labels.who}}"
group: Rich
methods: [smtp, webhook]
actions:
  - label: "{{labels.who}}"
    url: "{{url labels.link}}"
---
{{date data.at}} {{number data.n}} {{#each data.rows}}{{name}}{{/each}} {{first data.rows 2}}
`,
  });
});
afterAll(() => it.close());

const text = or(fc.string({ minLength: 1, maxLength: 40 }));
const id = fc.constantFrom('ada', 'bob', '42');
const recipient = fc.record(
  {
    id: or(id),
    email: or(fc.constantFrom('ada@example.com', 'x@y', 'Ünï@bücher.example', '')),
    name: text,
    locale: or(fc.constantFrom('de', 'en_GB', 'xx-YY-??')),
    timeZone: or(fc.constantFrom('Europe/Vienna', 'Mars/Phobos')),
    fax: hostile,
  },
  { requiredKeys: ['id'] },
);
const date = or(fc.date({ min: new Date('2020-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }));
const number = or(fc.constantFrom(0, 1, 0.5, 60, 1000, -1000, 3_155_760_000));
const options = {
  targets: or(fc.array(text, { maxLength: 3 })),
  methods: or(fc.array(or(fc.constantFrom('smtp', 'webhook', 'stmp')), { maxLength: 3 })),
  actions: or(fc.array(or(fc.record({ label: text, url: or(fc.webUrl()) })), { maxLength: 2 })),
  dedupeKey: or(fc.constantFrom('a', 'b')),
  dedupeWindowSeconds: number,
  sendAt: date,
  delaySeconds: number,
  expiresAt: date,
  ttlSeconds: number,
  priority: number,
  tenant: text,
  groupKey: text,
  unsubscribeUrl: or(fc.webUrl({ validSchemes: ['https'] })),
  createdBy: text,
  traceContext: or(fc.dictionary(fc.string(), text, { maxKeys: 2 })),
};
const labels = or(fc.record({ who: text, link: or(fc.constantFrom('/a', 'https://a.example', '')) }));
const data = or(
  fc.record({
    at: or(fc.constantFrom('2026-11-23', '2026-11-23 10:00:00+00', null)),
    n: or(fc.constantFrom(1, '1.5', null)),
    rows: or(fc.array(or(fc.record({ name: text })), { maxLength: 3 })),
  }),
);
const content = { to: or(fc.oneof(recipient, fc.array(recipient, { maxLength: 3 }))), labels, data };
const notification = fc.record(
  {
    ...content,
    ...options,
    strict: or(fc.boolean()),
    attachments: or(
      fc.array(
        fc.record({
          name: text,
          contentType: or(fc.constant('text/plain')),
          content: or(fc.uint8Array({ maxLength: 9 })),
        }),
        { maxLength: 2 },
      ),
    ),
  },
  { requiredKeys: ['to', 'labels'] },
);

const template = fc.oneof(
  {
    weight: 9,
    arbitrary: fc
      .constantFrom('greeting', 'rich', 'missing')
      .map((name) => defineTemplate({ name, labels: v.record(v.string(), v.string()), data: v.any() })),
  },
  { weight: 1, arbitrary: hostile },
);
const by = fc.oneof(
  hostile,
  fc.record({ ids: or(fc.array(or(fc.uuid()), { maxLength: 3 })) }),
  fc.record({ dedupeKey: text }),
  fc.record({ target: text }),
);
const preference = or(
  fc.record(
    {
      recipientId: or(id),
      template: or(fc.constant('greeting')),
      group: or(fc.constant('Rich')),
      method: or(fc.constantFrom('smtp', '*')),
      enabled: or(fc.boolean()),
    },
    { requiredKeys: ['recipientId', 'enabled'] },
  ),
);
const query = or(
  fc.constantFrom<unknown>(
    { text: `SELECT 'a' AS id, 'a@example.com' AS email` },
    { text: `SELECT 'a' AS id, 5 AS name, NULL AS email`, values: [] },
    { text: `SELECT 1 AS id, 'x' AS fax` },
    { text: `SELECT NULL AS id` },
    { text: `SELECT id FROM (VALUES ($1::text)) AS v (id)`, values: ['a'] },
    { text: `SELECT id FROM (VALUES ($1::text)) AS v (id)`, values: [5] },
    { text: `SELECT id FROM (VALUES ($1::text)) AS v (id)`, values: 'a' },
    { text: 7 },
    { text: 'SELECT 1 AS id', values: {} },
  ),
);

/** Postgres itself refuses NUL and half characters in jsonb, before a function of ours is called. */
function jsonOf(value: unknown): string {
  try {
    const text = JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `${each}` : each)) ?? 'null';
    return text.replace(/(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f]..)/gi, '$1x');
  } catch {
    return 'null';
  }
}
const json = (value: fc.Arbitrary<unknown>) => value.map(jsonOf);

const sqlNotification = json(
  fc.record(
    {
      template: or(fc.constantFrom('greeting', 'rich', 'missing')),
      ...content,
      ...options,
      invalidAddress: or(fc.constant('reject')),
    },
    { requiredKeys: ['template', 'to', 'labels'] },
  ),
);

const argument = fc.oneof(
  fc.constant(null),
  fc.string({ unit: 'grapheme', maxLength: 30 }).filter((t) => !t.includes('\u0000')),
  fc.constantFrom('greeting', 'ada', 'smtp', 'all', 'template', ''),
);

const call: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(template, notification)
      .map(([t, n]) =>
        of('enqueue', [nameOf(t), n], () =>
          it.herald.enqueue(it.pool as never, t as never, { ...n, autocommit: true } as never),
        ),
      ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(template, query, labels, data)
      .map(([t, recipients, l, d]) =>
        of('enqueueFrom', [nameOf(t), recipients, l, d], () =>
          it.herald.enqueueFrom(
            it.pool as never,
            t as never,
            { recipients, labels: l, data: d, autocommit: true } as never,
          ),
        ),
      ),
  },
  fc
    .tuple(hostile, notification)
    .map(([tx, n]) =>
      of('enqueue on', [tx, n], () =>
        it.herald.enqueue(tx as never, defineTemplate({ name: 'greeting', labels: v.any() }), n as never),
      ),
    ),
  hostile.map((n) =>
    of('enqueue of', [n], () =>
      it.herald.enqueue(it.pool as never, defineTemplate({ name: 'greeting', labels: v.any() }), n as never),
    ),
  ),
  by.map((each) => of('cancel', [each], () => it.herald.cancel(it.pool as never, each as never))),
  preference.map((each) => of('setPreference', [each], () => it.herald.setPreference(it.pool as never, each as never))),
  or(id).map((each) => of('preferencesOf', [each], () => it.herald.preferencesOf(it.pool as never, each as never))),
  { weight: 4, arbitrary: sqlNotification.map((n) => sql('SELECT herald.enqueue($1::jsonb)', [n])) },
  json(hostile).map((n) => sql('SELECT herald.enqueue($1::jsonb)', [n])),
  fc
    .tuple(argument, json(recipient), json(labels), json(data))
    .map((values) => sql('SELECT herald.enqueue($1::text, $2::jsonb, $3::jsonb, $4::jsonb)', values)),
  fc
    .tuple(argument, argument)
    .map((values) => sql('SELECT herald.cancel(dedupe_key => $1::text, recipient_id => $2::text)', values)),
  fc.array(fc.option(fc.uuid()), { maxLength: 2 }).map((ids) => sql('SELECT herald.cancel($1::uuid[])', [ids])),
  fc.array(fc.option(fc.uuid()), { maxLength: 2 }).map((ids) => sql('SELECT herald.retry($1::uuid[])', [ids])),
  fc
    .tuple(argument, argument, argument, fc.option(fc.boolean()), argument)
    .map((values) => sql('SELECT herald.set_preference($1::text, $2::text, $3::text, $4::boolean, $5::text)', values)),
  argument.map((each) => sql('SELECT herald.preferences($1::text)', [each])),
  argument.map((each) => sql('SELECT herald.secret_labels($1::text), herald.current_template($1::text)', [each])),
  fc
    .tuple(argument, argument, fc.constantFrom(null, 0, 1, 100))
    .map((values) => sql('SELECT herald.erase($1::text, $2::text, $3::integer)', values)),
);

/** A schema is long. */
function nameOf(of: unknown): unknown {
  return typeof of === 'object' && of !== null && 'name' in of && 'labels' in of ? of.name : of;
}

function sql(statement: string, values: readonly unknown[]): Call {
  return of(statement, values, () => it.pool.query(statement, [...values]));
}

const title = `${calls.toLocaleString('en-US')} random calls succeed or fail clearly (seed ${seed})`;
test(title, { timeout: 3_600_000 }, async () => {
  const chunk = 500;
  const problems = new Map<string, string>();
  for (let made = 0; made < calls; made += chunk) {
    for (const each of fc.sample(call, { numRuns: Math.min(chunk, calls - made), seed: seed + made })) {
      const problem = await problemOf(each);
      if (problem !== null && !problems.has(problem)) problems.set(problem, each.what);
    }
    await it.reset();
  }
  expect(Object.fromEntries(problems)).toEqual({});
});
