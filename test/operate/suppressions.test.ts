/** Addresses that must not be used: each cause, what passes nevertheless, and how it ends. */
import { beforeEach, describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { erase } from '../../src/operate/erase.ts';
import { countAddressFault, listSuppressions, suppress, unsuppress } from '../../src/operate/suppressions.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({
  templates: { greeting: greetingFile, alarm: greetingFile.replace('---\n', '---\nmandatory: true\n') },
});
const herald = createHerald();
type Named = Omit<typeof greeting, 'name'> & { readonly name: string };
const alarm: Named = { ...greeting, name: 'alarm' };
const query = async (text: string, values: readonly unknown[] = []) =>
  (await database.pool.query(text, [...values])).rows;

beforeEach(async () => {
  await query('TRUNCATE herald.message, herald.attempt, herald.suppression, herald.report');
  await query('DELETE FROM herald_queue.job');
  await query('UPDATE herald.method SET erased_key = NULL');
});

async function enqueue(
  template: Named = greeting,
  id = 'ada',
): Promise<{ id: string; status: string; reason: string | null }> {
  const [message] = await herald.enqueue(database.pool, template, {
    autocommit: true,
    to: { id, email: 'Ada@Example.com' },
    labels: { who: 'Ada' },
  });
  return message as { id: string; status: string; reason: string | null };
}

/** A message that was sent, or refused, so many hours ago. */
async function past(hoursAgo: number, status = 'sent'): Promise<string> {
  const { id } = await enqueue();
  await query(
    `UPDATE herald.message SET status = $2, attempts = 1, settled_at = now() - $3 * interval '1 hour',
       created_at = now() - $3 * interval '1 hour' WHERE id = $1`,
    [id, status, hoursAgo],
  );
  return id;
}

async function refusedAt(hoursAgo: number): Promise<void> {
  const messageId = await past(hoursAgo, 'failed');
  const fault = { method: 'smtp', address: 'Ada@Example.com', reason: 'no_such_recipient', messageId };
  await countAddressFault(database.pool, fault);
}

const age = (hours: number) =>
  query(`UPDATE herald.suppression SET first_at = first_at - $1 * interval '1 hour'`, [hours]);
const only = async () => (await listSuppressions(database.pool))[0];

describe('an address that is dead', () => {
  test('is suppressed by the second report, a day or more after the first', async () => {
    await refusedAt(0);
    await refusedAt(0);
    expect(await only()).toMatchObject({ cause: 'dead', hits: 2, suppressedAt: null, address: 'ada@example.com' });
    await age(25);
    await refusedAt(0);
    expect(await only()).toMatchObject({ cause: 'dead', hits: 3, suppressedAt: expect.any(Date), expiresAt: null });
    expect(await enqueue()).toMatchObject({ status: 'inhibited', reason: 'suppressed' });
    expect(await enqueue(alarm)).toMatchObject({ status: 'inhibited', reason: 'suppressed' });
  });

  test('begins anew after a message was accepted in between, and not after one that was returned', async () => {
    await refusedAt(300);
    await age(300);
    const between = await past(100);
    await query(
      `INSERT INTO herald.report (message_id, kind, effect, source, source_id) VALUES ($1, 'bounce', 'none', 'mail', 'x')`,
      [between],
    );
    await past(90, 'cancelled');
    const accepted = await past(80);
    await refusedAt(0);
    expect(await only()).toMatchObject({ hits: 1, suppressedAt: null, firstAt: expect.any(Date) });
    await age(300);
    await query('DELETE FROM herald.message WHERE id = $1', [accepted]);
    await refusedAt(0);
    expect(await only()).toMatchObject({ hits: 2, suppressedAt: expect.any(Date) });
  });

  test('keeps the decision of an operator, and ends a suppression that expires', async () => {
    await suppress(database.pool, { method: 'smtp', address: 'ada@example.com', reason: 'left' });
    await refusedAt(0);
    await age(25);
    await refusedAt(0);
    expect(await only()).toMatchObject({ cause: 'operator', reason: 'left', hits: 2 });
    await query(
      `UPDATE herald.suppression SET cause = 'soft', expires_at = now() + interval '1 day', first_at = now() - interval '2 days'`,
    );
    await refusedAt(0);
    expect(await only()).toMatchObject({ cause: 'dead', expiresAt: null, suppressedAt: expect.any(Date) });
  });
});

describe.each([
  ['dead', 'inhibited'],
  ['operator', 'inhibited'],
  ['complaint', 'pending'],
  ['soft', 'pending'],
])('the cause %s', (cause, mandatory) => {
  const set = () =>
    query(
      `INSERT INTO herald.suppression (method, address, cause, reason, suppressed_at) VALUES ('smtp', 'ada@example.com', $1, $1, now())`,
      [cause],
    );

  test('stops messages, at enqueue and for one and for many recipients', async () => {
    await set();
    expect(await enqueue()).toMatchObject({ status: 'inhibited', reason: 'suppressed' });
    expect(await enqueue(alarm)).toMatchObject({ status: mandatory });
    const to = [
      { id: 'ada', email: 'ada@example.com' },
      { id: 'bob', email: 'bob@example.com' },
    ];
    const two = async (template: Named) =>
      (await herald.enqueue(database.pool, template, { autocommit: true, to, labels: { who: 'x' } })).map(
        (message) => message.status,
      );
    expect(await two(greeting)).toEqual(['inhibited', 'pending']);
    expect(await two(alarm)).toEqual([mandatory, 'pending']);
  });

  test('stops messages that wait already, when their turn comes', async () => {
    const messages = [await enqueue(), await enqueue(alarm)];
    await set();
    const dispatcher = scriptedDispatcher();
    const worker = testWorker(database.url, { dispatchers: { smtp: dispatcher } });
    await worker.start();
    const statuses = () => query('SELECT status FROM herald.message ORDER BY template DESC');
    await until(async () => (await statuses()).every(({ status }) => status !== 'pending' && status !== 'sending'));
    await worker.stop();
    expect(await statuses()).toEqual([
      { status: 'inhibited' },
      { status: mandatory === 'pending' ? 'sent' : 'inhibited' },
    ]);
    expect(messages).toHaveLength(2);
  });
});

test('a suppression that has expired stops nothing and is not listed', async () => {
  await query(
    `INSERT INTO herald.suppression (method, address, cause, reason, suppressed_at, expires_at)
     VALUES ('smtp', 'ada@example.com', 'soft', 'x', now() - interval '15 days', now() - interval '1 day')`,
  );
  expect(await enqueue()).toMatchObject({ status: 'pending' });
  expect(await listSuppressions(database.pool)).toEqual([]);
});

describe('of an erased person', () => {
  const complaint = `INSERT INTO herald.suppression (method, address, cause, reason, suppressed_at)
    VALUES ('smtp', 'ada@example.com', 'complaint', 'complaint', now())`;

  test('a hash is left, so that nothing is sent to the address again, until it is lifted', async () => {
    await past(1);
    await query(complaint);
    await erase(database.pool, { recipientId: 'ada' });
    expect(JSON.stringify(await query('SELECT * FROM herald.suppression'))).not.toContain('ada');
    expect(await listSuppressions(database.pool)).toMatchObject([{ address: null, cause: 'complaint' }]);
    expect(await enqueue(greeting, 'ada-2')).toMatchObject({ status: 'inhibited', reason: 'suppressed' });
    expect(await enqueue(alarm, 'ada-2')).toMatchObject({ status: 'pending' });
    expect(await listSuppressions(database.pool, { address: 'ADA@example.com' })).toHaveLength(1);
    expect(await unsuppress(database.pool, { method: 'smtp', address: 'Ada@example.com' })).toBe(true);
    expect(await enqueue(greeting, 'ada-2')).toMatchObject({ status: 'pending' });
  });

  test('the hash is another one in each database, and holds for messages that wait', async () => {
    const waiting = await enqueue(greeting, 'ada-2');
    await past(1);
    await query(complaint);
    await erase(database.pool, { recipientId: 'ada' });
    const [first] = await query('SELECT address FROM herald.suppression');
    const worker = testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() } });
    await worker.start();
    await until(
      async () =>
        (await query('SELECT status FROM herald.message WHERE id = $1', [waiting.id]))[0]?.status !== 'pending',
    );
    await worker.stop();
    expect(await query('SELECT status, reason FROM herald.message WHERE id = $1', [waiting.id])).toEqual([
      { status: 'inhibited', reason: 'suppressed' },
    ]);
    await query('UPDATE herald.method SET erased_key = NULL');
    await query('TRUNCATE herald.suppression');
    await query(complaint);
    await erase(database.pool, { address: 'ada@example.com' });
    const [second] = await query('SELECT address FROM herald.suppression');
    expect(second?.address).toMatch(/^erased:[0-9a-f]{64}$/);
    expect(second?.address).not.toBe(first?.address);
  });

  test('what was only counted, or would expire, is deleted', async () => {
    await refusedAt(0);
    await erase(database.pool, { recipientId: 'ada' });
    expect(await query('SELECT FROM herald.suppression')).toEqual([]);
    expect(await query('SELECT FROM herald.method WHERE erased_key IS NOT NULL')).toEqual([]);
  });
});
