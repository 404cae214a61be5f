/** When: not before, not after, and not at all. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientBase, Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { transaction } from '../../src/database/pool.ts';
import { openAttempts } from '../../src/delivery/begin.ts';
import { until } from '../support/wait.ts';
import { ada, bob, type Enqueueing, issuesOf, named, openEnqueueing } from './support.ts';

let it: Enqueueing;
beforeAll(async () => {
  it = await openEnqueueing();
});
beforeEach(() => it.reset());
afterAll(() => it.close());

const hour = 3_600_000;
const fromNow = (ms: number) => new Date(Date.now() + ms);
/** A worker's begin, on the pool or in a transaction that is still open. */
const beginOptions = (client: ClientBase | Pool = it.pool) => {
  const run = async <Row>(statement: { readonly text: string }, values: readonly unknown[]) =>
    (await client.query(statement.text, [...values])).rows as Row[];
  // Only `query` is used of the pool, which a client has as well.
  const pool = client as Pool;
  return { pool, database: { pool, run }, worker: 'w', token: crypto.randomUUID(), maxAttempts: 3, isolated: false };
};

describe('when', () => {
  const row = async () =>
    (await it.pool.query('SELECT *, expires_at - next_attempt_at AS life FROM herald.message')).rows[0];

  test('sendAt in the past means now, in the future it waits, and so does its job', async () => {
    await it.enqueue({ sendAt: new Date(0) });
    expect((await row()).next_attempt_at.getTime()).toBeGreaterThan(Date.now() - 60_000);
    await it.reset();
    const sendAt = fromNow(hour);
    await it.enqueue({ sendAt });
    expect((await row()).next_attempt_at).toEqual(sendAt);
    expect((await it.pool.query('SELECT start_after FROM herald_queue.job')).rows).toEqual([{ start_after: sendAt }]);
  });

  test("the time to live counts from when it may be sent; the call's wins over the template's", async () => {
    await it.enqueue({ delaySeconds: 100 }, named('brief'));
    expect((await row()).life).toMatchObject({ minutes: 1 });
    await it.reset();
    await it.enqueue({ ttlSeconds: 5 }, named('brief'));
    expect((await row()).life).toMatchObject({ seconds: 5 });
    await it.reset();
    const expiresAt = fromNow(hour);
    await it.enqueue({ expiresAt }, named('brief'));
    expect((await row()).expires_at).toEqual(expiresAt);
  });

  test('an expiry that is past makes a message that is expired already: never sent late, and no error of the caller', async () => {
    expect(await it.enqueue({ expiresAt: new Date(Date.now() - 1000) })).toMatchObject([
      { status: 'expired', reason: 'expired' },
    ]);
    expect(await row()).toMatchObject({ status: 'expired', settled_at: expect.any(Date) });
    expect(await it.count('herald_queue.job')).toBe(0);
  });

  test.each([
    ['in the future', hour],
    ['in the past', -hour],
  ])('an expiry before sendAt contradicts it, also %s, and nothing is written', async (_, ms) => {
    expect(await issuesOf(it.enqueue({ sendAt: fromNow(ms), expiresAt: fromNow(ms - 1000) }))).toEqual([
      'expiresAt: the message would expire before it may be sent. Set expiresAt after sendAt.',
    ]);
    expect(await it.count()).toBe(0);
  });

  test('a scheduled message asks for the preferences again when it is due', async () => {
    const [message] = await it.enqueue({ sendAt: new Date(0) });
    await it.herald.setPreference(it.pool, { recipientId: 'ada', enabled: false });
    expect(await openAttempts([message?.id ?? ''], beginOptions())).toMatchObject([
      { disposition: 'settled', status: 'inhibited' },
    ]);
    expect(await row()).toMatchObject({ reason: 'preference' });
  });
});

describe('cancelling', () => {
  const answersTo = async (by: Parameters<Enqueueing['herald']['cancel']>[1], tx?: ClientBase) =>
    (await (tx ? it.herald.cancel(tx, by) : transaction(it.pool, (own) => it.herald.cancel(own, by)))).map(
      (answer) => answer.answer,
    );

  test('returns by id, key and target what is definitely the case', async () => {
    const [message] = await it.enqueue({ dedupeKey: 'k', targets: ['w-1', 'o-1'] });
    expect(await answersTo({ target: 'w-2' })).toEqual([]);
    expect(await answersTo({ dedupeKey: 'k' })).toEqual(['cancelled']);
    expect(await answersTo({ target: 'o-1' })).toEqual(['already_settled']);
    await it.pool.query(`UPDATE herald.message SET status = 'sending'`);
    expect(await answersTo({ ids: [message?.id ?? ''] })).toEqual(['in_flight']);
    await it.pool.query(`UPDATE herald.message SET status = 'held'`);
    expect(await answersTo({ ids: [message?.id ?? '', crypto.randomUUID()] })).toEqual(['cancelled']);
    expect(await answersTo({ ids: [] })).toEqual([]);
  });

  test('takes the job along, wipes the secrets and leaves the other messages alone', async () => {
    await it.pool.query(
      `SELECT herald.enqueue(jsonb_build_object('template', 'code', 'to', '{"id": "ada", "email": "a@example.com"}'::jsonb,
         'labels', '{"who": "x", "code": "1234"}'::jsonb, 'sendAt', now() + interval '1 year',
         'targets', '["w-1"]'::jsonb, 'allowPlainSecrets', true))`,
    );
    await it.enqueue({ targets: ['w-2'], to: [ada, bob] });
    expect(await answersTo({ target: 'w-1' })).toEqual(['cancelled']);
    expect(await it.rows()).toMatchObject([
      { status: 'cancelled', secrets: null },
      { status: 'pending' },
      { status: 'pending' },
    ]);
    expect(await it.count('herald_queue.job')).toBe(2);
  });

  test('a rollback takes it back, and its job', async () => {
    await it.enqueue({ dedupeKey: 'k' });
    await it.withClient(async (client) => {
      await client.query('BEGIN');
      await it.herald.cancel(client, { dedupeKey: 'k' });
    });
    expect(await it.count('herald_queue.job')).toBe(1);
    expect(await answersTo({ dedupeKey: 'k' })).toEqual(['cancelled']);
  });

  test('what is cancelled and enqueued again under its key stays cancelled', async () => {
    await it.enqueue({ dedupeKey: 'k' });
    await answersTo({ dedupeKey: 'k' });
    expect(await it.enqueue({ dedupeKey: 'k' })).toMatchObject([{ status: 'cancelled', deduplicated: true }]);
  });

  test.each<[string, unknown, string]>([
    ['no id', { ids: ['x'] }, 'ids[0]: is not a message id (a UUID)'],
    ['an empty key', { dedupeKey: '' }, 'dedupeKey: must be a string that is not empty'],
    ['no key at all', { dedupeKey: undefined }, 'by: must name one of ids, dedupeKey, target, recipientId'],
    ['a key and a target', { dedupeKey: 'a', target: 'b' }, 'by: must name one of ids, dedupeKey, target, recipientId'],
    ['null', null, 'by: must name one of ids, dedupeKey, target, recipientId'],
    ['ids that are not an array', { ids: 'x' }, 'ids: must be an array of message ids'],
    ['a target with a NUL byte', { target: 'a\u0000' }, 'target: must be a string that is not empty'],
  ])('%s is an error', async (_, by, expected) => {
    expect(await issuesOf(it.withClient((client) => it.herald.cancel(client, by as never)))).toEqual([expected]);
  });

  test('from SQL it takes exactly one of its arguments', async () => {
    for (const call of ['', `dedupe_key => 'k', target => 'w'`])
      await expect(it.pool.query(`SELECT herald.cancel(${call})`)).rejects.toMatchObject({ code: 'HE006' });
  });

  test('a worker that begins during a cancel waits, and does not send', async () => {
    const [message] = await it.enqueue();
    const ids = [message?.id ?? ''];
    await it.withClient(async (client) => {
      await client.query('BEGIN');
      expect(await it.herald.cancel(client, { ids })).toMatchObject([{ answer: 'cancelled' }]);
      const begun = openAttempts(ids, beginOptions());
      await untilBlocked(1);
      await client.query('COMMIT');
      expect(await begun).toMatchObject([{ disposition: 'settled', status: 'cancelled' }]);
    });
  });

  test('a cancel while a worker begins waits, and returns that the message is in flight', async () => {
    const [message] = await it.enqueue();
    const ids = [message?.id ?? ''];
    await it.withClient(async (client) => {
      await client.query('BEGIN');
      expect(await openAttempts(ids, beginOptions(client))).toMatchObject([{ disposition: 'open' }]);
      const answers = answersTo({ ids });
      await untilBlocked(1);
      await client.query('COMMIT');
      expect(await answers).toEqual(['in_flight']);
    });
  });

  test('at the very same moment exactly one of them wins', async () => {
    for (let round = 0; round < 30; round++) {
      const [message] = await it.enqueue();
      const ids = [message?.id ?? ''];
      const first = round % 2 === 0;
      const [[begun], [answer]] = await Promise.all([
        sleep(first ? 0 : 1).then(() => openAttempts(ids, beginOptions())),
        sleep(first ? 1 : 0).then(() => answersTo({ ids })),
      ]);
      expect([begun?.disposition, answer]).toEqual(
        answer === 'cancelled' ? ['settled', 'cancelled'] : ['open', 'in_flight'],
      );
    }
  });

  test('by target in one transaction and by key in another, over the same messages, does not deadlock', async () => {
    const to = Array.from({ length: 200 }, (_, i) => ({ id: `p${i}`, email: `p${i}@example.com` }));
    await it.enqueue({ to, dedupeKey: 'k', targets: ['w'] });
    const answers = await Promise.all([answersTo({ target: 'w' }), answersTo({ dedupeKey: 'k' })]);
    expect(answers.flat().filter((answer) => answer === 'cancelled')).toHaveLength(200);
    expect(answers.flat()).toHaveLength(400);
  });
});

async function untilBlocked(sessions: number): Promise<void> {
  await until(async () => {
    const waiting = await it.count(
      `pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE '%herald%'`,
    );
    return waiting >= sessions;
  });
}
