/** A refused notification leaves the transaction usable: a caller that catches the error and commits loses nothing else. */
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import * as v from 'valibot';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Transaction } from '../../src/database/caller-transaction.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { defineTemplate } from '../../src/templates/define.ts';
import { greeting } from '../support/application.ts';
import { ada, type Enqueueing, issuesOf, openEnqueueing } from './support.ts';

const herald = createHerald();
let it: Enqueueing;
beforeAll(async () => {
  it = await openEnqueueing();
  await it.pool.query('CREATE TABLE deed (id text)');
});
afterAll(() => it.close());
beforeEach(() => it.pool.query('TRUNCATE deed, herald.message'));

const labels = { who: 'Ada' };
const unknown = { ...greeting, name: 'not-synced-yet' };
const withFax = { ...ada, fax: '1' };
/** Code that does not know yet what the synced template needs. */
const newer = defineTemplate({ name: 'greeting', labels: v.object({}) });
const recipients = { text: `SELECT 'ada' AS id, 'ada@example.com' AS email` };

describe.each<[string, string, (tx: Transaction) => Promise<unknown>]>([
  ['an unknown template', 'template: unknown template', (tx) => herald.enqueue(tx, unknown, { to: ada, labels })],
  [
    'an unknown method',
    'methods: unknown',
    (tx) => herald.enqueue(tx, greeting, { to: ada, labels, methods: ['stmp'] }),
  ],
  [
    'a label that only the database requires',
    'labels.who: ',
    (tx) => herald.enqueue(tx, newer, { to: ada, labels: {} }),
  ],
  ['a field that no method has', 'to.fax: ', (tx) => herald.enqueue(tx, greeting, { to: withFax, labels })],
  [
    'a message that expires before it is sent',
    'expiresAt: ',
    (tx) => herald.enqueue(tx, greeting, { to: ada, labels, sendAt: new Date(2e12), expiresAt: new Date(1.9e12) }),
  ],
  ['a query with an unknown template', 'template: ', (tx) => herald.enqueueFrom(tx, unknown, { recipients, labels })],
  [
    'a query with a row that has no id',
    'to[0].id: ',
    (tx) => herald.enqueueFrom(tx, greeting, { recipients: { text: `SELECT 'x@example.com' AS email` }, labels }),
  ],
  [
    'a preference about an unknown template',
    'subject: unknown template',
    (tx) => herald.setPreference(tx, { recipientId: 'ada', template: 'nope', enabled: false }),
  ],
])('%s', (_, expected, refused) => {
  test('is an error after which the transaction commits the rest', async () => {
    await drizzle(it.pool).transaction(async (tx) => {
      await tx.execute(sql`INSERT INTO deed VALUES ('before')`);
      expect(await issuesOf(refused(tx))).toEqual([expect.stringContaining(expected)]);
      await tx.execute(sql`INSERT INTO deed VALUES ('after')`);
      await herald.enqueue(tx, greeting, { to: ada, labels });
    });
    expect(await it.count('deed')).toBe(2);
    expect(await it.count()).toBe(1);
  });
});

test('a refused enqueue takes no transaction id', async () => {
  await it.withClient(async (client) => {
    await client.query('BEGIN');
    await issuesOf(herald.enqueue(client, unknown, { to: ada, labels }));
    const { rows } = await client.query('SELECT txid_current_if_assigned() AS id');
    expect(rows).toEqual([{ id: null }]);
  });
});

test('for SQL callers a refusal stays an error, with its code, place and hint', async () => {
  const call = (more: string) =>
    it.pool.query(`SELECT * FROM herald.enqueue('{"template": "nope", "to": {"id": "a"}${more}}')`);
  await expect(call('')).rejects.toMatchObject({ code: 'HE001', column: 'template', hint: expect.any(String) });
  await expect(call(', "returnRefusal": false')).rejects.toMatchObject({ code: 'HE001' });
  expect((await call(', "returnRefusal": true')).rows).toMatchObject([{ message_id: null, status: 'refused' }]);
});
