/** The same rules from SQL alone: triggers, psql, other languages. */
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readTemplates, shippedTemplatesFolder } from '../../src/templates/files.ts';
import { syncTemplates } from '../../src/templates/catalog.ts';
import { scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase();

beforeAll(async () => {
  await syncTemplates(database.pool, (await readTemplates(shippedTemplatesFolder)).sources);
});
beforeEach(() => database.pool.query('TRUNCATE herald.message, herald.attempt; DELETE FROM herald_queue.job'));

const trigger = readFileSync(new URL('../../examples/trigger.sql', import.meta.url), 'utf8');
const rows = async () =>
  (
    await database.pool.query(
      'SELECT m.*, n.data FROM herald.message m JOIN herald.notification n ON n.id = m.notification_id ORDER BY m.id',
    )
  ).rows;

function hasPsql(): boolean {
  try {
    execFileSync('psql', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function psql(script: string): Promise<{ out: string; err: string }> {
  return new Promise((resolve) => {
    const child = execFile('psql', [database.url, '-X', '-q', '-A', '-t', '-v', 'VERBOSITY=verbose'], (_, out, err) =>
      resolve({ out, err }),
    );
    child.stdin?.end(script);
  });
}

describe('the trigger example', () => {
  test('enqueues in the transaction that deletes; a worker that starts later delivers', async () => {
    await database.pool.query(trigger);
    await database.pool.query(
      `INSERT INTO shop.workspace VALUES ('w1', 'billing', 'ada', 'ada@example.com'), ('w2', 'payroll', 'ada', 'ada@example.com')`,
    );
    await database.pool.query(`BEGIN; DELETE FROM shop.workspace WHERE id = 'w2'; ROLLBACK`);
    await database.pool.query(`DELETE FROM shop.workspace WHERE id = 'w1'`);
    expect(await rows()).toMatchObject([
      {
        recipient_id: 'ada',
        targets: ['w1'],
        dedupe_key: 'workspace-deleted:w1',
        created_by: 'trigger shop.tell_owner',
        status: 'pending',
      },
    ]);
    const smtp = scriptedDispatcher();
    const worker = testWorker(database.url, { dispatchers: { smtp } });
    await worker.start();
    await until(async () => (await rows())[0].status === 'sent');
    await worker.stop();
    expect(smtp.deliveries[0]?.content.title).toBe('Workspace "billing" was deleted');
  });

  test.skipIf(!hasPsql())('works from psql alone', async () => {
    const { out, err } = await psql(`${trigger}
      INSERT INTO shop.workspace VALUES ('w3', 'psql', 'bob', 'bob@example.com');
      DELETE FROM shop.workspace WHERE id = 'w3';
      SELECT status FROM herald.message WHERE targets @> '{w3}';
      SELECT deduplicated FROM herald.enqueue('workspace-deleted', '{"id": "bob", "email": "bob@example.com"}', labels => '{"workspace": "x", "reason": "y", "initiator": "z"}', dedupe_key => 'workspace-deleted:w3');
      SELECT count(*) FROM herald.enqueue('{"template": "test-notification", "to": [{"id": "a", "email": "a@example.com"}, {"id": "b", "email": "b@example.com"}]}');
      SELECT answer FROM herald.cancel(target => 'w3');
      SELECT herald.enqueue('nope', '{"id": "bob"}');`);
    expect(out.trim().split('\n')).toEqual(['pending', 't', '2', 'cancelled']);
    expect(err).toMatch(/ERROR: {2}HE001: herald: unknown template "nope"[\s\S]*HINT: {2}Write templates\//);
  });
});

describe('errors from SQL', () => {
  const test1 = `'test-notification', '{"id": "a"}'`;
  test.each<[string, string, { code: string; column: string; message: RegExp }]>([
    [
      'an unknown template',
      `'nope', '{"id": "a"}'`,
      { code: 'HE001', column: 'template', message: /unknown template "nope"/ },
    ],
    ['no template', `NULL, '{"id": "a"}'`, { code: 'HE001', column: 'template', message: /template is wrong/ }],
    [
      'a missing label',
      `'workspace-deleted', '{"id": "a"}', labels => '{"workspace": "w"}'`,
      { code: 'HE002', column: 'labels.initiator', message: /needs the labels "initiator", "reason"/ },
    ],
    [
      'missing data',
      `'weekly-build-report', '{"id": "a"}', labels => '{"organization": "acme"}'`,
      { code: 'HE002', column: 'data.builds', message: /needs "builds", .* in its data/ },
    ],
    [
      'data without a field',
      `'weekly-build-report', '{"id": "a"}', labels => '{"organization": "acme"}', data => '{"builds": 3, "from": null, "to": null}'`,
      { code: 'HE002', column: 'data.failed', message: /needs "failed"/ },
    ],
    [
      'a label that is not a string',
      `'workspace-deleted', '{"id": "a"}', labels => '{"workspace": 5}'`,
      { code: 'HE002', column: 'labels.workspace', message: /is not a string/ },
    ],
    [
      'labels that are not an object',
      `'workspace-deleted', '{"id": "a"}', labels => '[]'`,
      { code: 'HE002', column: 'labels', message: /labels is wrong/ },
    ],
    ['no recipient', `'test-notification', NULL`, { code: 'HE003', column: 'to', message: /to is wrong/ }],
    [
      'a recipient that is a text',
      `'test-notification', '["ada"]'`,
      { code: 'HE003', column: 'to[0]', message: /to\[0\] must be an object/ },
    ],
    [
      'a recipient without an id',
      `'test-notification', '[{"id": "a"}, {}]'`,
      { code: 'HE003', column: 'to[1].id', message: /to\[1\]\.id must be one line/ },
    ],
    [
      'a bad address',
      `'test-notification', '{"id": "a", "email": "a b@example.com"}', invalid_address => 'reject'`,
      { code: 'HE003', column: 'to.email', message: /to\.email must be one plain address/ },
    ],
    [
      'a header in a name',
      `'test-notification', '{"id": "a", "name": "x\\nBcc: y"}'`,
      { code: 'HE003', column: 'to.name', message: /must be one line of 200/ },
    ],
    [
      'a name that is an object',
      `'test-notification', '{"id": "a", "name": {}}'`,
      { code: 'HE003', column: 'to.name', message: /must be one line of 200/ },
    ],
    [
      'an unknown field',
      `'test-notification', '{"id": "a", "password": "x"}'`,
      { code: 'HE003', column: 'to.password', message: /is not a known field/ },
    ],
    [
      'a recipient of great size',
      `'test-notification', jsonb_build_object('id', 'a', 'locale', repeat('x', 5000))`,
      { code: 'HE003', column: 'to', message: /larger than 4096 bytes/ },
    ],
    [
      'an unknown method',
      `'test-notification', '{"id": "a"}', methods => '{pigeon}'`,
      { code: 'HE004', column: 'methods', message: /unknown method "pigeon"/ },
    ],
    [
      'too large labels',
      `'test-notification', '{"id": "a"}', labels => jsonb_build_object('initiator', repeat('x', 300000))`,
      { code: 'HE005', column: '', message: /the limit is 262144/ },
    ],
    [
      'small values that are long as text',
      `jsonb_build_object('template', 'test-notification', 'to', '{"id": "a"}'::jsonb, 'labels', '{"initiator": "x"}'::jsonb,
        'data', (SELECT jsonb_agg(1e-16000) FROM generate_series(1, 20)))`,
      { code: 'HE005', column: '', message: /the limit is 262144/ },
    ],
    [
      'an unknown option',
      `'{"template": "test-notification", "to": {"id": "a"}, "lables": {}}'::jsonb`,
      { code: 'HE006', column: 'lables', message: /unknown option "lables"/ },
    ],
    ['a text instead of an object', `'"x"'::jsonb`, { code: 'HE006', column: '', message: /must be a JSON object/ }],
    ['nothing', `NULL::jsonb`, { code: 'HE006', column: '', message: /must be a JSON object/ }],
    [
      'an expiry before the time to send',
      `${test1}, send_at => now(), expires_at => now() - interval '1 s'`,
      { code: 'HE006', column: 'expiresAt', message: /would expire before/ },
    ],
    [
      'an endless time',
      `${test1}, send_at => 'infinity'`,
      { code: 'HE006', column: 'sendAt', message: /sendAt is wrong/ },
    ],
    [
      'a time that is none',
      `'{"template": "test-notification", "to": {"id": "a"}, "sendAt": "soon"}'::jsonb`,
      { code: 'HE006', column: 'sendAt', message: /sendAt is wrong/ },
    ],
    [
      'a negative delay',
      `${test1}, delay => '-1 s'`,
      { code: 'HE006', column: 'delaySeconds', message: /delaySeconds is wrong/ },
    ],
    [
      'a window without a key',
      `${test1}, dedupe_window => '1 h'`,
      { code: 'HE006', column: 'dedupeWindowSeconds', message: /dedupeWindowSeconds is wrong/ },
    ],
    [
      'a huge priority',
      `${test1}, priority => 100000`,
      { code: 'HE006', column: 'priority', message: /priority is wrong/ },
    ],
    [
      'an action that runs code',
      `${test1}, actions => '[{"label": "x", "url": "javascript:alert(1)"}]'`,
      { code: 'HE006', column: 'actions', message: /actions is wrong/ },
    ],
    [
      'targets that are not a list',
      `'{"template": "test-notification", "to": {"id": "a"}, "targets": "w"}'::jsonb`,
      { code: 'HE006', column: 'targets', message: /targets is wrong/ },
    ],
  ])('%s: a code, a place and a remedy, and nothing written', async (_, argumentsText, expected) => {
    const error = await database.pool
      .query(`SELECT herald.enqueue(${argumentsText})`)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: expected.code,
      message: expect.stringMatching(expected.message),
      hint: expect.stringMatching(/\.$/),
    });
    expect((error as { column?: string }).column ?? '').toBe(expected.column);
    expect(await rows()).toEqual([]);
  });

  test('no error repeats an address or a secret', async () => {
    for (const argumentsText of [
      `'password-reset', '{"id": "a", "email": "hunter2 @example.com"}', labels => '{}'`,
      `'password-reset', '{"id": "a"}', labels => '{"code": {"is": "hunter2"}, "url": 5}'`,
      `'test-notification', '{"hunter2@example.com": 1, "id": {"x": "hunter2"}}'`.replace(
        'hunter2@example.com',
        'mail',
      ),
    ]) {
      const error = await database.pool
        .query(`SELECT herald.enqueue(${argumentsText})`)
        .catch((thrown: unknown) => thrown);
      const { message, hint, detail, where } = error as Record<string, string>;
      expect([message, hint, detail, where].join(' ')).not.toContain('hunter2');
    }
  });
});

describe('the right to call', () => {
  test('objects that a caller slips into the search path are not used', async () => {
    const client = await database.pool.connect();
    await client.query(`CREATE SCHEMA evil; CREATE FUNCTION evil.jsonb_typeof(jsonb) RETURNS text LANGUAGE sql AS $$ SELECT 'object' $$;
      CREATE TABLE evil.template AS SELECT 'nope' AS name; SET search_path = evil, pg_catalog, public`);
    await expect(client.query(`SELECT herald.enqueue('nope', '{"id": "a"}'::jsonb)`)).rejects.toMatchObject({
      code: 'HE001',
    });
    await client.query('RESET search_path; DROP SCHEMA evil CASCADE');
    client.release();
  });

  test('a role that may call the functions may enqueue, cancel and set preferences, and read nothing', async () => {
    const role = `app_${database.name}`;
    const client = await database.pool.connect();
    try {
      await client.query(`CREATE ROLE ${role}; SET ROLE ${role}`);
      await expect(client.query(`SELECT herald.enqueue('test-notification', '{"id": "a"}')`)).rejects.toMatchObject({
        code: '42501',
      });
      await client.query(`RESET ROLE; GRANT USAGE ON SCHEMA herald TO ${role}; SET ROLE ${role}`);
      await expect(client.query(`SELECT herald.enqueue('test-notification', '{"id": "a"}')`)).rejects.toThrow(
        /permission denied for function enqueue/,
      );
      await client.query(`RESET ROLE; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA herald TO ${role}; SET ROLE ${role}`);
      const enqueued = await client.query(
        `SELECT status FROM herald.enqueue('test-notification', '{"id": "a", "email": "a@example.com"}', targets => '{w}')`,
      );
      expect(enqueued.rows).toEqual([{ status: 'pending' }]);
      expect((await client.query(`SELECT answer FROM herald.cancel(target => 'w')`)).rows).toEqual([
        { answer: 'cancelled' },
      ]);
      await client.query(`SELECT herald.set_preference('a', 'all', '', false)`);
      expect(
        (await client.query(`SELECT bool_or(enabled) AS some FROM herald.preferences('a') WHERE NOT mandatory`)).rows,
      ).toEqual([{ some: false }]);
      await expect(client.query('SELECT * FROM herald.message')).rejects.toMatchObject({ code: '42501' });
    } finally {
      await client.query(`RESET ROLE; DROP OWNED BY ${role}; DROP ROLE ${role}; DELETE FROM herald.preference`);
      client.release();
    }
  });
});

describe('values from SQL', () => {
  test('numbers become texts, null and empty fields are left out, null options count as absent', async () => {
    await database.pool.query(`SELECT herald.enqueue(jsonb_build_object('template', 'test-notification', 'data', NULL, 'sendAt', NULL, 'methods', NULL,
      'to', jsonb_build_object('id', 42, 'email', 'a@example.com', 'name', NULL, 'locale', '')))`);
    expect(await rows()).toMatchObject([
      { recipient_id: '42', recipient: { id: '42', email: 'a@example.com' }, data: null, method: 'smtp' },
    ]);
  });

  test('an array may be empty: a query that finds no recipients is not a mistake', async () => {
    expect((await database.pool.query(`SELECT * FROM herald.enqueue('test-notification', '[]')`)).rows).toEqual([]);
  });

  test('times and intervals mean what they say', async () => {
    await database.pool.query(
      `SELECT herald.enqueue('test-notification', '{"id": "a", "email": "a@example.com"}', delay => '1 hour', ttl => '2 hours', priority => 5, dedupe_key => 'k', dedupe_window => '1 day')`,
    );
    const found = await database.pool.query(
      `SELECT priority, extract(epoch FROM next_attempt_at - created_at)::int AS delay, extract(epoch FROM expires_at - next_attempt_at)::int AS ttl, dedupe_slot = 1 + floor(extract(epoch FROM created_at) / 86400) AS slot FROM herald.message`,
    );
    expect(found.rows).toEqual([{ priority: 5, delay: 3600, ttl: 7200, slot: true }]);
  });

  test('a bad address among many may be inhibited instead of refused', async () => {
    const { rows: answer } = await database.pool.query(
      `SELECT recipient_id, status, reason FROM herald.enqueue('test-notification', '[{"id": "a", "email": "x@@y"}, {"id": "b", "email": "b@example.com"}]', invalid_address => 'inhibit')`,
    );
    expect(answer).toEqual([
      { recipient_id: 'a', status: 'inhibited', reason: 'invalid_address' },
      { recipient_id: 'b', status: 'pending', reason: null },
    ]);
  });
});
