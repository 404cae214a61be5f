/** The same rules from SQL alone: triggers, psql, other languages. */
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readTemplates, shippedTemplatesFolder } from '../../src/templates/files.ts';
import { syncTemplates } from '../../src/templates/catalog.ts';
import { scriptedDispatcher, testWorker } from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { until } from '../support/wait.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  await syncTemplates(database.pool, (await readTemplates(shippedTemplatesFolder)).sources);
});
beforeEach(() => database.pool.query('TRUNCATE herald.message, herald.attempt; DELETE FROM herald_queue.job'));
afterAll(() => database.close());

const trigger = readFileSync(new URL('../../examples/trigger.sql', import.meta.url), 'utf8');
const rows = async () => (await database.pool.query('SELECT * FROM herald.message ORDER BY id')).rows;

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
  test('enqueues in the transaction of whoever deletes; a worker that starts later delivers', async () => {
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
    expect(err).toMatch(/ERROR: {2}HE001: herald\.enqueue: unknown template "nope"[\s\S]*HINT: {2}Write templates\//);
  });
});

describe('errors from SQL', () => {
  test.each<[string, string, { code: string; column: string; message: RegExp }]>([
    [
      'an unknown template',
      `'nope', '{"id": "a"}'`,
      { code: 'HE001', column: 'template', message: /unknown template "nope"/ },
    ],
    [
      'a missing label',
      `'workspace-deleted', '{"id": "a"}', labels => '{"workspace": "w"}'`,
      { code: 'HE002', column: 'labels.initiator', message: /needs the label "initiator"/ },
    ],
    [
      'a label that is no string',
      `'workspace-deleted', '{"id": "a"}', labels => '{"workspace": 5}'`,
      { code: 'HE002', column: 'labels.workspace', message: /is not a string/ },
    ],
    [
      'labels that are no object',
      `'workspace-deleted', '{"id": "a"}', labels => '[]'`,
      { code: 'HE002', column: 'labels', message: /must be an object/ },
    ],
    [
      'a recipient without an id',
      `'test-notification', '[{"id": "a"}, {}]'`,
      { code: 'HE003', column: 'to[1]', message: /recipient 2 has no id/ },
    ],
    [
      'a bad address',
      `'test-notification', '{"id": "a", "email": "a b@example.com"}'`,
      { code: 'HE003', column: 'to', message: /not one plain address/ },
    ],
    [
      'a header in a name',
      `'test-notification', '{"id": "a", "name": "x\\nBcc: y"}'`,
      { code: 'HE003', column: 'to', message: /control characters/ },
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
      'an unknown option',
      `'{"template": "test-notification", "to": {"id": "a"}, "lables": {}}'::jsonb`,
      { code: 'HE006', column: 'lables', message: /unknown option "lables"/ },
    ],
    [
      'an expiry in the past',
      `'test-notification', '{"id": "a"}', expires_at => now() - interval '1 s'`,
      { code: 'HE006', column: 'expiresAt', message: /would expire before/ },
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
});
