/** A message that cannot go now: its row and its job say so together. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Worker } from '../../src/delivery/worker.ts';
import type { Deferral } from '../../src/dispatch/dispatcher.ts';
import { greetingFile, putTemplates, scriptedDispatcher, testWorker } from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { until } from '../support/wait.ts';

let database: TestDatabase;
let worker: Worker | undefined;
beforeAll(async () => {
  database = await createTestDatabase();
  await putTemplates(database.pool, { greeting: greetingFile });
});
beforeEach(() => database.pool.query('TRUNCATE herald.message, herald.attempt; DELETE FROM herald_queue.job'));
afterAll(() => database.close());

async function enqueue(): Promise<string> {
  const { rows } = await database.pool.query<{ id: string }>(
    `SELECT message_id AS id FROM herald.enqueue('greeting', '{"id": "ada", "email": "ada@example.com"}', '{"who": "Ada"}')`,
  );
  return rows[0]?.id ?? '';
}

/** Runs a worker whose dispatcher defers every message, until the condition holds. */
async function defer(deferral: Deferral, done: () => Promise<boolean>) {
  const dispatcher = scriptedDispatcher(undefined, {
    admit: async (ids) => new Map(ids.map((id) => [id, deferral])),
  });
  worker = testWorker(database.url, { dispatchers: { smtp: dispatcher } });
  await worker.start();
  try {
    await until(done);
  } finally {
    await worker.stop();
  }
  return dispatcher.deliveries;
}

const messageOf = async (id: string) =>
  (
    await database.pool.query<Record<string, unknown>>(
      `SELECT m.status, m.reason, m.detail, m.attempts, m.next_attempt_at AS due, j.start_after AS starts, j.state
       FROM herald.message m LEFT JOIN herald_queue.job j ON j.id = m.id WHERE m.id = $1`,
      [id],
    )
  ).rows[0];

test('waits until the time that the dispatcher names, as its row and its job both say', async () => {
  const id = await enqueue();
  const at = new Date(Date.now() + 3_600_000);
  const delivered = await defer(
    { at, detail: 'waits for its turn' },
    async () => (await messageOf(id))?.['detail'] != null,
  );
  expect(delivered).toEqual([]);
  expect(await messageOf(id)).toMatchObject({
    status: 'pending',
    detail: 'waits for its turn',
    attempts: 0,
    due: at,
    starts: at,
    state: 'created',
  });
});

test('is held for an operator where the dispatcher names no time, and has no job any more', async () => {
  const id = await enqueue();
  const held = { at: null, reason: 'gone', detail: 'endpoint disabled' } as const;
  const delivered = await defer(held, async () => (await messageOf(id))?.['status'] === 'held');
  expect(delivered).toEqual([]);
  expect(await messageOf(id)).toMatchObject({ reason: 'gone', detail: 'endpoint disabled', attempts: 0, state: null });
});

test('is not held before the attempt of a worker that died is recorded', async () => {
  const id = await enqueue();
  await database.pool.query(
    `UPDATE herald.message SET status = 'sending', attempts = 1, leased_by = 'lost', lease_token = gen_random_uuid(), attempt_started_at = now() WHERE id = $1`,
    [id],
  );
  const held = { at: null, reason: 'gone', detail: 'endpoint disabled' } as const;
  await defer(held, async () => {
    const { rows } = await database.pool.query(
      `SELECT FROM herald.attempt WHERE message_id = $1 AND outcome = 'unknown'`,
      [id],
    );
    return rows.length === 1;
  });
});
