/** Messages that workers delete automatically, and a person that is erased on request, while deliveries go on. */
import { beforeEach, describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { erase } from '../../src/operate/erase.ts';
import { applyRetention, readRetention, setRetention } from '../../src/operate/retention.ts';
import { suppress } from '../../src/operate/suppressions.ts';
import { runCli } from '../cli/support.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({
  templates: {
    greeting: greetingFile,
    invoice: greetingFile.replace('Greetings', 'Billing'),
    note: greetingFile.replace('Greetings', 'Notes'),
  },
});
const herald = createHerald();

beforeEach(async () => {
  await database.pool.query(
    'TRUNCATE herald.message, herald.notification, herald.attempt, herald.attachment, herald.audit, herald.setting, herald.preference, herald.suppression, herald.endpoint',
  );
  await database.pool.query('DELETE FROM herald_queue.job');
});

const to = (...ids: string[]) => ids.map((id) => ({ id, email: `${id}@example.com`, name: `Name of ${id}` }));
const attachments = [{ name: 'a.txt', contentType: 'text/plain', content: Buffer.from('secret') }];
const count = async (what: string) =>
  Number((await database.pool.query(`SELECT count(*) AS n FROM ${what}`)).rows[0].n);

describe('retention', () => {
  /** Three messages of each template, settled 10 and 100 days ago and not at all, with an attempt and a file each. */
  async function fill(): Promise<void> {
    for (const name of ['greeting', 'invoice', 'note'])
      for (const days of [10, 100, null]) {
        const [message] = await herald.enqueue(
          database.pool,
          { ...greeting, name },
          { autocommit: true, to: to(`u${days}`), labels: { who: 'x' }, attachments },
        );
        await database.pool.query(
          `UPDATE herald.message SET created_at = now() - interval '101 days', status = CASE WHEN $2::int IS NULL THEN 'held' ELSE 'sent' END,
             settled_at = now() - $2::int * interval '1 day' WHERE id = $1`,
          [message?.id, days],
        );
        await database.pool.query(
          `INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, counted) VALUES ($1, 1, 'w', now(), now(), 'sent', true)`,
          [message?.id],
        );
      }
  }

  const left = async () =>
    (
      await database.pool.query(
        `SELECT m.template || ' ' || coalesce(round(extract(epoch FROM now() - m.settled_at) / 86400)::text, m.status) AS line FROM herald.message m ORDER BY 1`,
      )
    ).rows.map((row) => row.line);

  test('keeps everything until the operator says otherwise', async () => {
    await fill();
    expect(await applyRetention(database.pool)).toBe(0);
    expect(await count('herald.message')).toBe(9);
  });

  test('deletes by group, with attempts and files, and never what is not settled', async () => {
    await fill();
    await setRetention(database.pool, { group: '*', days: 90, by: 'me' });
    await setRetention(database.pool, { group: 'Billing', days: null, by: 'me' });
    await setRetention(database.pool, { group: 'Notes', days: 5, by: 'me' });
    expect(await readRetention(database.pool)).toEqual({ '*': 90, Billing: null, Notes: 5 });
    expect(await applyRetention(database.pool)).toBe(3);
    expect(await left()).toEqual([
      'greeting 10',
      'greeting held',
      'invoice 10',
      'invoice 100',
      'invoice held',
      'note held',
    ]);
    expect(await count('herald.attempt')).toBe(6);
    expect(await count('herald.attachment')).toBe(6);
    expect(await setRetention(database.pool, { group: 'Billing', days: undefined, by: 'me' })).toEqual({
      '*': 90,
      Notes: 5,
    });
    expect(await applyRetention(database.pool)).toBe(1);
  });

  test('is applied by workers, one at a time', async () => {
    await fill();
    const holder = await database.pool.connect();
    await setRetention(database.pool, { group: '*', days: 1, by: 'me' });
    await holder.query('BEGIN; SELECT pg_advisory_xact_lock(4720190818)');
    expect(await applyRetention(database.pool)).toBe(0);
    await holder.query('COMMIT');
    holder.release();
    const worker = testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() } });
    await worker.start();
    await until(async () => (await count('herald.message')) === 3, { timeoutMs: 15_000 });
    await worker.stop();
  });

  test('is set and listed by commands, and on record', async () => {
    const env = { DATABASE_URL: database.url, USER: 'ada' };
    expect(await runCli(['retention', 'set', '--keep', '1h'], env)).toMatchObject({
      code: 2,
      err: expect.stringContaining('a day or more'),
    });
    expect(await runCli(['retention', 'set', '--group', 'Billing', '--keep', '30d', '--json'], env)).toMatchObject({
      code: 0,
      out: '{\n  "groups": {\n    "Billing": 30\n  },\n  "inbox": 90\n}\n',
    });
    const inbox = await runCli(['retention', 'set', '--inbox', '--keep', '30d', '--table'], env);
    expect(inbox.out).toMatch(/items of inboxes +30 days/);
    expect(await runCli(['retention', 'set', '--inbox', '--group', 'Billing', '--forever'], env)).toMatchObject({
      code: 2,
    });
    expect((await database.pool.query('SELECT actor, action, subject, detail FROM herald.audit')).rows).toEqual([
      { actor: 'ada', action: 'retention set', subject: 'Billing', detail: { keep: '30 days' } },
      { actor: 'ada', action: 'retention set inbox', subject: 'inbox', detail: { keep: '30 days' } },
    ]);
  });
});

describe('erasing a person', () => {
  async function everything(): Promise<string> {
    const tables = [
      'message',
      'notification',
      'attempt',
      'attachment',
      'preference',
      'suppression',
      'inbox',
      'audit',
      'endpoint',
    ];
    const rows = await Promise.all(tables.map((table) => database.pool.query(`SELECT * FROM herald.${table}`)));
    return JSON.stringify(rows.map((result) => result.rows));
  }

  async function fill(): Promise<void> {
    await herald.enqueue(database.pool, greeting, {
      autocommit: true,
      to: to('ada', 'bob'),
      labels: { who: 'label of ada' },
      data: { of: 'ada' },
      targets: ['workspace-1'],
      dedupeKey: 'hello:ada',
      attachments,
    });
    await herald.enqueue(database.pool, greeting, {
      autocommit: true,
      to: to('ada'),
      labels: { who: 'ada' },
      targets: ['ada', 'workspace-2'],
      attachments,
    });
    await herald.enqueue(database.pool, greeting, {
      autocommit: true,
      to: to('ada'),
      labels: { who: 'ada' },
      methods: ['webhook'],
    });
    await database.pool.query(
      `UPDATE herald.message SET status = 'failed', reason = 'refused', detail = 'ada', settled_at = now() WHERE method = 'webhook'`,
    );
    await database.pool.query(
      `INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, counted, reply_text) SELECT id, 1, 'w', now(), now(), 'failed', true, 'no ada here' FROM herald.message WHERE method = 'webhook'`,
    );
    await suppress(database.pool, { method: 'smtp', address: 'ada@example.com', reason: 'operator' });
    await herald.setPreference(database.pool, { recipientId: 'ada', enabled: false });
    for (const owner of ['ada', 'bob', null])
      await database.pool.query(
        `INSERT INTO herald.endpoint (name, recipient_id, groups, url_host, sealed) VALUES ($1, $2, '{}', $3, 'x')`,
        [`Hook of ${owner}`, owner, `${owner}.example`],
      );
  }

  test('leaves counts and nothing of her; others keep theirs', async () => {
    await fill();
    expect(await erase(database.pool, { recipientId: 'ada' })).toEqual({ erased: 3, cancelled: 2, inFlight: 0 });
    const { rows } = await database.pool.query(
      `SELECT recipient_id, status, reason, targets FROM herald.message WHERE recipient_id <> 'bob' ORDER BY status, targets`,
    );
    expect(rows).toEqual([
      { recipient_id: 'erased', status: 'cancelled', reason: 'cancelled', targets: ['workspace-1'] },
      { recipient_id: 'erased', status: 'cancelled', reason: 'cancelled', targets: ['workspace-2'] },
      { recipient_id: 'erased', status: 'failed', reason: 'refused', targets: [] },
    ]);
    // Bob's copy keeps its labels and its file, and he his endpoint.
    expect(await count('herald.endpoint')).toBe(2);
    expect(await count('herald.attachment')).toBe(1);
    await erase(database.pool, { recipientId: 'bob' });
    expect(await everything()).not.toMatch(/ada|bob/);
    expect(await count('herald.attachment')).toBe(0);
    expect(await count(`herald_queue.job WHERE name = 'smtp'`)).toBe(0);
    const again = await database.pool.query(
      'SELECT bool_or(retried) AS any FROM herald.retry(ARRAY(SELECT id FROM herald.message))',
    );
    expect(again.rows).toEqual([{ any: false }]);
  });

  test('goes by address, too, and says what is on its way', async () => {
    await fill();
    await database.pool.query(
      `UPDATE herald.message SET status = 'sending', leased_by = 'w', attempts = 1, attempt_started_at = now() WHERE attachments > 0 AND dedupe_key IS NULL`,
    );
    const env = { DATABASE_URL: database.url };
    expect(await runCli(['erase', '--address', 'Ada@example.com', '--yes', '--json'], env)).toMatchObject({
      code: 1,
      out: '{\n  "erased": 1,\n  "cancelled": 1,\n  "inFlight": 1\n}\n',
    });
    const audit = await database.pool.query('SELECT * FROM herald.audit');
    expect(audit.rows).toMatchObject([
      { action: 'erase', subject: null, detail: { by: 'address', erased: 1, cancelled: 1, inFlight: 1 } },
    ]);
    expect(JSON.stringify(audit.rows)).not.toContain('example.com');
    expect(await runCli(['erase', '--yes'], env)).toMatchObject({ code: 2 });
  });
});
