/** Each role can do its part, and nothing else. */
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyRoles } from '../../src/database/roles.ts';
import { openDatabase } from '../../src/database/statements.ts';
import { createConnectionLimits } from '../../src/dispatch/smtp/connection-limits.ts';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { listMessages, showMessage } from '../../src/operate/messages.ts';
import { readGauges } from '../../src/operate/gauges.ts';
import { readStatus } from '../../src/operate/status.ts';
import { greeting, greetingFile, keepingLogger, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const pools: Pool[] = [];

/** The same database with the rights of a role. */
function urlAs(role: string): string {
  const url = new URL(database.url);
  url.searchParams.set('options', `-c role=${role}`);
  return url.href;
}
function poolAs(role: string): Pool {
  const pool = new Pool({ connectionString: urlAs(role), max: 2 });
  pools.push(pool);
  return pool;
}

beforeAll(async () => {
  await applyRoles(database.url);
  await applyRoles(database.url);
});
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
});

const ada = { to: { id: 'ada', email: 'ada@example.com' }, labels: { who: 'Ada' } };
const denied = { code: '42501' };

describe('an enqueuer', () => {
  test('enqueues, cancels, sets and reads preferences', async () => {
    const herald = createHerald();
    const app = poolAs('herald_enqueuer');
    const [message] = await herald.enqueue(app, greeting, { ...ada, delaySeconds: 3600 });
    expect(await herald.cancel(app, { ids: [message?.id ?? ''] })).toMatchObject([{ answer: 'cancelled' }]);
    await herald.setPreference(app, { recipientId: 'ada', template: 'greeting', enabled: true });
    expect(await herald.preferencesOf(app, 'ada')).toMatchObject([{ template: 'greeting', enabled: true }]);
    await app.query(
      `SELECT * FROM herald.enqueue('greeting', '{"id": "b", "email": "b@example.com"}', '{"who": "B"}', delay => '1 hour')`,
    );
  });

  test.each([
    'SELECT * FROM herald.message',
    `INSERT INTO herald.message (id) VALUES (gen_random_uuid())`,
    'SELECT * FROM herald_queue.job',
    'SELECT * FROM herald.endpoint',
    `SELECT herald.retry('{}')`,
    `SELECT herald.ensure_jobs('{}')`,
    'DROP FUNCTION herald.cancel',
  ])('cannot: %s', async (statement) => {
    await expect(poolAs('herald_enqueuer').query(statement)).rejects.toMatchObject(denied);
  });

  test("cannot slip objects of its own into the owner's functions", async () => {
    const app = poolAs('herald_enqueuer');
    const client = await app.connect();
    try {
      // What a careless function would call instead of the real one, with the owner's rights.
      await client.query(`CREATE TEMP TABLE template (name text); CREATE TEMP TABLE stolen (who text);
        CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql AS $$ INSERT INTO stolen SELECT current_user RETURNING 'epoch'::timestamptz $$;
        CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE sql AS $$ INSERT INTO stolen SELECT current_user RETURNING 'x' $$;
        CREATE FUNCTION pg_temp.jsonb_typeof(jsonb) RETURNS text LANGUAGE sql AS $$ INSERT INTO stolen SELECT current_user RETURNING 'x' $$;
        SET search_path = pg_temp, pg_catalog, herald`);
      const { rows } = await client.query(
        `SELECT status FROM herald.enqueue('{"template": "greeting", "to": {"id": "c", "email": "c@example.com"}, "labels": {"who": "C"}, "delaySeconds": 3600}'::jsonb)`,
      );
      expect(rows).toEqual([{ status: 'pending' }]);
      expect((await client.query('SELECT * FROM pg_temp.stolen')).rows).toEqual([]);
    } finally {
      client.release(true);
    }
  });
});

describe('a worker', () => {
  test('looks at what metrics say about the whole database', async () => {
    const { pool, ...rest } = openDatabase(
      { connectionString: urlAs('herald_worker'), applicationName: 'x', maxConnections: 1, prepare: true },
      () => undefined,
    );
    const first = await readGauges({ pool, ...rest }, { seenUntil: null, lagSeconds: 0 });
    await createHerald().enqueue(database.pool, greeting, { ...ada, delaySeconds: 3600 });
    const { enqueued, methods } = await readGauges({ pool, ...rest }, { seenUntil: first.seenUntil, lagSeconds: 0 });
    await pool.end();
    expect(enqueued).toEqual([{ method: 'smtp', reason: null, count: 1 }]);
    expect(methods.map(({ method }) => method)).toContain('smtp');
  });

  test('delivers, retries and pauses', async () => {
    let failures = 0;
    const scripted = scriptedDispatcher(() =>
      failures++ === 0
        ? { outcome: 'retry', reason: 'deferred', detail: '451' }
        : failures === 2
          ? { outcome: 'retry', reason: 'unreachable', detail: 'away', pauseMethod: true }
          : { outcome: 'sent' },
    );
    const logger = keepingLogger();
    const worker = testWorker(urlAs('herald_worker'), { dispatchers: { smtp: scripted }, logger });
    await worker.start();
    try {
      const [message] = await createHerald().enqueue(database.pool, greeting, ada);
      await until(
        async () => {
          await database.pool.query(`UPDATE herald.method SET probe_at = now() WHERE pause_kind = 'fault'`);
          await database.pool.query(
            `UPDATE herald.message SET next_attempt_at = now() WHERE status = 'pending' AND attempts > 0`,
          );
          await database.pool.query(
            `SELECT herald.ensure_jobs(ARRAY(SELECT id FROM herald.message WHERE status = 'pending' AND attempts > 0))`,
          );
          return (
            (await database.pool.query(`SELECT FROM herald.message WHERE id = $1 AND status = 'sent'`, [message?.id]))
              .rowCount === 1
          );
        },
        { timeoutMs: 20_000, intervalMs: 200 },
      );
    } finally {
      await worker.stop();
    }
    const errors = logger.lines.filter(
      ({ level, message }) => level === 'error' && !message.startsWith('method paused'),
    );
    expect(errors).toEqual([]);
  }, 40_000);

  test('keeps pauses, refusals, rate limits and connection limits of mail senders', async () => {
    const strict = await startSmtpServer({ onMessage: () => ({ code: 550, text: '5.7.1 no' }) });
    const relay = await startSmtpServer();
    const sender = { host: '127.0.0.1', tls: 'none', from: { address: 'noreply@acme.example' } } as const;
    const logger = keepingLogger();
    const worker = testWorker(urlAs('herald_worker'), {
      dispatchers: {
        smtp: smtp({
          senders: [
            { ...sender, name: 'strict', port: strict.port, maxConnections: 1 },
            { ...sender, name: 'other', port: relay.port, messagesPerSecond: 100 },
          ],
        }),
      },
      logger,
    });
    await worker.start();
    try {
      const to = Array.from({ length: 6 }, (_, i) => ({ id: `r${i}`, email: `r${i}@example.com` }));
      await createHerald().enqueue(database.pool, greeting, { to, labels: { who: 'R' } });
      await relay.waitFor(6, { timeoutMs: 20_000 });
      const limits = createConnectionLimits();
      await limits.start({ pool: poolAs('herald_worker'), method: 'smtp', logger }, []);
      limits.remember('strict', 2);
      await limits.close();
      expect((await readStatus(poolAs('herald_reader'))).senders).toMatchObject([
        { name: 'strict', reason: 'content_refused', maxConnections: 2 },
      ]);
    } finally {
      await worker.stop();
      await Promise.all([strict.close(), relay.close()]);
    }
    const errors = logger.lines.filter(({ level }) => level === 'error').map(({ message }) => message);
    expect(errors).toEqual(['sender paused: it is at fault; it is probed and resumes automatically']);
  }, 40_000);

  test.each(['DELETE FROM herald.message', `UPDATE herald.template SET enabled = false`, 'DROP TABLE herald.attempt'])(
    'cannot: %s',
    async (statement) => {
      await expect(poolAs('herald_worker').query(statement)).rejects.toMatchObject(denied);
    },
  );
});

describe('a reader', () => {
  test('sees messages and the state of things', async () => {
    const reader = poolAs('herald_reader');
    const [line] = await listMessages(reader, {}, { limit: 1 });
    expect(await showMessage(reader, line?.id ?? '')).toMatchObject({ template: 'greeting' });
    expect((await readStatus(reader)).methods.length).toBeGreaterThan(0);
  });

  test.each([
    'SELECT secrets FROM herald.message',
    'SELECT sealed FROM herald.endpoint',
    'SELECT content FROM herald.attachment',
    `UPDATE herald.message SET status = 'sent'`,
    `SELECT herald.enqueue('{}'::jsonb)`,
  ])('cannot: %s', async (statement) => {
    await expect(poolAs('herald_reader').query(statement)).rejects.toMatchObject(denied);
  });
});
