import { beforeEach, describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { discardMessages } from '../../src/operate/message-actions.ts';
import { holdAfterRestore } from '../../src/operate/hold-after-restore.ts';
import { pauseMethod, listPauses, resumeMethod } from '../../src/operate/pause.ts';
import { runCli } from '../cli/support.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const herald = createHerald();
const since = new Date(Date.now() - 3_600_000);

/** One message per recipient, as the restore left them. */
const left: Readonly<Record<string, string>> = {
  due: `next_attempt_at = now() - interval '50 minutes'`,
  retried: `next_attempt_at = now() - interval '1 minute', attempts = 2, counted = 2, reason = 'deferred'`,
  later: `next_attempt_at = now() + interval '1 hour'`,
  under_way: `status = 'sending', attempts = 1, leased_by = 'w', attempt_started_at = now() - interval '61 minutes', next_attempt_at = now() - interval '61 minutes'`,
  sent: `status = 'sent', settled_at = now() - interval '62 minutes'`,
  held_before: `status = 'held', next_attempt_at = 'infinity'`,
};

beforeEach(async () => {
  await database.pool.query('TRUNCATE herald.message, herald.attempt, herald.audit');
  await database.pool.query('DELETE FROM herald_queue.job');
  await resumeMethod(database.pool, { method: '*' });
  await herald.enqueue(database.pool, greeting, {
    autocommit: true,
    to: [...Object.keys(left), 'new'].map((id) => ({ id, email: `${id}@example.com` })),
    labels: { who: 'Ada' },
  });
  for (const [id, state] of Object.entries(left))
    await database.pool.query(
      `UPDATE herald.message SET created_at = now() - interval '2 hours', ${state} WHERE recipient_id = '${id}'`,
    );
});

async function statuses(): Promise<Record<string, string>> {
  const { rows } = await database.pool.query('SELECT recipient_id, status, reason FROM herald.message');
  return Object.fromEntries(rows.map((row) => [row.recipient_id, [row.status, row.reason].filter(Boolean).join(' ')]));
}

const fenced = {
  due: 'held restored',
  retried: 'held restored',
  later: 'pending',
  under_way: 'held restored',
  sent: 'sent',
  held_before: 'held',
  new: 'pending',
};

describe('the fence after a restore', () => {
  test('holds what was due and is from before, and nothing else', async () => {
    expect(await holdAfterRestore(database.pool, { since, by: 'me', why: 'disk failure' })).toBe(3);
    expect(await statuses()).toEqual(fenced);
    expect(await holdAfterRestore(database.pool, { since, by: 'me', why: 'disk failure' })).toBe(0);
    expect(await listPauses(database.pool)).toEqual([]);
    const attempts = await database.pool.query('SELECT outcome, reason, counted FROM herald.attempt');
    expect(attempts.rows).toEqual([{ outcome: 'unknown', reason: 'restored', counted: false }]);
  });

  test('leaves pauses as they were', async () => {
    await pauseMethod(database.pool, { method: 'webhook', by: 'me', why: 'x' });
    await holdAfterRestore(database.pool, { since, by: 'me', why: 'disk failure' });
    expect((await listPauses(database.pool)).map((state) => state.method)).toEqual(['webhook']);
    await pauseMethod(database.pool, { method: '*', by: 'me', why: 'x' });
    await holdAfterRestore(database.pool, { since, by: 'me', why: 'disk failure' });
    expect((await listPauses(database.pool)).map((state) => state.method)).toEqual(['*', 'webhook']);
  });

  test('lets a worker deliver the rest, then what is released; what is discarded never goes', async () => {
    await holdAfterRestore(database.pool, { since, by: 'me', why: 'disk failure' });
    const smtp = scriptedDispatcher();
    const worker = testWorker(database.url, { dispatchers: { smtp } });
    await worker.start();
    await until(async () => expect(await statuses()).toEqual({ ...fenced, new: 'sent' }));
    const { rows } = await database.pool.query(`SELECT id FROM herald.message WHERE recipient_id IN ('due', 'sent')`);
    expect(
      await discardMessages(
        database.pool,
        rows.map((row) => row.id),
      ),
    ).toBe(1);
    const env = { DATABASE_URL: database.url };
    expect(await runCli(['release', '--where', 'reason=restored', '--yes', '--json'], env)).toMatchObject({
      out: expect.stringContaining('"released": 2'),
    });
    await until(async () =>
      expect(await statuses()).toEqual({
        ...fenced,
        new: 'sent',
        due: 'cancelled restored',
        retried: 'sent',
        under_way: 'sent',
      }),
    );
    await worker.stop();
    expect(smtp.deliveries.map((delivery) => delivery.recipient.id).toSorted()).toEqual([
      'new',
      'retried',
      'under_way',
    ]);
  });

  test('is a command that wants the moment with its zone, and is on record', async () => {
    const env = { DATABASE_URL: database.url, USER: 'ada' };
    expect(await runCli(['hold', '--since', '2026-11-24 09:30', '--yes'], env)).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^pg-herald: invalid time "2026-11-24 09:30": expected a time with a zone[^\n]*\n$/),
    });
    expect(
      await runCli(['hold', '--since', since.toISOString(), '--yes', '--json', '--why', 'disk failure'], env),
    ).toMatchObject({
      code: 0,
      out: expect.stringContaining('"held": 3'),
    });
    const audit = await database.pool.query('SELECT actor, action, why, detail FROM herald.audit');
    expect(audit.rows).toEqual([
      { actor: 'ada', action: 'hold', why: 'disk failure', detail: { since: since.toISOString(), count: 3 } },
    ]);
  });
});
