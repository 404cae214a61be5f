/** What enqueue accepts can be delivered, and what it refuses names the place; one bad address does not stop the others. */
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { issuesOf, openEnqueueing, outcomes } from './support.ts';

const it = await openEnqueueing();
afterAll(it.close);
beforeEach(() => it.reset());

const sql = (options: object) =>
  it.pool.query('SELECT recipient_id, status, reason FROM herald.enqueue($1::jsonb)', [
    JSON.stringify({ template: 'greeting', to: { id: 'a', email: 'a@example.com' }, labels: { who: 'x' }, ...options }),
  ]);

describe('one bad address among many', () => {
  const to = [
    { id: 'good', email: 'good@example.com' },
    { id: 'dots', email: 'taro..yamada@docomo.ne.jp' },
    { id: 'blank', email: ' kim@example.com ' },
  ];

  test('is inhibited, the others are sent, and white space around an address is removed', async () => {
    expect(outcomes(await it.enqueue({ to }))).toEqual([
      'good smtp pending',
      'dots smtp invalid_address',
      'blank smtp pending',
    ]);
    const { rows } = await it.pool.query(`SELECT address, recipient FROM herald.message WHERE recipient_id = 'blank'`);
    expect(rows).toEqual([{ address: 'kim@example.com', recipient: { id: 'blank', email: 'kim@example.com' } }]);
  });

  test('is inhibited by the SQL function, too, so that a trigger does not undo its statement', async () => {
    expect((await sql({ to })).rows.map(({ reason }) => reason)).toEqual([null, 'invalid_address', null]);
  });

  test('is an error where the caller is strict', async () => {
    expect(await issuesOf(it.enqueue({ to, strict: true }))).toEqual([expect.stringMatching(/^to\[1\]\.email: /)]);
    await expect(sql({ to, invalidAddress: 'reject' })).rejects.toMatchObject({ code: 'HE003', column: 'to[1].email' });
    expect(await it.count()).toBe(0);
  });
});

test.each(['https://acme.example/a b', 'https://acme.example/?x=a|b'])(
  'the action URL %s is refused with its place before the transaction is touched',
  async (url) => {
    expect(await issuesOf(it.enqueue({ actions: [{ label: 'Open', url }] }))).toEqual([
      expect.stringMatching(/^actions\[0\]\.url: holds a character that must be escaped/),
    ]);
  },
);

test('a multipart file is refused, which no email program shows', async () => {
  const file = { name: 'a', contentType: 'multipart/mixed', content: Buffer.from('x') };
  expect(await issuesOf(it.enqueue({ attachments: [file] }))).toEqual([
    expect.stringMatching(/^attachments\[0\]\.contentType: is a multipart type/),
  ]);
  await expect(sql({ attachments: [{ ...file, content: 'eA==' }] })).rejects.toMatchObject({
    column: 'attachments[0]',
  });
});

test.each([
  ['nested 200 levels deep', '['.repeat(200) + ']'.repeat(200)],
  ['with a number that JavaScript reads as infinite', '{"n": 1e400}'],
])('data %s is refused by SQL', async (_, data) => {
  await expect(
    it.pool.query(`SELECT herald.enqueue('greeting', '{"id": "a"}', '{"who": "x"}', data => $1::jsonb)`, [data]),
  ).rejects.toMatchObject({ code: 'HE006', column: 'data' });
});

test('the checks do not depend on settings of the session', async () => {
  const client = await it.pool.connect();
  try {
    await client.query('SET standard_conforming_strings = off; SET backslash_quote = on');
    const { rows } = await client.query(
      `SELECT reason FROM herald.enqueue('greeting', '[{"id": "a", "email": "a@example.com,b@example.com"}]', '{"who": "x"}')`,
    );
    expect(rows).toEqual([{ reason: 'invalid_address' }]);
    const enqueue = (more: object) =>
      client.query('SELECT reason FROM herald.enqueue($1::jsonb)', [
        JSON.stringify({
          template: 'greeting',
          to: { id: 'a', email: 'a@example.com' },
          labels: { who: 'x' },
          ...more,
        }),
      ]);
    const backslash = await enqueue({ to: { id: 'a', email: String.raw`a\b@example.com` } });
    expect(backslash.rows).toEqual([{ reason: 'invalid_address' }]);
    await expect(enqueue({ unsubscribeUrl: String.raw`https://acme.example/a\b` })).rejects.toMatchObject({
      column: 'unsubscribeUrl',
    });
    await expect(enqueue({ groupKey: 'a\nb' })).rejects.toMatchObject({ column: 'groupKey' });
    await expect(client.query(`SELECT herald.set_preference(e'a\\nb', 'all', '', false)`)).rejects.toMatchObject({
      column: 'recipient_id',
    });
  } finally {
    client.release(true);
  }
});
