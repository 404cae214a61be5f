/** Each role can do its part, and nothing else. */
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyRoles } from '../../src/database/roles.ts';
import { createItems } from '../../src/inbox/items.ts';
import { openDatabase } from '../../src/database/database.ts';
import { createConnectionLimits } from '../../src/dispatch/smtp/connection-limits.ts';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { migrate } from '../../src/database/migrate.ts';
import { transaction } from '../../src/database/pool.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { listAudit, recordAudit } from '../../src/operate/audit.ts';
import { discardMessages, holdMessages, retryMessages } from '../../src/operate/message-actions.ts';
import { listMessages, showMessage } from '../../src/operate/messages.ts';
import { pauseMethod, resumeMethod } from '../../src/operate/pause.ts';
import { suppress, unsuppress } from '../../src/operate/suppressions.ts';
import { readGauges } from '../../src/operate/gauges.ts';
import { readStatus } from '../../src/operate/status.ts';
import {
  brand,
  greeting,
  greetingFile,
  keepingLogger,
  scriptedDispatcher,
  testWorker,
} from '../support/application.ts';
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
    const [message] = await herald.enqueue(app, greeting, { autocommit: true, ...ada, delaySeconds: 3600 });
    expect(await transaction(app, (tx) => herald.cancel(tx, { ids: [message?.id ?? ''] }))).toMatchObject([
      { answer: 'cancelled' },
    ]);
    await herald.setPreference(app, { recipientId: 'ada', template: 'greeting', enabled: true });
    expect(await herald.preferencesOf(app, 'ada')).toMatchObject([{ template: 'greeting', enabled: true }]);
    await herald.setQuietHours(app, { recipientId: 'ada', windows: [{ from: '00:00', to: '24:00' }] });
    expect(await herald.quietHoursOf(app, { recipientId: 'ada' })).toMatchObject({ scope: 'recipient' });
    await app.query(`SELECT herald.next_open('ada', NULL, NULL)`);
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

  test("cannot slip them into the trigger that runs at COMMIT, in PostgreSQL 18 with the owner's rights", async () => {
    await database.pool.query(`CREATE SCHEMA thief AUTHORIZATION herald_enqueuer`);
    const client = await poolAs('herald_enqueuer').connect();
    try {
      await client.query(`CREATE TABLE thief.stolen (who text); GRANT USAGE ON SCHEMA thief TO PUBLIC; GRANT ALL ON thief.stolen TO PUBLIC;
        CREATE FUNCTION thief.current_setting(text, boolean) RETURNS text LANGUAGE sql AS $$ INSERT INTO thief.stolen SELECT current_user RETURNING who $$;
        CREATE FUNCTION thief.statement_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ INSERT INTO thief.stolen SELECT current_user RETURNING 'epoch'::timestamptz $$;
        SET search_path = thief, pg_catalog`);
      await client.query('BEGIN');
      await client.query(
        `SELECT herald.enqueue('{"template": "greeting", "to": {"id": "t", "email": "t@example.com"}, "labels": {"who": "T"}, "delaySeconds": 3600}'::jsonb)`,
      );
      await client.query('COMMIT');
      expect((await client.query('SELECT * FROM thief.stolen')).rows).toEqual([]);
    } finally {
      client.release(true);
      await database.pool.query('DROP SCHEMA thief CASCADE');
    }
  });

  test("and others: every function that may run with the owner's rights fixes its search_path", async () => {
    const { rows } = await database.pool.query(
      `SELECT p.oid::regprocedure::text FROM pg_proc p
       WHERE p.pronamespace = 'herald'::regnamespace AND (p.prosecdef OR p.prorettype = 'trigger'::regtype)
         AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)`,
    );
    expect(rows).toEqual([]);
  });
});

describe('who shows inboxes', () => {
  test('lists, counts, marks and follows the items of a reader, and sets preferences', async () => {
    const [message] = await createHerald().enqueue(poolAs('herald_enqueuer'), greeting, {
      ...{ autocommit: true, to: { id: 'ina' }, labels: { who: 'Ina' }, methods: ['inbox'] },
    });
    const app = poolAs('herald_inbox');
    const items = createItems({ brand });
    const page = await items.list(app, { recipientId: 'ina' });
    expect(page).toMatchObject({ items: [{ id: message?.id, title: 'Hello Ina' }], unread: 1 });
    const { rows } = await app.query('SELECT recipient_ids FROM herald.inbox_changed($1)', [page.token]);
    expect(rows).toEqual([{ recipient_ids: [] }]);
    expect((await app.query(`SELECT unread FROM herald.inbox_news('{ina}', '{null}', '{null}')`)).rows).toEqual([
      { unread: '1' },
    ]);
    expect(await items.mark(app, { recipientId: 'ina', as: 'read', asOf: page.token })).toMatchObject({ changed: 1 });
    await createHerald().setPreference(app, { recipientId: 'ina', method: 'inbox', enabled: false });
    expect(await items.count(poolAs('herald_operator'), { recipientId: 'ina' })).toEqual({ unread: 0, unseen: 0 });
  });

  test.each([
    'SELECT * FROM herald.inbox',
    'SELECT * FROM herald.message',
    'DELETE FROM herald.inbox',
    `SELECT herald.deliver_item(gen_random_uuid())`,
    `SELECT herald.insert_items('{}', '{}', 'x')`,
    `SELECT herald.enqueue('{}'::jsonb)`,
  ])('cannot: %s', async (statement) => {
    await expect(poolAs('herald_inbox').query(statement)).rejects.toMatchObject(denied);
  });

  test('an enqueuer cannot read what it wrote', async () => {
    await expect(poolAs('herald_enqueuer').query(`SELECT herald.inbox_page('ada')`)).rejects.toMatchObject(denied);
    await expect(
      poolAs('herald_enqueuer').query(`SELECT herald.mark('ada', 'read', target => 'x')`),
    ).rejects.toMatchObject(denied);
  });
});

describe('a worker', () => {
  test('looks at what metrics say about the whole database', async () => {
    const { pool, ...rest } = openDatabase(
      { connectionString: urlAs('herald_worker'), applicationName: 'x', maxConnections: 1, prepare: true },
      () => undefined,
    );
    const first = await readGauges({ pool, ...rest }, { seenUntil: null, lagSeconds: 0 });
    await createHerald().enqueue(database.pool, greeting, { autocommit: true, ...ada, delaySeconds: 3600 });
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
      const [message] = await createHerald().enqueue(database.pool, greeting, { ...ada, autocommit: true });
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

  test('keeps pauses, refusals, rate limits and connection limits of email senders', async () => {
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
      await createHerald().enqueue(database.pool, greeting, { autocommit: true, to, labels: { who: 'R' } });
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

  test.each([
    'DELETE FROM herald.message',
    `UPDATE herald.template SET enabled = false`,
    'DROP TABLE herald.attempt',
    `UPDATE herald.message SET recipient = '{}'`,
    `UPDATE herald.message SET address = 'thief@example.com'`,
    `UPDATE herald.notification SET labels = '{}'`,
    `UPDATE herald.endpoint SET sealed = 'x'`,
    `INSERT INTO herald_queue.bam (name, version, status, table_name, command) VALUES ('x', 1, 'pending', 'job', 'GRANT x TO y')`,
    `UPDATE herald_queue.queue SET table_name = 'bam'`,
    `SELECT herald_queue.job_table_run_async('x', 1, 'GRANT x TO y', 'job')`,
    `SELECT herald.erase('ada')`,
    `SELECT herald.insert_jobs('{}', '{}', '{}', '{}')`,
  ])('cannot: %s', async (statement) => {
    await expect(poolAs('herald_worker').query(statement)).rejects.toMatchObject(denied);
  });
});

describe('an operator', () => {
  const waiting = async (id: string) =>
    (
      await createHerald().enqueue(database.pool, greeting, {
        autocommit: true,
        to: { id, email: `${id}@example.com` },
        labels: { who: 'O' },
        delaySeconds: 3600,
      })
    )[0]?.id ?? '';
  const statusOf = async (id: string) =>
    (await database.pool.query('SELECT status FROM herald.message WHERE id = $1', [id])).rows[0].status;

  test('holds, discards, retries and cancels messages', async () => {
    const operator = poolAs('herald_operator');
    const [held, cancelled] = [await waiting('o1'), await waiting('o2')];
    expect(await holdMessages(operator, [held])).toBe(1);
    expect(await discardMessages(operator, [held])).toBe(1);
    expect(await statusOf(held)).toBe('cancelled');
    expect(await transaction(operator, (tx) => createHerald().cancel(tx, { ids: [cancelled] }))).toMatchObject([
      { answer: 'cancelled' },
    ]);
    await database.pool.query(`UPDATE herald.message SET status = 'failed', settled_at = now() WHERE id = $1`, [held]);
    expect(await retryMessages(operator, [held])).toMatchObject([{ retried: true }]);
  });

  test('pauses and resumes, suppresses, disables templates, and leaves a record of it', async () => {
    const operator = poolAs('herald_operator');
    await pauseMethod(operator, { method: 'webhook', by: 'ada', why: 'test' });
    expect((await readStatus(operator)).pauses).toMatchObject([{ method: 'webhook', kind: 'operator' }]);
    await resumeMethod(operator, { method: 'webhook' });
    await suppress(operator, { method: 'smtp', address: 'gone@example.com', reason: 'operator' });
    expect(await unsuppress(operator, { method: 'smtp', address: 'gone@example.com' })).toBe(true);
    await operator.query(`UPDATE herald.template SET enabled = true WHERE name = 'greeting'`);
    await recordAudit(operator, { actor: 'ada', action: 'pause', subject: 'webhook' });
    expect(await listAudit(operator)).toMatchObject([{ actor: 'ada', action: 'pause' }]);
  });

  test.each([
    'SELECT secrets FROM herald.message',
    'SELECT content FROM herald.attachment',
    `UPDATE herald.message SET recipient = '{}'`,
    'DELETE FROM herald.message',
    'DELETE FROM herald.audit',
    `UPDATE herald.audit SET actor = 'another operator'`,
    `UPDATE herald.template_version SET body = ''`,
    'DELETE FROM herald_queue.bam',
    `SELECT herald.erase('ada')`,
    'CREATE TABLE herald.mine ()',
  ])('cannot: %s', async (statement) => {
    await expect(poolAs('herald_operator').query(statement)).rejects.toMatchObject(denied);
  });
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
    'SELECT erased_key FROM herald.method',
    'SELECT content FROM herald.attachment',
    `UPDATE herald.message SET status = 'sent'`,
    `SELECT herald.enqueue('{}'::jsonb)`,
  ])('cannot: %s', async (statement) => {
    await expect(poolAs('herald_reader').query(statement)).rejects.toMatchObject(denied);
  });
});

/** What a role may do to each table (of some columns in brackets), and which functions it may call. */
async function rightsOf(role: string): Promise<string[]> {
  const { rows } = await database.pool.query<{ line: string }>(
    `WITH granted AS (
       SELECT c.relnamespace::regnamespace || '.' || c.relname AS name, p.privilege,
         has_table_privilege($1, c.oid, p.privilege) AS whole,
         ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           AND p.privilege NOT IN ('DELETE', 'TRUNCATE', 'TRIGGER') AND has_column_privilege($1, c.oid, a.attnum, p.privilege)
           ORDER BY a.attname) AS columns
       FROM pg_class c, unnest('{INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p (privilege)
       WHERE c.relnamespace IN ('herald'::regnamespace, 'herald_meta'::regnamespace, 'herald_queue'::regnamespace)
         AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relname !~ '^j[0-9a-f]{10,}'
     )
     SELECT CASE WHEN whole THEN privilege || ' ' || name ELSE privilege || ' ' || name || ' (' || array_to_string(columns, ' ') || ')' END AS line
     FROM granted WHERE whole OR columns <> '{}'
     UNION ALL
     SELECT 'EXECUTE ' || p.oid::regproc FROM pg_proc p
     WHERE p.pronamespace IN ('herald'::regnamespace, 'herald_queue'::regnamespace) AND has_function_privilege($1, p.oid, 'EXECUTE')
     ORDER BY 1`,
    [role],
  );
  return [...new Set(rows.map(({ line }) => line))];
}

describe('over every table and function, may write and call nothing but this:', () => {
  test('an enqueuer', async () => {
    expect(await rightsOf('herald_enqueuer')).toEqual([
      'EXECUTE herald.acknowledge',
      'EXECUTE herald.allow_again',
      'EXECUTE herald.cancel',
      'EXECUTE herald.cancel_with_deleted',
      'EXECUTE herald.current_template',
      'EXECUTE herald.enqueue',
      'EXECUTE herald.hours_of',
      'EXECUTE herald.next_open',
      'EXECUTE herald.preferences',
      'EXECUTE herald.resubscribe',
      'EXECUTE herald.secret_labels',
      'EXECUTE herald.set_group',
      'EXECUTE herald.set_hours',
      'EXECUTE herald.set_preference',
      'EXECUTE herald.stopped_methods',
      'EXECUTE herald.subscription',
      'EXECUTE herald.tenant_brand',
      'EXECUTE herald.try_hours',
      'EXECUTE herald.try_preference',
      'EXECUTE herald.unsubscribe',
    ]);
  });

  test('who shows inboxes', async () => {
    expect(await rightsOf('herald_inbox')).toEqual([
      'EXECUTE herald.inbox_changed',
      'EXECUTE herald.inbox_count',
      'EXECUTE herald.inbox_news',
      'EXECUTE herald.inbox_page',
      'EXECUTE herald.inbox_texts',
      'EXECUTE herald.mark',
      'EXECUTE herald.preferences',
      'EXECUTE herald.set_preference',
      'EXECUTE herald.try_preference',
    ]);
  });

  test('a reader', async () => {
    expect(await rightsOf('herald_reader')).toEqual([
      'EXECUTE herald.choice_at',
      'EXECUTE herald.choice_of',
      'EXECUTE herald.hours_of',
      'EXECUTE herald.inbox_count',
      'EXECUTE herald.inbox_page',
      'EXECUTE herald.inbox_texts',
      'EXECUTE herald.known_zone',
      'EXECUTE herald.message_quiet_hours',
      'EXECUTE herald.next_open',
      'EXECUTE herald.preference_of',
      'EXECUTE herald.preferences',
      'EXECUTE herald.suppressed_forms',
      'EXECUTE herald_queue.job_now',
    ]);
  });

  test('a worker', async () => {
    const rights = await rightsOf('herald_worker');
    const tables = rights.filter((right) => !right.startsWith('EXECUTE')).map((right) => right.split(' (')[0]);
    expect(tables).toEqual([
      'DELETE herald.rate_bucket',
      'DELETE herald.refusal',
      'DELETE herald.worker',
      'DELETE herald_queue.instance',
      'DELETE herald_queue.job',
      'DELETE herald_queue.job_common',
      'DELETE herald_queue.job_dependency',
      'DELETE herald_queue.warning',
      ...['attempt', 'rate_bucket', 'refusal', 'sender', 'worker'].map((name) => `INSERT herald.${name}`),
      ...['job', 'job_common', 'job_dependency', 'warning'].map((name) => `INSERT herald_queue.${name}`),
      ...['attempt', 'endpoint', 'message', 'method', 'rate_bucket', 'refusal', 'sender', 'worker'].map(
        (name) => `UPDATE herald.${name}`,
      ),
      ...['instance', 'job', 'job_common', 'job_dependency', 'queue', 'version'].map(
        (name) => `UPDATE herald_queue.${name}`,
      ),
    ]);
    const [message] = rights.filter((right) => right.startsWith('UPDATE herald.message ('));
    for (const column of ['recipient', 'recipient_id', 'address', 'template', 'tenant', 'created_by', 'targets'])
      expect(message).not.toMatch(new RegExp(`[( ]${column}[ )]`));
    expect(rights.filter((right) => right.startsWith('EXECUTE'))).toEqual(
      [
        ...[
          'apply_retention',
          'bring_forward',
          'choice_of',
          'count_dead',
          'delete_old_refusals',
          'deliver_item',
          'enqueue',
          'ensure_jobs',
          'erased_address',
          'is_needless',
          'message_quiet_until',
          'preference_of',
        ],
        ...[
          'push_steps',
          'put_back_refused',
          'readdress',
          'record_accepted',
          'record_reports',
          'release_refused',
          'reported_message',
        ],
        'suppression_of',
      ]
        .map((name) => `EXECUTE herald.${name}`)
        .concat('EXECUTE herald_queue.job_now'),
    );
  });

  test('an operator', async () => {
    const rights = await rightsOf('herald_operator');
    expect(rights.filter((right) => /^(INSERT|UPDATE|DELETE) herald_/.test(right))).toEqual([
      'DELETE herald_queue.job',
      'DELETE herald_queue.job_common',
    ]);
    expect(
      rights.filter((right) => /herald\.(audit|attempt|notification|template_version|attachment)\b/.test(right)),
    ).toEqual(['INSERT herald.audit (action actor at detail id subject why)']);
    expect(rights.filter((right) => right.startsWith('EXECUTE herald.'))).toEqual(
      [
        'bring_forward',
        'cancel',
        'choice_at',
        'choice_of',
        'current_template',
        'enqueue',
        'hours_of',
        'inbox_count',
        'inbox_page',
        'inbox_texts',
        'known_zone',
        'lift_suppression',
        'message_quiet_hours',
        'next_open',
        'preference_of',
        'preferences',
        'release_refused',
        'replay',
        'retry',
        'secret_labels',
        'set_hours',
        'set_preference',
        'suppressed_forms',
        'try_hours',
        'try_preference',
        'uuid_v7',
      ].map((name) => `EXECUTE herald.${name}`),
    );
  });
});

test('a queue that is created later is open to the worker, after migrate alone', async () => {
  await migrate(database.url, { methods: ['sms'] });
  const worker = poolAs('herald_worker');
  const { rows } = await worker.query(`SELECT table_name FROM herald_queue.queue WHERE name = 'sms'`);
  await worker.query(`DELETE FROM herald_queue.${rows[0].table_name}`);
});

test('migrate refuses to execute a command that pg-boss did not write', async () => {
  await database.pool.query(
    `INSERT INTO herald_queue.bam (name, version, status, table_name, command) VALUES ('x', 1, 'pending', 'job', 'GRANT a TO b')`,
  );
  await expect(migrate(database.url)).rejects.toThrow(/bam holds a command that pg-boss did not write/);
  await database.pool.query('DELETE FROM herald_queue.bam');
});
