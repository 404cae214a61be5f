/** What the command line does to messages, an application can do from code, through the package's own exports. */
import { expect, test } from 'vitest';
import {
  cancelMessages,
  countMessages,
  createSecretBox,
  discardMessages,
  endpoints,
  erasePerson,
  explainMessage,
  findMessages,
  holdMessages,
  InvalidNotificationError,
  listAudit,
  listMessages,
  listPauses,
  listSuppressions,
  pauseMethod,
  purgeMessages,
  readStatus,
  readRetention,
  recordAudit,
  releaseMessages,
  resumeMethod,
  retryMessages,
  setMethodEnabled,
  setRetention,
  setTemplateEnabled,
  setTemplateMethods,
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

test('many messages are found by a filter, counted, discarded and purged, from code', async () => {
  const { pool } = database;
  await pool.query(`SELECT herald.enqueue('greeting', (SELECT jsonb_agg(jsonb_build_object('id', 'u' || n, 'email', n || '@example.com'))
    FROM generate_series(1, 5) n), labels => '{"who": "you"}')`);
  const filter = { template: 'greeting', status: 'pending' } as const;
  expect(await countMessages(pool, filter)).toBe(5);
  const first = await findMessages(pool, filter, { limit: 3 });
  const rest = await findMessages(pool, filter, { limit: 3, after: first.at(-1) });
  const ids = [...first, ...rest].map(({ id }) => id);
  expect(new Set(ids).size).toBe(5);
  expect(await holdMessages(pool, ids, { by: 'support' })).toBe(5);
  expect(await discardMessages(pool, ids, { by: 'support', why: 'old' })).toBe(5);
  const message = await showMessage(pool, ids[0] ?? '');
  expect(message && explainMessage(message, new Date()).summary).toBe('Cancelled by support (old) before it was sent.');
  const before = new Date(Date.now() + 60_000);
  expect(await purgeMessages(pool, { before, dryRun: true })).toBeGreaterThanOrEqual(5);
  await purgeMessages(pool, { before });
  expect(await countMessages(pool, { template: 'greeting' })).toBe(0);
});

test('a method is paused and resumed, and what was done is on record, from code', async () => {
  const { pool } = database;
  expect(await pauseMethod(pool, { method: 'pigeon', by: 'support', why: 'x' })).toBe(false);
  expect(await pauseMethod(pool, { method: 'smtp', by: 'support', why: 'relay moves' })).toBe(true);
  await recordAudit(pool, { actor: 'support', action: 'pause', subject: 'smtp', why: 'relay moves' });
  expect(await listPauses(pool)).toMatchObject([{ method: 'smtp', by: 'support', detail: 'relay moves' }]);
  expect(await resumeMethod(pool, { method: 'smtp' })).toEqual(['smtp']);
  expect(await listAudit(pool, { subject: 'smtp' })).toMatchObject([{ actor: 'support', why: 'relay moves' }]);
});

test('endpoints are added, listed, disabled and removed from code', async () => {
  const secrets = createSecretBox([Buffer.alloc(32, 5).toString('base64')]);
  const stored = endpoints(database.pool, { secrets });
  const { id } = await stored.add({ name: 'shop', url: 'https://hooks.example.com/in' });
  expect(await stored.list()).toMatchObject([{ id, name: 'shop', state: 'healthy' }]);
  expect(await stored.disable(id)).toBe(0);
  expect(await stored.show(id)).toMatchObject({ disabledReason: 'operator' });
  expect(await stored.remove(id)).toBe(0);
  expect(await stored.show(id)).toBeNull();
});

test('an id that is none is named, and nothing is changed', async () => {
  const { pool } = database;
  const ids = ['01890a5d-ac96-774b-bcce-b302099a8057', 'not-an-id'];
  for (const act of [retryMessages, holdMessages, releaseMessages, discardMessages]) {
    const acting = act(pool, ids);
    await expect(acting).rejects.toThrow(InvalidNotificationError);
    await expect(acting).rejects.toThrow('ids[1]: is not a message id (a UUID)');
  }
  await expect(cancelMessages(pool, { ids }, { by: 'support' })).rejects.toThrow('ids[1]: is not a message id');
  expect(await showMessage(pool, 'not-an-id')).toBeNull();
  expect(await listMessages(pool, {}, { limit: -1 })).toEqual([]);
});

test('templates, methods and retention are set from code', async () => {
  const { pool } = database;
  const statusOf = async () => {
    const text = `SELECT status, reason FROM herald.enqueue('greeting', '{"id": "ada", "email": "ada@example.com"}', labels => '{"who": "x"}')`;
    return (await pool.query<{ status: string; reason: string | null }>(text)).rows[0];
  };
  expect(await setTemplateEnabled(pool, 'greeting', false)).toBe(true);
  expect(await statusOf()).toEqual({ status: 'inhibited', reason: 'template_disabled' });
  expect(await setTemplateEnabled(pool, 'greeting', true)).toBe(true);
  expect(await setMethodEnabled(pool, 'smtp', false)).toBe(true);
  expect(await statusOf()).toEqual({ status: 'inhibited', reason: 'method_disabled' });
  expect(await setMethodEnabled(pool, 'smtp', true)).toBe(true);
  expect(await setTemplateMethods(pool, 'greeting', ['pigeon'])).toEqual(['pigeon']);
  expect(await setTemplateMethods(pool, 'greeting', null)).toEqual([]);
  expect(await statusOf()).toEqual({ status: 'pending', reason: null });
  expect(await setRetention(pool, { group: '*', days: 90, by: 'support' })).toEqual({ '*': 90 });
  expect(await readRetention(pool)).toEqual({ '*': 90 });
});
