/** What the command line does to messages, an application can do from code, through the package's own exports. */
import { expect, test } from 'vitest';
import {
  cancelMessages,
  erasePerson,
  explainMessage,
  holdMessages,
  listMessages,
  listSuppressions,
  readStatus,
  releaseMessages,
  retryMessages,
  showMessage,
  suppressAddress,
  unsuppressAddress,
} from '../../src/index.ts';
import { greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

test('messages are listed, held, released, cancelled, retried and explained from code', async () => {
  const { pool } = database;
  await pool.query(
    `SELECT herald.enqueue('greeting', '{"id": "ada", "email": "ada@example.com"}', labels => '{"who": "Ada"}')`,
  );
  const [line] = await listMessages(pool, { recipientId: 'ada', status: 'pending' }, { limit: 10 });
  const id = line?.id ?? '';
  expect(await holdMessages(pool, [id], { by: 'support', why: 'a question' })).toBe(1);
  const held = await showMessage(pool, id);
  expect(held && explainMessage(held, new Date()).summary).toMatch(/^Held by support \(a question\)\./);
  expect(await releaseMessages(pool, [id])).toBe(1);
  expect(await cancelMessages(pool, { ids: [id] }, { by: 'support' })).toEqual([
    { messageId: id, answer: 'cancelled' },
  ]);
  expect(await retryMessages(pool, [id])).toEqual([{ messageId: id, retried: false, status: 'cancelled' }]);
  expect((await readStatus(pool)).methods.map(({ method }) => method)).toContain('smtp');
});

test('an address is suppressed and allowed again, and a person erased, from code', async () => {
  const { pool } = database;
  await suppressAddress(pool, { method: 'smtp', address: 'Bounced@example.com', reason: 'bounce report' });
  expect(await listSuppressions(pool, { address: 'bounced@example.com' })).toMatchObject([{ reason: 'bounce report' }]);
  expect(await unsuppressAddress(pool, { method: 'smtp', address: 'bounced@example.com' })).toBe(true);
  expect(await erasePerson(pool, { recipientId: 'ada' })).toMatchObject({ erased: 1, inFlight: 0 });
  expect(await listMessages(pool, { recipientId: 'ada' }, { limit: 10 })).toEqual([]);
});
