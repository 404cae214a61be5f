/** What changes is seen, however old the message is, and what does not is not repeated. */
import { expect, test } from 'vitest';
import { watchMessages } from '../../src/operate/watch-messages.ts';
import { greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

async function enqueue(count: number, of = 'user'): Promise<string[]> {
  const { rows } = await database.pool.query<{ id: string }>(
    `SELECT message_id AS id FROM herald.enqueue('greeting', (SELECT jsonb_agg(jsonb_build_object('id', $2 || n, 'email', n || '@example.com')) FROM generate_series(1, $1) n), labels => '{"who": "you"}')`,
    [count, of],
  );
  return rows.map((row) => row.id);
}

const settle = (ids: readonly string[], status: string, age = '0 s') =>
  database.pool.query(
    `UPDATE herald.message SET status = $2, reason = CASE WHEN $2 = 'failed' THEN 'refused' END, attempts = 1, created_at = created_at - $3::interval,
       next_attempt_at = next_attempt_at - $3::interval, settled_at = now() - $3::interval WHERE id = ANY ($1)`,
    [ids, status, age],
  );

const told = async (changes: ReturnType<typeof watchMessages>) =>
  (await changes.poll()).map(({ id, status }) => [id, status]);

test('an old message that is retried is reported, and so is its outcome', async () => {
  const [old = ''] = await enqueue(1, 'old');
  await settle([old], 'failed', '40 days');
  await settle(await enqueue(1000), 'sent');
  const changes = watchMessages(database.pool, {});
  expect(await told(changes)).toEqual([]);
  expect(await told(changes)).toEqual([]);
  await database.pool.query('SELECT herald.retry(ARRAY[$1::uuid])', [old]);
  expect(await told(changes)).toEqual([[old, 'pending']]);
  expect(await told(changes)).toEqual([]);
  await settle([old], 'sent');
  expect(await told(changes)).toEqual([[old, 'sent']]);
  expect(await told(changes)).toEqual([]);
});

test('the end of a backlog is reported when it is delivered, and not before', async () => {
  const waiting = await enqueue(2500, 'backlog');
  await database.pool.query(
    `UPDATE herald.message m SET created_at = now() - interval '1 hour', next_attempt_at = now() - interval '1 hour' + o.n * interval '1 ms'
     FROM unnest($1::uuid[]) WITH ORDINALITY o (id, n) WHERE m.id = o.id`,
    [waiting],
  );
  const changes = watchMessages(database.pool, {});
  expect(await told(changes)).toEqual([]);
  const oldest = waiting.slice(0, 200);
  await settle(oldest, 'sent');
  expect(new Set((await told(changes)).map(([id]) => id))).toEqual(new Set(oldest));
  await settle(waiting, 'sent');
});

test('a condition holds for what a message has become', async () => {
  const changes = watchMessages(database.pool, { status: 'failed', recipientId: 'one2' });
  await changes.poll();
  const ids = await enqueue(3, 'one');
  expect(await told(changes)).toEqual([]);
  await settle(ids, 'failed');
  expect(await told(changes)).toEqual([[ids[1], 'failed']]);
});
