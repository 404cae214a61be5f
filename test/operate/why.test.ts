/** `why` is true in every state, and names the command that helps. */
import { beforeEach, describe, expect, test } from 'vitest';
import { cancel } from '../../src/enqueue/cancel.ts';
import { recordAudit } from '../../src/operate/audit.ts';
import {
  cancelMessages,
  discardMessages,
  holdMessages,
  releaseMessages,
  retryMessages,
} from '../../src/operate/message-actions.ts';
import { type MessageDetails, showMessage } from '../../src/operate/messages.ts';
import { pauseMethod, resumeMethod } from '../../src/operate/pause.ts';
import { explain } from '../../src/operate/why.ts';
import { greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';

const database = useDatabase({
  templates: { greeting: greetingFile, code: greetingFile.replace('---\n', '---\nsecrets: [who]\n') },
});
beforeEach(async () => {
  await database.pool.query('TRUNCATE herald.message, herald.worker, herald.audit');
  await resumeMethod(database.pool, { method: '*' });
});

async function enqueue(options = '{}', template = 'greeting'): Promise<string> {
  const { rows } = await database.pool.query<{ id: string }>(
    `SELECT message_id AS id FROM herald.enqueue(jsonb_build_object('template', $2::text, 'allowPlainSecrets', true, 'labels',
       '{"who": "x"}'::jsonb, 'to', '{"id": "user 7", "email": "ada@example.com"}'::jsonb) || $1::jsonb)`,
    [options, template],
  );
  return rows[0]?.id ?? '';
}
async function show(id: string): Promise<MessageDetails> {
  const message = await showMessage(database.pool, id);
  if (message === null) throw new Error('no such message');
  return message;
}
const why = async (id: string) => explain(await show(id), new Date());
const set = (id: string, fields: string) =>
  database.pool.query(`UPDATE herald.message SET ${fields} WHERE id = $1`, [id]);
const worker = (name: string, methods: string[], seen = 'now()') =>
  database.pool.query(`INSERT INTO herald.worker (name, methods, version, seen_at) VALUES ($1, $2, '0.1.0', ${seen})`, [
    name,
    methods,
  ]);
/** As if that many workers were connected. */
const connected = (message: MessageDetails, workers: number) => explain({ ...message, workers }, new Date());

describe('a pending message', () => {
  test('that no connected worker delivers says so, and which dispatcher is missing', async () => {
    const id = await enqueue('{"methods": ["webhook"]}');
    await worker('w1', ['smtp']);
    const { summary, remedy } = connected(await show(id), 1);
    expect(summary).toMatch(/^Not tried yet: due since .*, but no connected worker delivers webhook\.$/);
    expect(remedy).toBe(`Start a worker with a dispatcher for webhook, or: pg-herald cancel ${id}`);
    await worker('w2', ['webhook']);
    expect(connected(await show(id), 2)).toMatchObject({
      summary: expect.stringMatching(/A worker takes it as soon as one is free\.$/),
      remedy: null,
    });
  });

  test('does not count a worker that has not reported for a minute', async () => {
    const id = await enqueue('{"methods": ["webhook"]}');
    await worker('dead', ['webhook'], "now() - interval '2 minutes'");
    await worker('alive', ['smtp']);
    expect(connected(await show(id), 1).summary).toContain('no connected worker delivers webhook');
  });

  test('is resumed by the command for what is paused: everything, or its method', async () => {
    const id = await enqueue();
    await pauseMethod(database.pool, { method: '*', by: 'ada', why: 'move' });
    expect(await why(id)).toMatchObject({
      summary: expect.stringContaining('everything is paused since'),
      remedy: 'pg-herald resume',
    });
    await resumeMethod(database.pool, { method: '*' });
    await pauseMethod(database.pool, { method: 'smtp', by: 'ada', why: 'move' });
    expect(await why(id)).toMatchObject({
      summary: expect.stringContaining('the method smtp is paused since'),
      remedy: 'pg-herald resume smtp',
    });
  });

  test.each([
    ['504 5.5.2 <a1b2c3>: Helo command rejected: need fully-qualified hostname', /^Set HERALD_SMTP_EHLO_NAME to/],
    ['421-4.7.0 Try again later, closing connection. (EHLO)', /^Set HERALD_SMTP_EHLO_NAME to/],
    ['554 5.7.1 Relay access denied', /^Fix the cause of the pause\./],
  ])('paused by "%s" says what to change', async (detail, remedy) => {
    const id = await enqueue();
    await database.pool.query(
      `UPDATE herald.method SET paused_at = now(), pause_kind = 'fault', pause_reason = 'refused', pause_detail = $1
       WHERE name = 'smtp'`,
      [detail],
    );
    expect((await why(id)).remedy).toMatch(remedy);
    await resumeMethod(database.pool, { method: '*' });
  });
});

describe('what an operator did', () => {
  test('is in the story of a cancel, and an application that cancels is not an operator', async () => {
    const [first, second] = [await enqueue(), await enqueue()];
    await cancelMessages(database.pool, { ids: [first] }, { by: 'grace', why: 'wrong list' });
    expect((await why(first)).summary).toBe('Cancelled by grace (wrong list) before it was sent.');
    await cancel(database.pool, { ids: [second] });
    expect((await why(second)).summary).toBe('Cancelled before it was sent.');
    expect((await why(second)).timeline.map(({ what }) => what)).toContain('cancelled');
  });

  test('is in the story of a hold: it was never sent, and release is the way on', async () => {
    const id = await enqueue();
    await set(id, `status = 'failed', reason = 'refused', settled_at = now()`);
    await retryMessages(database.pool, [id]);
    await recordAudit(database.pool, { actor: 'grace', action: 'retry', subject: id });
    expect(await holdMessages(database.pool, [id], { by: 'grace', why: 'check it' })).toBe(1);
    await recordAudit(database.pool, { actor: 'grace', action: 'hold', subject: id, why: 'check it' });
    const { summary, remedy, timeline } = await why(id);
    expect(summary).toBe('Held by grace (check it). It waits until an operator releases it.');
    expect(remedy).toBe(`To send it, or never to send it: pg-herald release ${id}, or pg-herald discard ${id}`);
    expect(timeline.map(({ what }) => what)).toEqual([
      expect.stringMatching(/^enqueued by/),
      'retry by grace',
      'hold by grace (check it)',
    ]);
    expect(await releaseMessages(database.pool, [id])).toBe(1);
    expect((await show(id)).status).toBe('pending');
    expect(await releaseMessages(database.pool, [id])).toBe(0);
  });

  test('on many messages is told of each, too', async () => {
    const ids = [await enqueue(), await enqueue()];
    await holdMessages(database.pool, ids, { by: 'grace' });
    for (const id of ids) expect((await why(id)).summary).toMatch(/^Held by grace\./);
    await discardMessages(database.pool, ids, { by: 'ada', why: 'old' });
    for (const id of ids) expect((await why(id)).summary).toBe('Cancelled by ada (old) before it was sent.');
  });

  test('is not mixed with what a receiver said before', async () => {
    const id = await enqueue();
    await set(id, `detail = 'RCPT TO', reason = 'deferred', attempts = 1`);
    await cancel(database.pool, { ids: [id] });
    expect((await why(id)).summary).toBe('Cancelled after 1 attempt.');
  });

  test('is told as what it was: an action that changed nothing says so', async () => {
    const id = await enqueue();
    await recordAudit(database.pool, { actor: 'grace', action: 'retry', subject: id, detail: { count: 0 } });
    expect((await why(id)).timeline.map(({ what }) => what)).toContain('retry by grace: nothing changed');
  });
});

test('a message that was enqueued before the clock went back says so', async () => {
  await worker('w', ['smtp']);
  const id = await enqueue();
  expect((await why(id)).summary).not.toContain('clock');
  await set(id, `created_at = now() + interval '1 hour', next_attempt_at = now() + interval '1 hour'`);
  const { summary } = connected(await show(id), 1);
  expect(summary).toMatch(
    /^Not tried yet: due at .*, but it was enqueued later than now: the database's clock went back/,
  );
});

test('a scheduled message that was cancelled before its time was never allowed to be sent', async () => {
  const id = await enqueue('{"delaySeconds": 3600}');
  await cancel(database.pool, { ids: [id] });
  const { timeline } = await why(id);
  expect(timeline.map(({ what }) => what)).toEqual([expect.stringMatching(/^enqueued/), 'cancelled']);
});

test('a message of a default method that no worker delivers says so', async () => {
  await database.pool.query(
    `INSERT INTO herald.setting (key, value, updated_by) VALUES ('methods', '["webhook"]', 'test') ON CONFLICT (key)
     DO UPDATE SET value = excluded.value`,
  );
  const id = await enqueue();
  await database.pool.query(`DELETE FROM herald.setting WHERE key = 'methods'`);
  await worker('w1', ['smtp']);
  expect(await why(id)).toMatchObject({
    summary: expect.stringMatching(/^Not tried yet: due since .*, but no connected worker delivers webhook\.$/),
    remedy: `Start a worker with a dispatcher for webhook, or: pg-herald cancel ${id}`,
  });
});

test('a message in flight whose worker is gone says that another takes over', async () => {
  const id = await enqueue();
  await worker('w2', ['smtp']);
  await set(id, `status = 'sending', leased_by = 'w1', attempts = 1, attempt_started_at = now()`);
  expect((await why(id)).summary).toContain('That worker no longer reports');
  await set(id, `leased_by = 'w2'`);
  expect((await why(id)).summary).not.toContain('no longer reports');
});

describe('the remedy', () => {
  test.each<[string, string, RegExp]>([
    [
      'inhibited',
      'preference',
      /: pg-herald preferences set 'user 7' --template greeting --method smtp --on, then pg-herald retry ID$/,
    ],
    ['inhibited', 'default_off', /: pg-herald preferences set 'user 7' --template greeting --method smtp --on, then/],
    ['inhibited', 'suppressed', /pg-herald suppressions remove smtp ada@example\.com, then pg-herald retry ID$/],
    ['inhibited', 'template_disabled', /^pg-herald templates set greeting --enable, then pg-herald retry ID$/],
    ['inhibited', 'method_disabled', /^pg-herald methods enable smtp, then pg-herald retry ID$/],
    ['inhibited', 'no_address', /enqueue again/],
    ['inhibited', 'not_subscribed', /pg-herald endpoints add/],
    [
      'failed',
      'no_such_recipient',
      /^When the cause is fixed: pg-herald retry ID, or, if the address is wrong, correct it .* enqueue again/,
    ],
    ['failed', 'render_failed', /^Fix the template and enqueue again/],
    ['failed', 'refused', /^When the cause is fixed: pg-herald retry ID$/],
    ['expired', 'expired', /^If it still matters: pg-herald retry ID$/],
    ['held', 'worker_lost', /^Ask the recipient whether it arrived\..*pg-herald release ID, or pg-herald discard ID$/],
  ])('of a message that is %s for %s', async (status, reason, expected) => {
    const id = await enqueue();
    const settled = status === 'held' ? '' : ', settled_at = now()';
    await set(id, `status = '${status}', reason = '${reason}'${settled}`);
    expect((await why(id)).remedy?.replaceAll(id, 'ID')).toMatch(expected);
  });

  test('of a held message whose endpoint is disabled is to enable it, and it is not said to be uncertain', async () => {
    const id = await enqueue();
    const endpoint = '0199f3a0-7b1c-4000-8000-00000000002a';
    await set(id, `status = 'held', reason = 'endpoint_disabled', endpoint_id = '${endpoint}'`);
    expect(await why(id)).toMatchObject({
      summary: 'Held: its endpoint is disabled.',
      remedy: `When the receiver works again: pg-herald endpoints enable ${endpoint}`,
    });
  });

  test('of a message without its secret labels is never to retry it', async () => {
    for (const status of ['failed', 'expired', 'inhibited']) {
      const id = await enqueue('{}', 'code');
      await set(id, `status = '${status}', reason = 'refused', secrets = NULL, settled_at = now()`);
      const { remedy } = await why(id);
      expect(remedy).toMatch(/nqueue it again/);
      expect(remedy).not.toContain('pg-herald retry');
      expect((await retryMessages(database.pool, [id]))[0]?.retried).toBe(false);
    }
  });

  test('of a message whose person was erased is none', async () => {
    const id = await enqueue();
    await set(id, `status = 'failed', reason = 'refused', settled_at = now(), recipient_id = 'erased'`);
    expect((await why(id)).remedy).toBeNull();
  });
});
