/** A message that is sent back on its way while the worker that settled it has not removed its job yet. */
import { Pool, type PoolClient } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../src/database/database.ts';
import { transaction } from '../../src/database/pool.ts';
import { openAttempts } from '../../src/delivery/begin.ts';
import { recordSettlements } from '../../src/delivery/settle.ts';
import type { LeasedJob, Queue } from '../../src/queue/queue.ts';
import { greetingFile } from '../support/application.ts';
import { openTestQueue, type TestQueue } from './open-queue.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const testDatabase = useDatabase({ templates: { greeting: greetingFile } });
let database: Database;
let opened: TestQueue;
let queue: Queue;
/** The operator's connection. */
let operator: Pool;
beforeAll(async () => {
  const connectionString = testDatabase.url;
  database = openDatabase(
    { connectionString, applicationName: 'worker', maxConnections: 2, prepare: true },
    () => undefined,
  );
  operator = new Pool({ connectionString });
  opened = await openTestQueue(connectionString);
  queue = opened.queue;
});
afterAll(async () => {
  await Promise.all([opened.close(), database.pool.end(), operator.end()]);
});
beforeEach(() => operator.query('TRUNCATE herald.message, herald.attempt; DELETE FROM herald_queue.job'));

const method = 'smtp';

/** A message that is leased. */
async function leased(): Promise<LeasedJob> {
  await operator.query(
    `SELECT herald.enqueue('greeting', '{"id": "ada", "email": "ada@example.com"}', '{"who": "Ada"}')`,
  );
  const [job] = await queue.lease(method, 1);
  if (job === undefined) throw new Error('nothing to lease');
  return job;
}

async function beginOne({ id }: LeasedJob, token = '00000000-0000-4000-8000-000000000001') {
  const [begun] = await openAttempts([id], { database, worker: 'w', token, maxAttempts: 5, isolated: false });
  return begun;
}

/** A message that its worker has settled; the job is still there. */
async function settled(status: 'sent' | 'failed' | 'held'): Promise<LeasedJob> {
  const job = await leased();
  const token = '00000000-0000-4000-8000-000000000002';
  await beginOne(job, token);
  const result = { outcome: 'unknown', reason: 'deadline', detail: 'slow' } as const;
  const decision = { status, counted: true, delaySeconds: 0 } as const;
  await recordSettlements([{ messageId: job.id, attempt: 1, token, result, decision, durationMs: 5 }], {
    database,
    worker: 'w',
  });
  return job;
}

const again = (name: 'retry' | 'replay', { id }: LeasedJob, client: Pool | PoolClient = operator) =>
  client.query(`SELECT retried FROM herald.${name}(ARRAY[$1::uuid])`, [id]);

/** A worker leases the job, and opens the attempt. */
async function expectDelivery({ id }: LeasedJob): Promise<void> {
  const [next] = await queue.lease(method, 1);
  expect(next?.id).toBe(id);
  expect(await beginOne(next ?? { id, retryCount: 0 })).toMatchObject({ disposition: 'open', message: { id } });
}

describe('a message that is pending again before its old job is removed keeps a job', () => {
  test.each([
    ['failed', 'retry'],
    ['held', 'retry'],
    ['sent', 'replay'],
  ] as const)('when it was %s, and %s was asked for', async (status, name) => {
    const job = await settled(status);
    expect((await again(name, job)).rows).toEqual([{ retried: true }]);
    await queue.remove(method, [job]);
    await expectDelivery(job);
  });

  test('when it had expired before an attempt', async () => {
    const job = await leased();
    await operator.query('UPDATE herald.message SET expires_at = now()');
    expect(await beginOne(job)).toMatchObject({ disposition: 'settled', status: 'expired' });
    await again('retry', job);
    await queue.remove(method, [job]);
    await expectDelivery(job);
  });

  test('when its worker would have written the job anew for a later time', async () => {
    const job = await settled('failed');
    await again('retry', job);
    await transaction(operator, (tx) =>
      queue.requeue(method, [{ ...job, priority: 0, startAfter: new Date(Date.now() + 3_600_000) }], tx),
    );
    await expectDelivery(job);
  });

  test('when the removal waits for the retry to commit', async () => {
    const job = await settled('failed');
    const client = await operator.connect();
    await client.query('BEGIN');
    await again('retry', job, client);
    const finishing = queue.remove(method, [job]);
    await lockIsAwaited('the removal');
    await client.query('COMMIT');
    client.release();
    await finishing;
    await expectDelivery(job);
  });

  test('when the retry waits for the removal to commit', async () => {
    const job = await settled('failed');
    const client = await operator.connect();
    await client.query('BEGIN');
    await client.query('DELETE FROM herald_queue.job WHERE id = $1', [job.id]);
    const retrying = again('retry', job);
    await lockIsAwaited('the retry');
    await client.query('COMMIT');
    client.release();
    await retrying;
    await expectDelivery(job);
  });
});

test('a job that is leased and whose attempt has not begun yet stays with its worker', async () => {
  const job = await leased();
  await operator.query('SELECT herald.ensure_jobs(ARRAY[$1::uuid])', [job.id]);
  expect(await queue.lease(method, 1)).toEqual([]);
  await beginOne(job);
  await operator.query('SELECT herald.ensure_jobs(ARRAY[$1::uuid])', [job.id]);
  expect(await queue.lease(method, 1)).toEqual([]);
  expect(await queue.heartbeat(method, [job])).toEqual([]);
});

async function lockIsAwaited(what: string): Promise<void> {
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  await until(async () => (await testDatabase.pool.query(waiting)).rowCount === 1, { what: `${what} to wait` });
}
