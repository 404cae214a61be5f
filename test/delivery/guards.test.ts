/** The application's last word before a message is sent: asked in every attempt, and never guessed. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Worker } from '../../src/delivery/worker.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { examineGuards, examineRecipientGuard } from '../../src/operate/doctor/guards.ts';
import { showMessage } from '../../src/operate/messages.ts';
import { readStatus } from '../../src/operate/status.ts';
import { explain } from '../../src/operate/why.ts';
import {
  greeting,
  greetingFile,
  keepingLogger,
  putTemplates,
  scriptedDispatcher,
  testWorker,
} from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const plain = { ...greeting, name: 'plain' };
const exempt = { ...greeting, name: 'exempt' };

const database = useDatabase({
  prepare: async (pool) => {
    await pool.query(`
      CREATE SCHEMA app;
      CREATE TABLE app.workspace (id text PRIMARY KEY, deleting boolean NOT NULL DEFAULT true);
      CREATE TABLE app.person (id text PRIMARY KEY, state text, email text);
      CREATE FUNCTION app.write() RETURNS text VOLATILE LANGUAGE sql AS
        $$ INSERT INTO app.workspace VALUES ('written') RETURNING NULL::text $$;
      CREATE FUNCTION app.may_notify(recipient_id text, targets text[], labels jsonb, data jsonb) RETURNS text
      STABLE LANGUAGE plpgsql AS $$
      DECLARE
        found app.workspace;
      BEGIN
        IF labels ->> 'who' = 'write' THEN
          RETURN app.write();
        ELSIF labels ->> 'who' = 'sleep' THEN
          PERFORM pg_catalog.pg_sleep(5);
        ELSIF recipient_id = 'poison' THEN
          RAISE EXCEPTION 'cannot take it';
        END IF;
        SELECT * INTO found FROM app.workspace w WHERE w.id = targets[1];
        RETURN CASE WHEN found.id IS NULL THEN 'workspace deleted' WHEN NOT found.deleting THEN data ->> 'words' END;
      END $$;
      CREATE FUNCTION app.recipient_state(recipient_ids text[])
      RETURNS TABLE (id text, reason text, email text, name text, locale text) STABLE LANGUAGE sql AS $$
        SELECT i, CASE WHEN p.id IS NULL THEN 'person deleted' ELSE p.state END, p.email, NULL::text, NULL::text
        FROM pg_catalog.unnest(recipient_ids) i LEFT JOIN app.person p ON p.id = i
      $$`);
    const guarded = greetingFile.replace('group:', 'guard: app.may_notify\ngroup:');
    await putTemplates(pool, {
      greeting: guarded,
      plain: greetingFile,
      exempt: greetingFile.replace('group:', 'recipientGuard: false\ngroup:'),
    });
  },
});
const herald = createHerald();
let workers: Worker[] = [];

beforeEach(() =>
  database.pool.query(`TRUNCATE herald.message, herald.attempt, herald.suppression, app.workspace, app.person;
    DELETE FROM herald_queue.job; INSERT INTO app.workspace VALUES ('42');
    INSERT INTO app.person (id) VALUES ('ada'), ('bob'), ('poison')`),
);
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  workers = [];
});

type Named = Omit<typeof greeting, 'name'> & { readonly name: string };

interface Asked {
  readonly ids?: readonly string[];
  readonly template?: Named;
  readonly who?: string;
  readonly words?: string;
}

async function enqueue({ ids = ['ada'], template = greeting, who = 'Ada', words = 'not planned' }: Asked = {}) {
  return herald.enqueue(database.pool, template, {
    autocommit: true,
    to: ids.map((id) => ({ id, email: `${id}@example.com` })),
    labels: { who },
    data: { words },
    targets: ['42'],
  });
}

/** Starts a worker, with what it logs and delivers. */
async function start(options: Parameters<typeof testWorker>[1] = {}) {
  const smtp = scriptedDispatcher();
  const logger = keepingLogger();
  const worker = testWorker(database.url, { dispatchers: { smtp }, logger, ...options });
  workers.push(worker);
  await worker.start();
  return { ...logger, deliveries: smtp.deliveries };
}

async function messages() {
  const { rows } = await database.pool.query(
    `SELECT recipient_id AS id, status, reason, detail, attempts, counted FROM herald.message ORDER BY recipient_id`,
  );
  return rows;
}

const untilAll = (status: string) =>
  until(async () => {
    const all = await messages();
    return all.length > 0 && all.every((message) => message.status === status) && all;
  });
const untilUnanswered = () =>
  until(async () => (await messages()).find(({ status, reason }) => status === 'pending' && reason === 'guard_failed'));
const jobs = async () => (await database.pool.query('SELECT id FROM herald_queue.job')).rowCount;

describe('the guard of a template', () => {
  test('sends a message about which it says nothing, and other templates are not asked about', async () => {
    await enqueue();
    await enqueue({ template: plain, ids: ['poison'] });
    const { deliveries } = await start();
    await untilAll('sent');
    expect(deliveries).toHaveLength(2);
  });

  test('inhibits a message with the words of the application, redacted, if it turns after the enqueue', async () => {
    await enqueue({ words: 'kept by Ada@Example.com\nyesterday' });
    await database.pool.query('UPDATE app.workspace SET deleting = false');
    const { deliveries } = await start();
    expect(await untilAll('inhibited')).toEqual([
      expect.objectContaining({ reason: 'guard', detail: 'kept by [...] yesterday', attempts: 0, counted: 0 }),
    ]);
    expect(deliveries).toEqual([]);
    await until(async () => (await jobs()) === 0);
  });

  test('is asked again after an operator retries the message', async () => {
    const [message] = await enqueue();
    await database.pool.query('DELETE FROM app.workspace');
    await start();
    await untilAll('inhibited');
    await database.pool.query(`INSERT INTO app.workspace VALUES ('42')`);
    await database.pool.query('SELECT herald.retry($1)', [[message?.id]]);
    expect(await untilAll('sent')).toEqual([expect.objectContaining({ attempts: 1, reason: null, detail: null })]);
  });

  test('holds up nobody but the message that it cannot take, which waits without being counted', async () => {
    const ids = Array.from({ length: 15 }, (_, i) => `user-${i}`);
    await enqueue({ ids: [...ids, 'poison'] });
    const { lines } = await start();
    const poisoned = await untilUnanswered();
    expect(poisoned).toMatchObject({ id: 'poison', attempts: 0, counted: 0 });
    expect(poisoned?.detail).toBe('the guard app.may_notify did not answer (P0001)');
    await until(async () => (await messages()).filter(({ status }) => status === 'sent').length === ids.length);
    expect(
      (
        await database.pool.query(`SELECT FROM herald.attempt a JOIN herald.message m ON m.id = a.message_id
      WHERE m.recipient_id = 'poison'`)
      ).rowCount,
    ).toBe(0);
    expect(lines.filter(({ message }) => message === 'cannot ask the guard app.may_notify')).toHaveLength(1);
  });

  test.each([
    ['takes longer than half a second', 'sleep', '57014'],
    ['writes', 'write', '25006'],
  ])('that %s gives no answer', async (_, who, code) => {
    await enqueue({ who });
    const { deliveries, lines } = await start();
    expect((await untilUnanswered())?.detail).toContain(code);
    expect(deliveries).toEqual([]);
    expect(lines.map(({ message }) => message).join()).not.toMatch(/database is/);
  });

  test('that waits for a lock gives no answer until the lock is gone', async () => {
    await enqueue();
    const other = await database.pool.connect();
    try {
      await other.query('BEGIN; LOCK TABLE app.workspace');
      await start();
      expect((await untilUnanswered())?.detail).toMatch(/55P03|57014/);
      await other.query('ROLLBACK');
      await database.pool.query(`SELECT herald.bring_forward('smtp')`);
      await untilAll('sent');
    } finally {
      await other.query('ROLLBACK');
      other.release();
    }
  });

  test('that has given no answer for an hour holds the message, and says so everywhere', async () => {
    const [message] = await enqueue({ ids: ['poison'] });
    await start();
    await untilUnanswered();
    await database.pool.query(`UPDATE herald.message SET uncounted_since = now() - interval '61 minutes'`);
    await database.pool.query(`SELECT herald.bring_forward('smtp')`);
    expect(await untilAll('held')).toEqual([expect.objectContaining({ reason: 'guard_failed', attempts: 0 })]);
    await until(async () => (await jobs()) === 0);

    const details = await showMessage(database.pool, message?.id ?? '');
    if (details === null) throw new Error('the message is gone');
    expect(explain(details, new Date())).toMatchObject({
      summary: expect.stringMatching(/^Held: the template's guard did not answer/),
      remedy: expect.stringContaining('pg-herald doctor'),
    });
    expect((await readStatus(database.pool)).methods.find(({ method }) => method === 'smtp')?.guardFailed).toBe(1);
    expect(await examineGuards(database.pool)).toEqual([
      expect.objectContaining({ level: 'problem', text: expect.stringContaining('did not answer for 1 (P0001)') }),
      expect.objectContaining({ level: 'problem', text: expect.stringContaining('of which 1 are held') }),
    ]);
  });

  test('that is gone holds nothing up but its own template, and the doctor names it', async () => {
    await database.pool.query('ALTER FUNCTION app.may_notify(text, text[], jsonb, jsonb) RENAME TO other');
    try {
      await enqueue();
      await enqueue({ template: plain, ids: ['bob'] });
      await start();
      expect((await untilUnanswered())?.detail).toContain('42883');
      await until(async () => (await messages()).some(({ id, status }) => id === 'bob' && status === 'sent'));
      expect(await examineGuards(database.pool)).toContainEqual(
        expect.objectContaining({ level: 'problem', text: expect.stringContaining('there is no function') }),
      );
    } finally {
      await database.pool.query('ALTER FUNCTION app.other(text, text[], jsonb, jsonb) RENAME TO may_notify');
    }
  });

  test('answers the doctor about the newest messages', async () => {
    await enqueue({ ids: ['ada', 'bob'] });
    expect(await examineGuards(database.pool)).toEqual([
      expect.objectContaining({
        level: 'ok',
        text: expect.stringMatching(/asked about 2 messages .* answered in \d+ ms; 0 would/),
      }),
    ]);
  });
});

describe('the recipient guard of a worker', () => {
  const recipientGuard = 'app.recipient_state';

  test('inhibits what goes to people who are suspended or gone, of every template but those that opt out', async () => {
    await database.pool.query(`UPDATE app.person SET state = 'suspended' WHERE id = 'bob'`);
    await enqueue({ template: plain, ids: ['ada', 'bob', 'nobody'] });
    await enqueue({ template: exempt, ids: ['bob'] });
    const { deliveries } = await start({ recipientGuard });
    await until(async () => (await messages()).every(({ status }) => ['sent', 'inhibited'].includes(status)));
    expect((await messages()).map(({ id, status, detail }) => [id, status, detail])).toEqual([
      ['ada', 'sent', null],
      ['bob', expect.anything(), expect.toBeOneOf([null, 'suspended'])],
      ['bob', expect.anything(), expect.toBeOneOf([null, 'suspended'])],
      ['nobody', 'inhibited', 'person deleted'],
    ]);
    expect(deliveries.map(({ template, recipient }) => `${template.name} ${recipient.id}`).toSorted()).toEqual([
      'exempt bob',
      'plain ada',
    ]);
  });

  test('brings the address of now, which the message has from then on', async () => {
    await database.pool.query(`UPDATE app.person SET email = 'New@example.com' WHERE id = 'ada'`);
    await enqueue({ ids: ['ada', 'bob'] });
    const { deliveries } = await start({ recipientGuard });
    await untilAll('sent');
    expect(deliveries.map(({ recipient }) => recipient.email ?? '').toSorted()).toEqual([
      'New@example.com',
      'bob@example.com',
    ]);
    const { rows } = await database.pool.query(`SELECT address FROM herald.message WHERE recipient_id = 'ada'`);
    expect(rows).toEqual([{ address: 'new@example.com' }]);
  });

  test.each([
    ['suppressed', 'dead@example.com'],
    ['invalid_address', 'not an address'],
  ])('sends nothing to a new address that is %s', async (reason, email) => {
    await database.pool.query(`INSERT INTO herald.suppression (method, address, reason, suppressed_at)
      VALUES ('smtp', 'dead@example.com', 'no_such_recipient', now())`);
    await database.pool.query(`UPDATE app.person SET email = $1 WHERE id = 'ada'`, [email]);
    await enqueue();
    const { deliveries } = await start({ recipientGuard });
    expect(await untilAll('inhibited')).toEqual([expect.objectContaining({ reason })]);
    expect(deliveries).toEqual([]);
  });

  test('is asked before the guard of the template, and an error of it is no answer either', async () => {
    await enqueue();
    const other = await database.pool.connect();
    try {
      await other.query('BEGIN; LOCK TABLE app.person');
      await start({ recipientGuard });
      expect((await untilUnanswered())?.detail).toMatch(
        /^the guard app\.recipient_state did not answer \((55P03|57014)\)$/,
      );
    } finally {
      await other.query('ROLLBACK');
      other.release();
    }
    expect(await examineRecipientGuard(database.pool, recipientGuard)).toEqual([
      expect.objectContaining({ level: 'ok' }),
    ]);
  });

  test('must exist before the worker starts', async () => {
    const dispatchers = { smtp: scriptedDispatcher() };
    await expect(start({ recipientGuard: 'app.nothing' })).rejects.toThrow(
      'recipientGuard: there is no function app.nothing(text[])',
    );
    expect(() => testWorker(database.url, { dispatchers, recipientGuard: 'app.nothing()' })).toThrow(
      /must be schema\.function/,
    );
    await expect(start({ recipientGuard: 'app.write' })).rejects.toThrow(/only app\.write\(\)/);
  });
});
