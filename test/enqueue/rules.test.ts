/** Everything that enqueue decides: whether, to whom, when, and how often. */
import * as v from 'valibot';
import { afterAll, beforeAll, beforeEach, describe, expect, expectTypeOf, test } from 'vitest';
import { begin } from '../../src/delivery/begin.ts';
import { createHerald, type EnqueuedMessage } from '../../src/enqueue/enqueue.ts';
import type { NotificationOptions } from '../../src/enqueue/notification.ts';
import { InvalidNotificationError } from '../../src/errors.ts';
import { defineTemplate, type LabelsOf, type Template } from '../../src/templates/define.ts';
import { greeting, greetingFile, putTemplates } from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
const herald = createHerald();
const ada = { id: 'ada', email: 'ada@example.com', name: 'Ada' };
const named = (name: string) => defineTemplate({ name, labels: v.object({ who: v.string() }) });
const withHeader = (line: string) => greetingFile.replace('group:', `${line}\ngroup:`);

beforeAll(async () => {
  database = await createTestDatabase();
  await putTemplates(database.pool, {
    greeting: greetingFile,
    both: withHeader('methods: [smtp, webhook]'),
    either: withHeader('methods: [smtp, webhook]\nfallback: first'),
    quiet: withHeader('enabledByDefault: false'),
    must: withHeader('mandatory: true'),
    brief: withHeader('ttlSeconds: 60'),
    code: withHeader('secrets: [code]').replace('welcome', 'your code is {{labels.code}}'),
  });
});
beforeEach(() =>
  database.pool.query(
    'TRUNCATE herald.message, herald.attempt, herald.preference, herald.suppression; DELETE FROM herald_queue.job',
  ),
);
afterAll(() => database.close());

const enqueue = (options: NotificationOptions & { to?: object } = {}, template: Template = greeting) =>
  herald.enqueue(database.pool, template, { to: ada, labels: { who: 'Ada' }, ...options } as never);

const outcomes = (messages: readonly EnqueuedMessage[]) =>
  messages.map((m) => `${m.recipientId} ${m.method} ${m.reason ?? m.status}${m.deduplicated ? ' again' : ''}`);

async function issuesOf(attempt: Promise<unknown>): Promise<string[]> {
  const error = await attempt.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(InvalidNotificationError);
  return (error as InvalidNotificationError).issues.map((issue) => `${issue.path}: ${issue.message}`);
}

const count = async (what = 'herald.message') =>
  (await database.pool.query(`SELECT count(*)::int AS n FROM ${what}`)).rows[0].n;

describe('to whom', () => {
  test('one message per recipient and method, also when a recipient is named twice', async () => {
    const messages = await enqueue({ to: [ada, { id: 'bob', email: 'bob@example.com' }, ada] }, named('both'));
    expect(outcomes(messages)).toEqual([
      'ada smtp pending',
      'ada webhook pending',
      'bob smtp pending',
      'bob webhook pending',
    ]);
    expect(await count("herald_queue.job WHERE name IN ('smtp', 'webhook')")).toBe(4);
  });

  test('`first` takes the first method that can reach the recipient', async () => {
    expect(outcomes(await enqueue({}, named('either')))).toEqual(['ada smtp pending']);
    expect(outcomes(await enqueue({ to: { id: 'mute' } }, named('either')))).toEqual(['mute webhook pending']);
  });

  test('an address that is missing or suppressed is a row with its reason', async () => {
    await database.pool.query(
      `INSERT INTO herald.suppression (method, address, reason, suppressed_at) VALUES ('smtp', 'gone@example.com', 'x', now()), ('smtp', 'once@example.com', 'x', NULL)`,
    );
    const to = [{ id: 'mute' }, { id: 'gone', email: 'Gone@Example.com' }, { id: 'once', email: 'once@example.com' }];
    expect(outcomes(await enqueue({ to }))).toEqual([
      'mute smtp no_address',
      'gone smtp suppressed',
      'once smtp pending',
    ]);
    expect(await count('herald_queue.job')).toBe(1);
  });

  test("an operator's override wins over the template's methods and the caller's", async () => {
    await database.pool.query(`UPDATE herald.template SET methods_override = '{webhook}' WHERE name = 'greeting'`);
    expect(outcomes(await enqueue({ methods: ['smtp'] }))).toEqual(['ada webhook pending']);
    await database.pool.query(`UPDATE herald.template SET methods_override = NULL`);
    expect(outcomes(await enqueue({ methods: ['webhook'] }))).toEqual(['ada webhook pending']);
  });

  test('recipients may be ids that a resolver of the application looks up in the same transaction', async () => {
    const withResolver = createHerald({
      recipients: async (_, ids) =>
        ids.filter((id) => id !== 'nobody').map((id) => ({ id, email: `${id}@example.com` })),
    });
    const messages = await withResolver.enqueue(database.pool, greeting, { to: ['bob', ada], labels: { who: 'x' } });
    expect(outcomes(messages)).toEqual(['bob smtp pending', 'ada smtp pending']);
    expect(
      await issuesOf(withResolver.enqueue(database.pool, greeting, { to: 'nobody', labels: { who: 'x' } })),
    ).toEqual(['to: the resolver found no recipient with the id "nobody"']);
    expect(await issuesOf(enqueue({ to: 'bob' as never }))).toEqual([
      expect.stringContaining('no `recipients` resolver'),
    ]);
  });

  test('100,000 recipients go in one call, from an array and from a query, and leave nothing when rolled back', {
    timeout: 120_000,
  }, async () => {
    const client = await database.pool.connect();
    await client.query('BEGIN');
    const to = Array.from({ length: 100_000 }, (_, i) => ({ id: `u${i}`, email: `u${i}@example.com` }));
    expect(await herald.enqueue(client, greeting, { to, labels: { who: 'all' } })).toHaveLength(100_000);
    await client.query('ROLLBACK');
    await client.query('BEGIN');
    const counts = await herald.enqueueFrom(client, greeting, {
      recipients: {
        text: `SELECT 'u' || i AS id, 'u' || i || '@example.com' AS email FROM generate_series(1, 100000) i`,
      },
      labels: { who: 'all' },
    });
    expect(counts).toMatchObject([{ status: 'pending', count: 100_000 }]);
    await client.query('ROLLBACK');
    client.release();
    expect([await count(), await count('herald_queue.job')]).toEqual([0, 0]);
  });
});

describe('whether', () => {
  test('disabled templates and methods inhibit', async () => {
    await database.pool.query(
      `UPDATE herald.template SET enabled = false WHERE name = 'greeting'; UPDATE herald.method SET enabled = false WHERE name = 'webhook'`,
    );
    expect(outcomes(await enqueue())).toEqual(['ada smtp template_disabled']);
    expect(outcomes(await enqueue({}, named('both')))).toEqual(['ada smtp pending', 'ada webhook method_disabled']);
    await database.pool.query('UPDATE herald.template SET enabled = true; UPDATE herald.method SET enabled = true');
  });

  test('a template that is off by default goes to those who asked for it, a mandatory one to everybody', async () => {
    expect(outcomes(await enqueue({}, named('quiet')))).toEqual(['ada smtp default_off']);
    await herald.setPreference(database.pool, { recipientId: 'ada', template: 'quiet', enabled: true });
    expect(outcomes(await enqueue({}, named('quiet')))).toEqual(['ada smtp pending']);
    await herald.setPreference(database.pool, { recipientId: 'ada', enabled: false });
    expect(outcomes(await enqueue())).toEqual(['ada smtp preference']);
    expect(outcomes(await enqueue({}, named('must')))).toEqual(['ada smtp pending']);
    expect(
      await issuesOf(herald.setPreference(database.pool, { recipientId: 'ada', template: 'must', enabled: false })),
    ).toEqual([expect.stringContaining('mandatory')]);
  });

  test('a preference that is not committed counts in its own transaction only', async () => {
    const client = await database.pool.connect();
    await client.query('BEGIN');
    await herald.setPreference(client, { recipientId: 'ada', template: 'greeting', enabled: false });
    const inside = await herald.enqueue(client, greeting, { to: ada, labels: { who: 'x' } });
    expect(outcomes(inside)).toEqual(['ada smtp preference']);
    expect(outcomes(await enqueue())).toEqual(['ada smtp pending']);
    await client.query('ROLLBACK');
    client.release();
  });
});

describe('how often', () => {
  test('50 concurrent transactions with one dedupe key make one message and one job', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => enqueue({ dedupeKey: 'k' })));
    expect(answers.filter(([message]) => message?.deduplicated)).toHaveLength(49);
    expect(new Set(answers.map(([message]) => message?.id)).size).toBe(1);
    expect([await count(), await count('herald_queue.job')]).toEqual([1, 1]);
  });

  test('the second call returns the first message as it stands by now', async () => {
    const [first] = await enqueue({ dedupeKey: 'k' });
    await database.pool.query(`UPDATE herald.message SET status = 'sent'`);
    expect(await enqueue({ dedupeKey: 'k' })).toEqual([{ ...first, status: 'sent', deduplicated: true }]);
  });

  test('a key counts per recipient: a second call adds those who are new', async () => {
    await enqueue({ dedupeKey: 'k' });
    expect(outcomes(await enqueue({ dedupeKey: 'k', to: [ada, { id: 'bob', email: 'b@example.com' }] }))).toEqual([
      'bob smtp pending',
      'ada smtp pending again',
    ]);
  });

  test('a rollback gives the key back', async () => {
    const client = await database.pool.connect();
    await client.query('BEGIN');
    await herald.enqueue(client, greeting, { to: ada, labels: { who: 'x' }, dedupeKey: 'k' });
    const waiting = enqueue({ dedupeKey: 'k' });
    await client.query('ROLLBACK');
    client.release();
    expect(outcomes(await waiting)).toEqual(['ada smtp pending']);
  });

  test('a window allows one message per key and window', async () => {
    const year = 366 * 86_400;
    expect(outcomes(await enqueue({ dedupeKey: 'k', dedupeWindowSeconds: year * 20 }))).toEqual(['ada smtp pending']);
    expect(outcomes(await enqueue({ dedupeKey: 'k', dedupeWindowSeconds: year * 20 }))).toEqual([
      'ada smtp pending again',
    ]);
    await database.pool.query('UPDATE herald.message SET dedupe_slot = dedupe_slot - 1');
    expect(outcomes(await enqueue({ dedupeKey: 'k', dedupeWindowSeconds: year * 20 }))).toEqual(['ada smtp pending']);
  });
});

describe('when', () => {
  const row = async () =>
    (await database.pool.query('SELECT *, expires_at - next_attempt_at AS life FROM herald.message')).rows[0];

  test('sendAt in the past means now, in the future it waits', async () => {
    await enqueue({ sendAt: new Date(0) });
    expect((await row()).next_attempt_at.getTime()).toBeGreaterThan(Date.now() - 60_000);
    await database.pool.query('TRUNCATE herald.message');
    const sendAt = new Date(Date.now() + 3_600_000);
    await enqueue({ sendAt });
    expect((await row()).next_attempt_at).toEqual(sendAt);
  });

  test("the time to live counts from when it may be sent; the call's wins over the template's", async () => {
    await enqueue({ delaySeconds: 100 }, named('brief'));
    expect((await row()).life).toMatchObject({ minutes: 1 });
    await database.pool.query('TRUNCATE herald.message');
    await enqueue({ ttlSeconds: 5 }, named('brief'));
    expect((await row()).life).toMatchObject({ seconds: 5 });
  });

  test('an expiry before the earliest time to send is an error, and nothing is written', async () => {
    const sendAt = new Date(Date.now() + 3_600_000);
    expect(await issuesOf(enqueue({ sendAt, expiresAt: new Date(Date.now() + 60_000) }))).toEqual([
      expect.stringMatching(/^expiresAt: the message would expire before/),
    ]);
    expect(await count()).toBe(0);
  });
});

describe('cancelling', () => {
  const cancelledBy = async (by: Parameters<typeof herald.cancel>[1]) =>
    (await herald.cancel(database.pool, by)).map((answer) => answer.answer);

  test('answers by id, key and target what is definitely the case', async () => {
    const [message] = await enqueue({ dedupeKey: 'k', targets: ['w-1'] });
    expect(await cancelledBy({ target: 'w-2' })).toEqual([]);
    expect(await cancelledBy({ dedupeKey: 'k' })).toEqual(['cancelled']);
    expect(await cancelledBy({ target: 'w-1' })).toEqual(['already_settled']);
    await database.pool.query(`UPDATE herald.message SET status = 'sending'`);
    expect(await cancelledBy({ ids: [message?.id ?? ''] })).toEqual(['in_flight']);
    expect(await issuesOf(herald.cancel(database.pool, { ids: ['x'] }))).toEqual([
      'ids: "x" is no message id (a UUID)',
    ]);
  });

  test('a rollback takes it back', async () => {
    await enqueue({ dedupeKey: 'k' });
    const client = await database.pool.connect();
    await client.query('BEGIN');
    await herald.cancel(client, { dedupeKey: 'k' });
    await client.query('ROLLBACK');
    client.release();
    expect(await cancelledBy({ dedupeKey: 'k' })).toEqual(['cancelled']);
  });

  test('against a worker that begins at the same moment, exactly one of them wins', async () => {
    for (let round = 0; round < 20; round++) {
      const [message] = await enqueue();
      const id = message?.id ?? '';
      const options = { pool: database.pool, worker: 'w', token: crypto.randomUUID(), maxAttempts: 3 };
      const [[begun], [answer]] = await Promise.all([begin([id], options), cancelledBy({ ids: [id] })]);
      expect([begun?.verdict, answer]).toEqual(answer === 'cancelled' ? ['settled', 'cancelled'] : ['go', 'in_flight']);
    }
  });
});

describe('what', () => {
  test('labels are typed from the schema', () => {
    expectTypeOf<LabelsOf<typeof greeting>>().toEqualTypeOf<{ who: string }>();
    const compile = () => [
      // @ts-expect-error a missing label
      herald.enqueue(database.pool, greeting, { to: ada, labels: {} }),
      // @ts-expect-error a label that is no string
      herald.enqueue(database.pool, greeting, { to: ada, labels: { who: 1 } }),
      // @ts-expect-error a recipient without an id
      herald.enqueue(database.pool, greeting, { to: { email: 'x@example.com' }, labels: { who: 'x' } }),
    ];
    expect(compile).toBeTypeOf('function');
  });

  test('secret labels are kept apart from the others, whoever enqueues, and pass through conceal', async () => {
    const code = defineTemplate({
      name: 'code',
      labels: v.object({ who: v.string(), code: v.string() }),
      secrets: ['code'],
    });
    const concealing = createHerald({
      conceal: (secrets) =>
        Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, `sealed:${value.length}`])),
    });
    await concealing.enqueue(database.pool, code, { to: ada, labels: { who: 'x', code: '1234' } });
    await database.pool.query(
      `SELECT herald.enqueue('code', '{"id": "bob", "email": "b@example.com"}', labels => '{"who": "x", "code": "5678"}')`,
    );
    const rows = await database.pool.query('SELECT labels, secrets FROM herald.message ORDER BY id');
    expect(rows.rows).toEqual([
      { labels: { who: 'x' }, secrets: { code: 'sealed:4' } },
      { labels: { who: 'x' }, secrets: { code: '5678' } },
    ]);
  });

  test.each<[string, object, RegExp]>([
    ['no recipient', { to: [] }, /^to: is empty/],
    ['a recipient without an id', { to: { email: 'a@example.com' } }, /^to\.id: /],
    ['an empty id', { to: { id: '' } }, /^to\.id: is empty/],
    ['a bad address', { to: [ada, { id: 'x', email: 'secret@@example.com' }] }, /^to\[1\]\.email: /],
    ['two addresses', { to: { id: 'x', email: 'a@example.com,b@example.com' } }, /^to\.email: /],
    ['a line break in a name', { to: { id: 'x', name: 'a\r\nBcc: b' } }, /^to\.name: holds control characters/],
    ['an unknown option', { deduplicate: 'k' }, /^deduplicate: is no known option/],
    ['a label that is no string', { labels: { who: 5 } }, /^labels\.who: /],
    ['a missing label', { labels: {} }, /^labels\.who: /],
    ['a window without a key', { dedupeWindowSeconds: 5 }, /^dedupeWindowSeconds: needs a dedupeKey/],
    ['sendAt and a delay', { sendAt: new Date(), delaySeconds: 5 }, /^delaySeconds: contradicts sendAt/],
    ['an invalid date', { sendAt: new Date('x') }, /^sendAt: /],
    ['a negative delay', { delaySeconds: -1 }, /^delaySeconds: must be above 0/],
    [
      'an action that runs code',
      { actions: [{ label: 'x', url: 'javascript:alert(1)' }] },
      /^actions\[0\]\.url: is not an absolute URL/,
    ],
    ['a method that does not exist', { methods: ['pigeon'] }, /^methods: unknown method "pigeon"/],
    ['too much data', { data: 'x'.repeat(300_000) }, /bytes/],
    ['a NUL byte', { labels: { who: 'a\u0000b' } }, /NUL/],
    ['101 targets', { targets: Array.from({ length: 101 }, String) }, /^targets: has more than 100/],
  ])('%s is an error that names the place, and nothing is written', async (_, input, expected) => {
    const issues = await issuesOf(enqueue(input as never));
    expect(issues.join('\n')).toMatch(expected);
    expect(issues.join('\n')).not.toMatch(/secret@|b@example/);
    expect([await count(), await count('herald_queue.job')]).toEqual([0, 0]);
  });

  test('hostile labels are stored as they are', async () => {
    const who = "\u202e{{constructor}} \ud83d __proto__ ' ; DROP TABLE herald.message; --";
    await enqueue({ labels: { who } } as never);
    expect((await database.pool.query(`SELECT labels ->> 'who' AS who FROM herald.message`)).rows[0].who).toBe(
      who.toWellFormed(),
    );
  });
});

describe('look-ups', () => {
  test.each<[string, string, RegExp]>([
    ['recipient', `recipient_id = 'ada' ORDER BY created_at DESC`, /message_recipient/],
    ['target', `targets @> ARRAY['w-1'] AND targets <> '{}'`, /message_targets/],
    [
      'status',
      `method = 'smtp' AND status IN ('pending', 'sending') AND next_attempt_at <= now()`,
      /message_unsettled/,
    ],
    [
      'creation time',
      `created_at > now() - interval '1 second' ORDER BY created_at DESC, id DESC LIMIT 50`,
      /message_created_at/,
    ],
    ['dedupe key', `dedupe_key = 'k' AND dedupe_slot = 0 AND endpoint_id IS NULL`, /message_dedupe/],
  ])('by %s use the index', async (_, condition, index) => {
    const client = await database.pool.connect();
    await client.query('BEGIN; SET LOCAL enable_seqscan = off');
    const plan = await client.query(`EXPLAIN SELECT id FROM herald.message WHERE ${condition}`);
    await client.query('ROLLBACK');
    client.release();
    expect(plan.rows.map((row) => row['QUERY PLAN']).join('\n')).toMatch(index);
  });
});
