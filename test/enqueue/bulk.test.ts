/** Many recipients: from an array, from a query, and how they are found again. */
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { pgTable, text } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { greeting } from '../support/application.ts';
import { type Enqueueing, issuesOf, named, openEnqueueing, outcomes } from './support.ts';

let it: Enqueueing;
beforeAll(async () => {
  it = await openEnqueueing();
  await it.pool.query(`CREATE TABLE customer (id text, email text, name text, age int);
    INSERT INTO customer VALUES ('ada', 'ada@example.com', 'Ada', 36), ('bob', 'bob@@example', 'Bob', 40), ('eve', NULL, NULL, NULL), ('kim', '', '', 1)`);
});
beforeEach(() => it.reset());
afterAll(() => it.close());

const many = 100_000;
const crowd = (n: number) => Array.from({ length: n }, (_, i) => ({ id: `u${i}`, email: `u${i}@example.com` }));
const crowdQuery = `SELECT 'u' || i AS id, 'u' || i || '@example.com' AS email FROM generate_series(1, 100000) i`;
const fromQuery = (recipients: Parameters<typeof it.herald.enqueueFrom>[2]['recipients'], more: object = {}) =>
  it.herald.enqueueFrom(it.pool, greeting, { autocommit: true, recipients, labels: { who: 'all' }, ...more });
const counted = (counts: readonly { method: string; reason: string | null; status: string; count: number }[]) =>
  counts.map((c) => `${c.count} ${c.method} ${c.reason ?? c.status}`);

describe('100,000 recipients', () => {
  test('go in one call from an array, each once, and leave nothing when rolled back', {
    timeout: 120_000,
  }, async () => {
    await it.withClient(async (client) => {
      await client.query('BEGIN');
      const messages = await it.herald.enqueue(client, greeting, { to: crowd(many), labels: { who: 'all' } });
      expect(new Set(messages.map((message) => message.id)).size).toBe(many);
      expect([messages[0]?.recipientId, messages.at(-1)?.recipientId]).toEqual(['u0', `u${many - 1}`]);
    });
    expect([await it.count(), await it.count('herald_queue.job')]).toEqual([0, 0]);
  });

  test('go in one call from a query, through which this process stays small', { timeout: 120_000 }, async () => {
    await it.withClient(async (client) => {
      await client.query('BEGIN');
      const before = process.memoryUsage();
      const counts = await it.herald.enqueueFrom(client, greeting, {
        recipients: { text: crowdQuery },
        labels: { who: 'all' },
      });
      const after = process.memoryUsage();
      expect(counted(counts)).toEqual(['100000 smtp pending']);
      expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(8 * 2 ** 20);
      const jobs = await client.query('SELECT count(*)::int AS n FROM herald_queue.job');
      expect(jobs.rows).toEqual([{ n: many }]);
    });
    expect([await it.count(), await it.count('herald_queue.job')]).toEqual([0, 0]);
  });
});

describe('a query', () => {
  test('runs in the transaction, and a row without a valid address stops no other', async () => {
    await it.withClient(async (client) => {
      await client.query(`BEGIN; INSERT INTO customer VALUES ('new', 'new@example.com')`);
      const counts = await it.herald.enqueueFrom(client, greeting, {
        recipients: { text: 'SELECT id, email, name FROM customer WHERE id <> $1 -- a remark', values: ['ada'] },
        labels: { who: 'x' },
      });
      expect(counted(counts)).toEqual(['1 smtp invalid_address', '2 smtp no_address', '1 smtp pending']);
      const rows = await client.query('SELECT recipient FROM herald.message ORDER BY recipient_id');
      expect(rows.rows.map((row) => row.recipient)).toEqual([
        { id: 'bob', email: 'bob@@example', name: 'Bob' },
        { id: 'eve' },
        { id: 'kim' },
        { id: 'new', email: 'new@example.com' },
      ]);
    });
  });

  test('may be a Drizzle sql or select; ids may be numbers', async () => {
    const db = drizzle(it.pool);
    const customer = pgTable('customer', { id: text(), email: text() });
    const one = sql`SELECT age AS id, email FROM customer WHERE id = ${'ada'}`;
    const send = (recipients: Parameters<typeof it.herald.enqueueFrom>[2]['recipients']) =>
      it.herald.enqueueFrom(db, greeting, { autocommit: true, recipients, labels: { who: 'x' } });
    expect(counted(await send(one))).toEqual(['1 smtp pending']);
    expect((await it.rows())[0].recipient).toEqual({ id: '36', email: 'ada@example.com' });
    expect(counted(await send(db.select().from(customer).where(sql`${customer.id} = ${'ada'}`)))).toEqual([
      '1 smtp pending',
    ]);
    expect(await issuesOf(fromQuery(one))).toEqual([
      expect.stringMatching(/^recipients: is a Drizzle query, but tx is no/),
    ]);
  });

  test('that finds no recipients enqueues nothing', async () => {
    expect(await fromQuery({ text: 'SELECT id FROM customer WHERE false' })).toEqual([]);
  });

  test('counts the messages that existed under the dedupe key', async () => {
    await it.enqueue({ dedupeKey: 'k', to: { id: 'ada', email: 'ada@example.com' } });
    const counts = await fromQuery(
      { text: `SELECT id FROM customer WHERE id IN ('ada', 'eve')` },
      { dedupeKey: 'k', methods: ['smtp', 'webhook'] },
    );
    expect(counts).toEqual([
      { method: 'smtp', status: 'inhibited', reason: 'no_address', deduplicated: false, count: 1 },
      { method: 'smtp', status: 'pending', reason: null, deduplicated: true, count: 1 },
      { method: 'webhook', status: 'pending', reason: null, deduplicated: false, count: 2 },
    ]);
  });

  test('with a column too many names it, so that nothing is stored by accident', async () => {
    expect(await issuesOf(fromQuery({ text: 'SELECT * FROM customer' }))).toEqual([
      expect.stringMatching(/^to\[0\]\.age: to\[0\]\.age is not a known field\. A recipient has an id and/),
    ]);
    expect(await issuesOf(fromQuery({ text: 'SELECT NULL AS id' }))).toEqual([expect.stringMatching(/^to\[0\]\.id: /)]);
    expect(await issuesOf(fromQuery({ text: `SELECT generate_series(1, 100001) AS id` }))).toEqual([
      expect.stringMatching(/^to: 100001 recipients/),
    ]);
  });

  test('that is wrong itself shows the error of Postgres', async () => {
    await expect(fromQuery({ text: 'SELECT id FROM nowhere' })).rejects.toMatchObject({ code: '42P01' });
  });
});

test('many methods, many recipients, some of them twice, all in order', async () => {
  const to = [...crowd(50).toReversed(), ...crowd(50)];
  const messages = await it.enqueue({ to }, named('both'));
  expect(outcomes(messages)).toEqual(
    crowd(50)
      .toReversed()
      .flatMap(({ id }) => [`${id} smtp pending`, `${id} webhook pending`]),
  );
});

describe('look-ups among 20,000 messages use an index', () => {
  beforeAll(async () => {
    await it.reset();
    await it.pool.query(`SELECT herald.enqueue(jsonb_build_object('template', 'greeting', 'labels', '{"who": "x"}'::jsonb, 'dedupeKey', 'k' || b, 'targets', jsonb_build_array('w-' || b),
      'to', (SELECT jsonb_agg(jsonb_build_object('id', 'u' || i, 'email', 'x@example.com')) FROM generate_series(b * 100, b * 100 + 99) i))) FROM generate_series(1, 200) b`);
    await it.pool.query(`UPDATE herald.message SET created_at = created_at - random() * interval '100 days', status = CASE WHEN r < 0.98 THEN 'sent' ELSE status END, settled_at = CASE WHEN r < 0.98 THEN now() END
      FROM (SELECT id AS i, random() AS r FROM herald.message) x WHERE i = id;
      CREATE TABLE kept AS TABLE herald.message`);
  });
  beforeEach(() => it.pool.query('INSERT INTO herald.message TABLE kept; ANALYZE herald.message'));

  test.each<[string, string, RegExp]>([
    ['recipient', `recipient_id = 'u777' ORDER BY created_at DESC LIMIT 50`, /message_recipients/],
    ['template', `template = 'greeting' ORDER BY created_at DESC, id DESC LIMIT 50`, /message_templates/],
    [
      'reason',
      `reason IS NOT NULL AND status = 'failed' ORDER BY created_at DESC, id DESC LIMIT 50`,
      /message_reasons/,
    ],
    ['target', `targets @> ARRAY['w-7'] AND targets <> '{}'`, /message_targets/],
    ['status', `method = 'smtp' AND settled_at IS NULL AND next_attempt_at <= now()`, /message_open/],
    [
      'creation time',
      `created_at > now() - interval '1 hour' ORDER BY created_at DESC, id DESC LIMIT 50`,
      /message_times/,
    ],
    ['notification', `notification_id = (SELECT notification_id FROM kept LIMIT 1)`, /message_notification/],
    ['dedupe key', `dedupe_key = 'k7'`, /message_dedupe/],
    ['id', `id = ANY (ARRAY(SELECT id FROM kept LIMIT 5))`, /message_pkey/],
  ])('by %s', async (_, condition, index) => {
    const plan = await it.pool.query(`EXPLAIN SELECT id FROM herald.message WHERE ${condition}`);
    const lines = plan.rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(lines).toMatch(index);
    expect(lines).not.toMatch(/Seq Scan on message/);
  });
});
