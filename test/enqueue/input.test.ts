/** What is refused before anything is written: with the place and the remedy, and without the value. */
import * as v from 'valibot';
import { afterAll, beforeAll, beforeEach, describe, expect, expectTypeOf, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { InvalidNotificationError } from '../../src/errors.ts';
import type { JsonValue } from '../../src/vocabulary.ts';
import { type DataOf, defineTemplate, type LabelsOf } from '../../src/templates/define.ts';
import { greeting } from '../support/application.ts';
import { ada, bob, type Enqueueing, issuesOf, openEnqueueing } from './support.ts';

let it: Enqueueing;
beforeAll(async () => {
  it = await openEnqueueing();
});
beforeEach(() => it.reset());
afterAll(() => it.close());

test('labels and data are typed from the schemas', () => {
  const report = defineTemplate({
    name: 'report',
    labels: v.object({ who: v.string(), tone: v.optional(v.string(), 'dry') }),
    data: v.object({ builds: v.number() }),
  });
  expectTypeOf<LabelsOf<typeof greeting>>().toEqualTypeOf<{ who: string }>();
  expectTypeOf<LabelsOf<typeof report>>().toEqualTypeOf<{ who: string; tone?: string | undefined }>();
  expectTypeOf<DataOf<typeof report>>().toEqualTypeOf<{ builds: number }>();
  expectTypeOf<DataOf<typeof greeting>>().toEqualTypeOf<JsonValue>();
  const { herald, pool } = it;
  const compile = () => [
    herald.enqueue(pool, report, { autocommit: true, to: ada, labels: { who: 'x' }, data: { builds: 1 } }),
    // @ts-expect-error a missing label
    herald.enqueue(pool, greeting, { to: ada, labels: {} }),
    // @ts-expect-error a label that is not a string
    herald.enqueue(pool, greeting, { to: ada, labels: { who: 1 } }),
    // @ts-expect-error a label that the template does not know
    herald.enqueue(pool, greeting, { to: ada, labels: { who: 'x', hwo: 'y' } }),
    // @ts-expect-error data of another shape
    herald.enqueue(pool, report, { to: ada, labels: { who: 'x' }, data: { builds: 'one' } }),
    // @ts-expect-error a recipient without an id
    herald.enqueue(pool, greeting, { to: { email: 'x@example.com' }, labels: { who: 'x' } }),
    // @ts-expect-error an option that does not exist
    herald.enqueue(pool, greeting, { to: ada, labels: { who: 'x' }, dedupe: 'k' }),
  ];
  expect(compile).toBeTypeOf('function');
});

const circle: { self?: object } = {};
circle.self = circle;

test.each<[string, object, RegExp]>([
  ['no recipient', { to: [] }, /^to: is empty/],
  ['no recipient', { to: null }, /^to: must be a recipient/],
  ['too many recipients', { to: Array.from({ length: 100_001 }, () => ada) }, /^to: has 100001 recipients; 100000/],
  ['a recipient without an id', { to: { email: 'a@example.com' } }, /^to\.id: is missing/],
  ['an empty id', { to: { id: '' } }, /^to\.id: is empty/],
  ['an id that is a number', { to: { id: 7 } }, /^to\.id: must be a string/],
  ['an id with a NUL byte', { to: { id: 'a\u0000' } }, /^to\.id: holds control characters/],
  ['an unknown field', { to: { id: 'x', mail: 'secret@example.com' } }, /^to\.mail: to\.mail is not a known field/],
  ['a bad address', { to: [ada, { id: 'x', email: 'secret@@example.com' }], strict: true }, /^to\[1\]\.email: /],
  ['two addresses', { to: { id: 'x', email: 'secret@example.com,b@example.com' }, strict: true }, /^to\.email: /],
  [
    'an unknown time zone, if strict',
    { to: { id: 'x', timeZone: 'Mars/Phobos' }, strict: true },
    /^to\.timeZone: is not a time zone/,
  ],
  [
    'an unknown language, if strict',
    { to: [{ id: 'x', locale: 'xx-YY-??' }], strict: true },
    /^to\[0\]\.locale: is not a language/,
  ],
  ['a line break in a name', { to: { id: 'x', name: 'a\r\nBcc: b' } }, /^to\.name: holds control characters/],
  ['a long name', { to: [{ id: 'x', name: 'x'.repeat(201) }] }, /^to\[0\]\.name: is longer than 200/],
  ['an unknown option', { deduplicate: 'k' }, /^deduplicate: is not a known option/],
  ['a label that is not a string', { labels: { who: 5 } }, /^labels\.who: /],
  ['a missing label', { labels: {} }, /^labels\.who: /],
  ['a window without a key', { dedupeWindowSeconds: 5 }, /^dedupeWindowSeconds: needs a dedupeKey/],
  ['a window of nothing', { dedupeKey: 'k', dedupeWindowSeconds: 0 }, /^dedupeWindowSeconds: must be 1 or more/],
  ['a long key', { dedupeKey: 'x'.repeat(401) }, /^dedupeKey: is longer than 400/],
  ['sendAt and a delay', { sendAt: new Date(), delaySeconds: 5 }, /^delaySeconds: contradicts sendAt/],
  ['an expiry and a time to live', { expiresAt: new Date(), ttlSeconds: 5 }, /^ttlSeconds: contradicts expiresAt/],
  ['an invalid date', { sendAt: new Date('x') }, /^sendAt: /],
  ['a date beyond the calendar', { sendAt: new Date(8e15) }, /^sendAt: is later than the year 9999/],
  ['a date as text', { sendAt: '2030-01-01' }, /^sendAt: must be Date/],
  ['a negative delay', { delaySeconds: -1 }, /^delaySeconds: must be 0 or more/],
  ['a delay without end', { delaySeconds: Number.POSITIVE_INFINITY }, /^delaySeconds: is not finite/],
  ['a huge delay', { delaySeconds: 1e300 }, /^delaySeconds: is more than 100 years/],
  ['half a priority', { priority: 0.5 }, /^priority: is not a whole number/],
  ['a huge priority', { priority: 40_000 }, /^priority: must be 1000 or less/],
  [
    'an action that runs code',
    { actions: [{ label: 'x', url: 'javascript:alert(1)' }] },
    /^actions\[0\]\.url: is not an absolute URL/,
  ],
  [
    'an unsubscribe address in clear',
    { unsubscribeUrl: 'http://example.com' },
    /^unsubscribeUrl: is not an absolute URL/,
  ],
  ['a method that does not exist', { methods: ['pigeon'] }, /^methods: unknown method "pigeon"\. Known methods/],
  ['the method of pauses', { methods: ['*'] }, /^methods: unknown method "\*"/],
  ['no method', { methods: [] }, /^methods: is empty/],
  ['101 targets', { targets: Array.from({ length: 101 }, String) }, /^targets: has more than 100/],
  ['an empty target', { targets: ['a', ''] }, /^targets\[1\]: is empty/],
  [
    'too much data',
    { data: { text: 'x'.repeat(262_144) } },
    /^data: the notification is \d+ bytes without its recipients, the limit is 262144; store/,
  ],
  ['too large labels', { labels: { who: '€'.repeat(90_000) } }, /^labels: the notification is 270\d+ bytes/],
  ['a NUL byte in a label', { labels: { who: 'a\u0000b' } }, /^labels\.who: holds a NUL byte/],
  ['a NUL byte in data', { data: { list: [1, { 'a\u0000': 1 }] } }, /^data\.list\[1\]\.a\?: holds a NUL byte/],
  ['a number that JSON does not know', { data: { ratio: Number.NaN } }, /^data\.ratio: is not a finite number/],
  ['a bigint', { data: { n: 1n } }, /^data\.n: is a bigint/],
  ['a Map', { data: { of: new Map([[1, 2]]) } }, /^data\.of: is a Map/],
  ['a circle', { data: circle }, /^data(\.self)+: is nested deeper than 100 levels/],
])('%s is refused, and nothing is written', async (_, input, expected) => {
  const issues = await issuesOf(it.enqueue(input));
  expect(issues.join('\n')).toMatch(expected);
  expect(issues.join('\n')).not.toMatch(/secret@|b@example/);
  expect([await it.count(), await it.count('herald_queue.job')]).toEqual([0, 0]);
});

test('everything that is wrong is named, not only the first', async () => {
  const issues = await issuesOf(it.enqueue({ priority: 0.5, tenant: '', labels: {} }));
  expect(issues.map((issue) => issue.split(':')[0])).toEqual(['labels.who', 'priority', 'tenant']);
  const to = [{ id: '' }, ada, { id: 'x', email: 'y', name: 5 }];
  expect((await issuesOf(it.enqueue({ to, strict: true }))).map((issue) => issue.split(':')[0])).toEqual([
    'to[0].id',
    'to[2].email',
    'to[2].name',
  ]);
});

test('what is wrong with the content, the options and the recipients is one error', async () => {
  const to = [{ id: '' }, ada, { id: 'x', name: 5 }];
  const issues = await issuesOf(it.enqueue({ to, priority: 0.5, labels: {}, data: { of: new Map() } }));
  expect(issues.map((issue) => issue.split(':')[0])).toEqual([
    'labels.who',
    'priority',
    'data.of',
    'to[0].id',
    'to[2].name',
  ]);
});

test('a value that is not a transaction is refused by name', async () => {
  expect(await issuesOf(it.herald.enqueue({} as never, greeting, { to: ada, labels: { who: 'x' } }))).toEqual([
    expect.stringMatching(/^tx: is not a transaction; pass a Drizzle transaction, a pg client/),
  ]);
});

test.each(['greeting', {}])('%j in place of a template is refused with what to pass', async (template) => {
  expect(
    await issuesOf(
      it.herald.enqueue(it.pool, template as typeof greeting, { autocommit: true, to: ada, labels: { who: 'x' } }),
    ),
  ).toEqual([expect.stringMatching(/^template: is not a template; pass what defineTemplate/)]);
});

describe('what is taken', () => {
  test('locales as frameworks write them, and without strict also unknown ones', async () => {
    const to = { ...ada, locale: 'en_GB', timeZone: 'Europe/London' };
    expect(await it.enqueue({ to, strict: true })).toMatchObject([{ status: 'pending' }]);
    const unknown = { ...ada, locale: 'xx-YY-??', timeZone: 'Mars/Phobos' };
    expect(await it.enqueue({ to: unknown })).toMatchObject([{ status: 'pending' }]);
  });

  test('hostile values are stored as they are; half an emoji becomes a replacement character', async () => {
    const who = "\u202e{{constructor}} \ud83d \\ud83d 🦊 __proto__ ' ; DROP TABLE herald.message; --";
    await it.enqueue({
      labels: { who },
      data: JSON.parse('{"__proto__": {"a": 1}, "constructor": 1e300, "\\ud83d": -0}'),
    });
    const [row] = await it.rows();
    expect(row.labels).toEqual({ who: who.toWellFormed() });
    expect(Object.entries(row.data)).toEqual(
      expect.arrayContaining([
        ['__proto__', { a: 1 }],
        ['constructor', 1e300],
        ['\ufffd', 0],
      ]),
    );
  });

  test('fields that are null or empty are fields that are not there', async () => {
    await it.enqueue({
      to: [{ id: 'x', email: null, name: '', locale: undefined }, bob],
      data: null,
      methods: ['webhook'],
    });
    expect((await it.rows()).map((row) => [row.recipient, row.data])).toEqual([
      [{ id: 'x' }, null],
      [bob, null],
    ]);
  });

  test('everything arrives in its column', async () => {
    const options = {
      targets: ['w-1', 'ü'],
      actions: [{ label: 'Open', url: 'https://example.com/a?b=c#d' }],
      priority: -7,
      tenant: 'acme',
      groupKey: 'incident 1',
      unsubscribeUrl: 'https://example.com/u?token=1',
      createdBy: 'billing',
      traceContext: { traceparent: '00-1-2-01' },
      data: { rows: [[1.5, 'a', null, true]] },
    };
    await it.enqueue(options);
    const { targets, actions, data, createdBy, ...same } = options;
    expect(await it.rows()).toMatchObject([
      {
        template: 'greeting',
        template_version: 1,
        recipient: ada,
        recipient_id: 'ada',
        targets,
        actions,
        data,
        created_by: createdBy,
        priority: same.priority,
        tenant: same.tenant,
        group_key: same.groupKey,
        unsubscribe_url: same.unsubscribeUrl,
        trace_context: same.traceContext,
        dedupe_key: null,
        dedupe_scope: null,
      },
    ]);
  });

  test('without createdBy the database user is noted', async () => {
    await it.enqueue();
    expect((await it.rows())[0].created_by).toBe((await it.pool.query('SELECT session_user AS it')).rows[0].it);
  });

  test.each([
    'ada@example.com',
    "o'reilly+tag@sub.example.co.uk",
    'ünï@exämple.com',
    '用户@例子.广告',
    'a@localhost',
    '!#$%@x-y.example',
  ])('the address %s', async (email) => {
    await it.enqueue({ to: { id: 'x', email } });
    expect((await it.rows())[0].recipient.email).toBe(email);
  });
});

describe('secret labels', () => {
  const code = defineTemplate({
    name: 'code',
    labels: v.object({ who: v.string(), code: v.pipe(v.string(), v.maxLength(4)) }),
    secrets: ['code'],
  });
  const stored = async () => (await it.rows()).map((row) => ({ labels: row.labels, secrets: row.secrets }));

  test('are kept apart from the others, from code and from SQL, and pass through encryptLabels', async () => {
    const encrypting = createHerald({
      encryptLabels: (secrets, template) =>
        Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, `${template}:${value.length}`])),
    });
    await encrypting.enqueue(it.pool, code, { autocommit: true, to: ada, labels: { who: 'x', code: '1234' } });
    await it.herald.enqueue(it.pool, code, { autocommit: true, to: ada, labels: { who: 'y', code: '1234' } });
    await it.pool.query(
      `SELECT herald.enqueue('{"template": "code", "to": {"id": "bob", "email": "b@example.com"},
         "labels": {"who": "z", "code": "5678"}, "allowPlainSecrets": true}')`,
    );
    expect(await stored()).toEqual([
      { labels: { who: 'x' }, secrets: { code: 'code:4' } },
      { labels: { who: 'y' }, secrets: { code: '1234' } },
      { labels: { who: 'z' }, secrets: { code: '5678' } },
    ]);
  });

  test('stay apart where only the code declares them so far', async () => {
    const early = defineTemplate({
      name: 'greeting',
      labels: v.object({ who: v.string(), code: v.string() }),
      secrets: ['code'],
    });
    await it.herald.enqueue(it.pool, early, { autocommit: true, to: ada, labels: { who: 'x', code: '1234' } });
    expect(await stored()).toEqual([{ labels: { who: 'x' }, secrets: { code: '1234' } }]);
  });

  test.each([
    ['too long', { who: 'x', code: 'hunter2' }],
    ['with a NUL byte', { who: 'x', code: '7\u0000h' }],
  ])('never appear in an error (%s)', async (_, labels) => {
    const error = await it.herald
      .enqueue(it.pool, code, { autocommit: true, to: { id: 'x', email: 'secret@example.com' }, labels })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InvalidNotificationError);
    expect(`${String(error)} ${JSON.stringify(error)}`).toMatch(/labels\.code/);
    expect(`${String(error)} ${JSON.stringify(error)}`).not.toMatch(/hunter2|7.h|secret@/);
  });
});
