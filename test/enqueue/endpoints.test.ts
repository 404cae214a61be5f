/** A message by a method with endpoints goes to the recipient's, else the tenant's, else everybody's. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { addEndpoint } from '../dispatch/webhook/endpoints/table.ts';
import { ada, type Enqueueing, named, openEnqueueing } from './support.ts';

let it: Enqueueing;
beforeAll(async () => {
  it = await openEnqueueing();
});
beforeEach(() => it.reset().then(() => it.pool.query('TRUNCATE herald.endpoint')));
afterAll(() => it.close());

const endpoint = (name: string, columns: Record<string, unknown> = {}) =>
  addEndpoint(it.pool, {}, { name, ...columns });

/** What a webhook notification to Ada wrote: the names of the endpoints, and why a message was inhibited. */
async function receivers(options: Record<string, unknown> = {}, template = named('greeting')): Promise<string[]> {
  await it.enqueue({ methods: ['webhook'], ...options }, template);
  const { rows } = await it.pool.query(
    `SELECT coalesce(e.name, 'default') || coalesce(' ' || m.reason, '') AS line
     FROM herald.message m LEFT JOIN herald.endpoint e ON e.id = m.endpoint_id ORDER BY e.created_at, m.id`,
  );
  return rows.map((row) => row.line);
}

describe('who receives', () => {
  test("the dispatcher's default where there are no endpoints", async () => {
    expect(await receivers()).toEqual(['default']);
  });

  test('every endpoint without an owner, one message and one job each', async () => {
    await endpoint('one');
    await endpoint('two');
    expect(await receivers()).toEqual(['one', 'two']);
    expect(await it.count(`herald_queue.job WHERE name = 'webhook'`)).toBe(2);
  });

  test("the recipient's before the tenant's before those without an owner", async () => {
    await endpoint('all');
    expect(await receivers({ tenant: 'acme' })).toEqual(['all']);
    await it.reset();
    await endpoint('acme', { tenant: 'acme' });
    expect(await receivers({ tenant: 'acme' })).toEqual(['acme']);
    await it.reset();
    expect(await receivers({ tenant: 'other' })).toEqual(['all']);
    await it.reset();
    await endpoint('ada', { recipient_id: ada.id });
    expect(await receivers({ tenant: 'acme' })).toEqual(['ada']);
  });

  test('only those that want the group; a row says why when none does', async () => {
    const { rows } = await it.pool.query(`SELECT "group" FROM herald.template WHERE name = 'greeting'`);
    await endpoint('wants', { groups: [rows[0].group] });
    await endpoint('other', { groups: ['Billing'] });
    expect(await receivers()).toEqual(['wants']);
    await it.reset();
    await it.pool.query(`UPDATE herald.endpoint SET groups = '{Billing}'`);
    expect(await receivers()).toEqual(['wants not_subscribed', 'other not_subscribed']);
  });

  test('one that is switched off gets a row that can be sent later', async () => {
    await endpoint('off', { disabled_at: new Date(), disabled_reason: 'operator' });
    await endpoint('on');
    expect(await receivers()).toEqual(['off endpoint_disabled', 'on']);
    const ids = (await it.pool.query(`SELECT id FROM herald.message WHERE reason = 'endpoint_disabled'`)).rows;
    const retried = await it.pool.query('SELECT * FROM herald.retry($1)', [ids.map((row) => row.id)]);
    expect(retried.rows).toMatchObject([{ retried: true, status: 'pending' }]);
  });

  test('a dedupe key counts for each endpoint, and the second call returns what the first wrote', async () => {
    await endpoint('one');
    await endpoint('two');
    const first = await it.enqueue({ methods: ['webhook'], dedupeKey: 'k' });
    const second = await it.enqueue({ methods: ['webhook'], dedupeKey: 'k' });
    expect(second.map((m) => [m.id, m.deduplicated])).toEqual(first.map((m) => [m.id, true]));
    await endpoint('three');
    expect((await it.enqueue({ methods: ['webhook'], dedupeKey: 'k' })).map((m) => m.deduplicated)).toEqual([
      false,
      true,
      true,
    ]);
  });

  test('of a fallback one endpoint, and only where no earlier method can reach', async () => {
    await endpoint('one');
    await endpoint('two');
    expect(await receivers({ methods: undefined, to: { id: 'x' } }, named('either'))).toEqual(['one']);
    await it.reset();
    expect(await receivers({ methods: undefined }, named('either'))).toEqual(['default']);
  });

  test('a thousand recipients and three endpoints in one call', async () => {
    for (const name of ['a', 'b', 'c']) await endpoint(name);
    const to = Array.from({ length: 1000 }, (_, i) => ({ id: `u${i}` }));
    const written = await it.enqueue({ methods: ['webhook'], to } as never);
    expect(written).toHaveLength(3000);
    expect(new Set(written.map((m) => m.id)).size).toBe(3000);
    expect(written.map((m) => m.recipientId).slice(0, 6)).toEqual(['u0', 'u0', 'u0', 'u1', 'u1', 'u1']);
  });
});

describe('attachments', () => {
  const file = { name: 'invoice.pdf', contentType: 'application/pdf', content: new Uint8Array([37, 80, 68, 70]) };

  test('are written once for all recipients, and roll back with the rest', async () => {
    await it.enqueue({ to: [ada, { id: 'b', email: 'b@example.com' }], attachments: [file] });
    const { rows } = await it.pool.query('SELECT name, content_type, content FROM herald.attachment');
    expect(rows).toEqual([{ name: 'invoice.pdf', content_type: 'application/pdf', content: Buffer.from('%PDF') }]);
    expect((await it.rows()).map((row) => row.attachments)).toEqual([1, 1]);
  });

  test.each([
    ['a path as a name', { ...file, name: '../x' }, /attachments\[0\]\.name/],
    ['a content type that is none', { ...file, contentType: 'pdf' }, /attachments\[0\]\.contentType/],
    ['a multipart type', { ...file, contentType: 'multipart/mixed' }, /attachments\[0\]\.contentType: is a multipart/],
  ])('with %s are refused before anything is written', async (_, attachment, path) => {
    await expect(it.enqueue({ attachments: [attachment] })).rejects.toThrow(path);
    expect(await it.count()).toBe(0);
  });

  test('may be empty, and their type may have parameters', async () => {
    const empty = { name: 'a.txt', contentType: 'text/plain; charset=utf-8', content: new Uint8Array() };
    await it.enqueue({ attachments: [empty] });
    const { rows } = await it.pool.query(
      'SELECT content_type, length(content) AS length FROM herald.attachment WHERE content = $1',
      [Buffer.alloc(0)],
    );
    expect(rows).toEqual([{ content_type: 'text/plain; charset=utf-8', length: 0 }]);
  });

  test('of more than 10 MB together are refused', async () => {
    const large = { ...file, content: new Uint8Array(6_000_000) };
    await expect(it.enqueue({ attachments: [large, large] })).rejects.toThrow(/attachments: .*10 MB/);
  });

  test('that are invalid in SQL are refused with their position', async () => {
    await expect(
      it.pool.query(
        `SELECT herald.enqueue('greeting', '{"id": "1", "email": "a@example.com"}', '{"who": "x"}', attachments => '[{"name": "a", "contentType": "a/b", "content": "%%"}]')`,
      ),
    ).rejects.toMatchObject({ code: 'HE006', column: 'attachments[0]' });
  });
});
