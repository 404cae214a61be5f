/** How often: a dedupe key is a unique constraint. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { greeting } from '../support/application.ts';
import { ada, bob, type Enqueueing, named, openEnqueueing, outcomes } from './support.ts';

let it: Enqueueing;
beforeAll(async () => {
  it = await openEnqueueing();
});
beforeEach(() => it.reset());
afterAll(() => it.close());

const keyed = { to: ada, labels: { who: 'x' }, dedupeKey: 'k' };

test('50 concurrent transactions with one dedupe key make one message and one job', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => it.enqueue({ dedupeKey: 'k' })));
  expect(answers.filter(([message]) => message?.deduplicated)).toHaveLength(49);
  expect(new Set(answers.map(([message]) => message?.id)).size).toBe(1);
  expect([await it.count(), await it.count('herald_queue.job')]).toEqual([1, 1]);
});

test('the second call returns the first message with its present status', async () => {
  const [first] = await it.enqueue({ dedupeKey: 'k' });
  await it.pool.query(`UPDATE herald.message SET status = 'sent'`);
  expect(await it.enqueue({ dedupeKey: 'k' })).toEqual([{ ...first, status: 'sent', deduplicated: true }]);
});

test('a key counts per recipient: a second call adds those who are new, and answers once for each', async () => {
  await it.enqueue({ dedupeKey: 'k' });
  expect(outcomes(await it.enqueue({ dedupeKey: 'k', to: [ada, bob, ada] }))).toEqual([
    'bob smtp pending',
    'ada smtp pending again',
  ]);
});

test('a key counts per method, whatever order an operator gives the methods', async () => {
  await it.enqueue({ dedupeKey: 'k' });
  await it.pool.query(`UPDATE herald.template SET methods_override = '{webhook,smtp}'`);
  expect(outcomes(await it.enqueue({ dedupeKey: 'k' }))).toEqual(['ada webhook pending', 'ada smtp pending again']);
  await it.pool.query(`UPDATE herald.template SET methods_override = '{webhook}'`);
  expect(outcomes(await it.enqueue({ dedupeKey: 'k' }))).toEqual(['ada webhook pending again']);
});

test('of a template that picks one method there is one message, also when another method would be picked by now', async () => {
  expect(outcomes(await it.enqueue({ dedupeKey: 'k' }, named('either')))).toEqual(['ada smtp pending']);
  await it.herald.setPreference(it.pool, { recipientId: 'ada', method: 'smtp', enabled: false });
  expect(outcomes(await it.enqueue({ dedupeKey: 'k' }, named('either')))).toEqual(['ada smtp pending again']);
});

test('an inhibited message keeps its key', async () => {
  await it.herald.setPreference(it.pool, { recipientId: 'ada', enabled: false });
  expect(outcomes(await it.enqueue({ dedupeKey: 'k' }))).toEqual(['ada smtp preference']);
  await it.herald.setPreference(it.pool, { recipientId: 'ada', enabled: true });
  expect(outcomes(await it.enqueue({ dedupeKey: 'k' }))).toEqual(['ada smtp preference again']);
});

test('a rollback frees the key for the transaction that waits for it', async () => {
  await it.withClient(async (client) => {
    await client.query('BEGIN');
    await it.herald.enqueue(client, greeting, keyed);
    const waiting = it.enqueue({ dedupeKey: 'k' });
    await client.query('ROLLBACK');
    expect(outcomes(await waiting)).toEqual(['ada smtp pending']);
  });
});

test('twice in one transaction is once', async () => {
  await it.withClient(async (client) => {
    await client.query('BEGIN');
    const [first] = await it.herald.enqueue(client, greeting, keyed);
    expect(await it.herald.enqueue(client, greeting, keyed)).toEqual([{ ...first, deduplicated: true }]);
    await client.query('COMMIT');
  });
  expect(await it.count('herald_queue.job')).toBe(1);
});

test('two calls with the same recipients in opposite orders wait for each other and do not deadlock', async () => {
  const people = Array.from({ length: 400 }, (_, i) => ({ id: `p${i}`, email: `p${i}@example.com` }));
  for (let round = 0; round < 5; round++) {
    const dedupeKey = `round ${round}`;
    const answers = await Promise.all([
      it.enqueue({ to: people, dedupeKey }),
      it.enqueue({ to: people.toReversed(), dedupeKey }),
    ]);
    expect(answers.map((messages) => messages.length)).toEqual([400, 400]);
    expect(answers.flat().filter((message) => message.deduplicated)).toHaveLength(400);
  }
});

test('under REPEATABLE READ a key that another transaction took meanwhile is a serialization failure, to be retried as a whole', async () => {
  await it.withClient(async (client) => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
    await it.enqueue({ dedupeKey: 'k' });
    await client.query('SAVEPOINT s');
    await expect(it.herald.enqueue(client, greeting, keyed)).rejects.toMatchObject({ code: '40001' });
    await client.query('ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ');
    expect(outcomes(await it.herald.enqueue(client, greeting, keyed))).toEqual(['ada smtp pending again']);
  });
});

test('a window allows one message per key and window', async () => {
  const dedupeWindowSeconds = 366 * 86_400 * 20;
  const outcome = async () => outcomes(await it.enqueue({ dedupeKey: 'k', dedupeWindowSeconds }));
  expect(await outcome()).toEqual(['ada smtp pending']);
  expect(await outcome()).toEqual(['ada smtp pending again']);
  await it.pool.query('UPDATE herald.message SET dedupe_slot = dedupe_slot - 1');
  expect(await outcome()).toEqual(['ada smtp pending']);
  expect(outcomes(await it.enqueue({ dedupeKey: 'k' }))).toEqual(['ada smtp pending']);
});

test('the longest key for the longest recipient fits the index', async () => {
  const id = '🦊'.repeat(100);
  const dedupeKey = '🦊'.repeat(200);
  expect(outcomes(await it.enqueue({ to: { id, email: 'x@example.com' }, dedupeKey }))).toEqual([`${id} smtp pending`]);
  await it.pool.query(
    `SELECT herald.enqueue('greeting', jsonb_build_object('id', repeat('🦊', 200)), labels => '{"who": "x"}', dedupe_key => (SELECT string_agg(chr(65536 + (i * 7919) % 50000), '') FROM generate_series(1, 400) i))`,
  );
  expect(await it.count()).toBe(2);
});
