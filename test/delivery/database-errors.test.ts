/** What the worker does while its database is away, and for what others left behind. */
import { Client, Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { requeueOrphans } from '../../src/delivery/jobs/recover.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import {
  greeting,
  greetingFile,
  keepingLogger,
  putTemplates,
  scriptedDispatcher,
  testWorker,
} from '../support/application.ts';
import { createDatabase } from '../support/postgres/databases.ts';
import { type PostgresServer, startPostgres } from '../support/postgres/server.ts';
import { until } from '../support/wait.ts';

let server: PostgresServer;
let url: string;
let pool: Pool;
const herald = createHerald();

beforeAll(async () => {
  // With the settings of a real server: one that loses commits in a crash would send twice without knowing.
  server = await startPostgres();
  url = await createDatabase(server.url, { name: 'outage' });
  await migrate(url);
  pool = new Pool({ connectionString: url });
  pool.on('error', () => undefined);
  await putTemplates(pool, { greeting: greetingFile });
}, 60_000);
afterAll(async () => {
  await pool.end();
  await server.stop();
});
beforeEach(() => pool.query('TRUNCATE herald.message, herald.attempt; DELETE FROM herald_queue.job'));

const enqueue = (count: number) =>
  herald.enqueue(pool, greeting, {
    autocommit: true,
    to: Array.from({ length: count }, (_, i) => ({ id: `u${i}`, email: `u${i}@example.com` })),
    labels: { who: 'x' },
  });
const statuses = async () =>
  (await pool.query('SELECT status, count(*)::int AS n FROM herald.message GROUP BY status')).rows;
const allSent = (n: number) =>
  until(async () => JSON.stringify(await statuses()) === JSON.stringify([{ status: 'sent', n }]), {
    timeoutMs: 40_000,
    what: 'everything to be sent',
  });

describe('a worker', () => {
  test.each(['fast', 'immediate'] as const)(
    'continues automatically after a %s restart of the database, and loses nothing',
    { timeout: 90_000 },
    async (how) => {
      const logger = keepingLogger();
      const smtp = scriptedDispatcher(async () => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        return { outcome: 'sent' };
      });
      const worker = testWorker(url, { dispatchers: { smtp }, logger });
      await worker.start();
      await enqueue(200);
      await until(() => smtp.deliveries.length > 40);
      await server.restart(how);
      await until(() => enqueue(50), { timeoutMs: 20_000 });
      await allSent(250);
      await worker.stop();
      // What was in flight may have been settled by the retry of the statement, or taken over; both are on record.
      const twice = smtp.deliveries.length - new Set(smtp.deliveries.map((delivery) => delivery.messageId)).size;
      const unknown = await pool.query(`SELECT count(*)::int AS n FROM herald.attempt WHERE outcome = 'unknown'`);
      expect(twice).toBeLessThanOrEqual(unknown.rows[0].n);
      expect(logger.lines.filter((line) => line.level === 'error').length).toBeLessThan(100);
    },
  );

  test('survives that all its connections are cut, again and again', { timeout: 60_000 }, async () => {
    const smtp = scriptedDispatcher(async () => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      return { outcome: 'sent' };
    });
    const worker = testWorker(url, { dispatchers: { smtp } });
    await worker.start();
    await enqueue(300);
    const admin = new Client({ connectionString: server.url });
    await admin.connect();
    for (let i = 0; i < 5; i++) {
      const before = smtp.deliveries.length;
      await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pg-herald%'`,
      );
      await until(() => smtp.deliveries.length > before || smtp.deliveries.length >= 300, { timeoutMs: 20_000 });
    }
    await admin.end();
    await allSent(300);
    await worker.stop();
  });

  test('settles messages whose jobs died again and again with their workers', async () => {
    await enqueue(2);
    // As pg-boss leaves them: retries spent, the next death is the last.
    await pool.query(
      `UPDATE herald_queue.job SET state = 'active', retry_count = retry_limit, started_on = now() - interval '1 minute', heartbeat_on = now() - interval '1 minute' WHERE name = 'smtp'`,
    );
    await pool.query(
      `UPDATE herald.message SET status = 'sending', attempts = 1, leased_by = 'dead', attempt_started_at = now() WHERE recipient_id = 'u0'`,
    );
    const smtp = scriptedDispatcher();
    const worker = testWorker(url, { dispatchers: { smtp } });
    await worker.start();
    await until(async () => JSON.stringify(await statuses()) === JSON.stringify([{ status: 'failed', n: 2 }]), {
      timeoutMs: 30_000,
    });
    await worker.stop();
    expect((await pool.query('SELECT reason FROM herald.message')).rows).toEqual([
      { reason: 'worker_lost' },
      { reason: 'worker_lost' },
    ]);
    expect((await pool.query('SELECT worker, outcome FROM herald.attempt')).rows).toEqual([
      { worker: 'dead', outcome: 'unknown' },
    ]);
    expect(smtp.deliveries).toEqual([]);
  }, 45_000);

  test('gives messages that lost their job a new one, and leaves all others alone', async () => {
    await enqueue(3);
    await pool.query(`UPDATE herald.message SET next_attempt_at = now() - interval '1 hour'`);
    expect(await requeueOrphans(pool, ['smtp'])).toBe(0);
    await pool.query(
      `DELETE FROM herald_queue.job WHERE id = (SELECT id FROM herald.message WHERE recipient_id = 'u1')`,
    );
    expect(await requeueOrphans(pool, ['smtp'])).toBe(1);
    expect(await requeueOrphans(pool, ['smtp'])).toBe(0);
  });
});
