/** Quiet hours defer and never skip: at enqueue, in every attempt, and when they change. */
import { beforeEach, describe, expect, test } from 'vitest';
import * as v from 'valibot';
import { transaction } from '../../src/database/pool.ts';
import { type Opening, openAttempts } from '../../src/delivery/begin.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import type { Notification } from '../../src/enqueue/notification.ts';
import type { OpenWindow } from '../../src/enqueue/quiet-hours.ts';
import { examineTimeZones } from '../../src/operate/doctor/time-zones.ts';
import { erase } from '../../src/operate/erase.ts';
import { holdMessages, retryMessages } from '../../src/operate/message-actions.ts';
import { showMessage } from '../../src/operate/messages.ts';
import { setMethodQuietHours } from '../../src/operate/quiet-hours.ts';
import { readStatus } from '../../src/operate/status.ts';
import { explain } from '../../src/operate/why.ts';
import { defineTemplate, type Template } from '../../src/templates/define.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';
import { issuesOf } from './support.ts';

const withHeader = (line: string) => greetingFile.replace('group:', `${line}\ngroup:`);
const database = useDatabase({
  templates: {
    greeting: greetingFile,
    must: withHeader('mandatory: true'),
    dropped: withHeader('quiet: drop'),
  },
});
const named = (name: string) => defineTemplate({ name, labels: v.object({ who: v.string() }) });
const herald = createHerald();
const ada = { id: 'ada', email: 'ada@example.com', timeZone: 'Asia/Kathmandu' };

beforeEach(async () => {
  await database.pool.query(
    `TRUNCATE herald.message, herald.attempt, herald.notification, herald.hours; DELETE FROM herald_queue.job`,
  );
});

const minute = 60_000;
const hour = 60 * minute;
/** From now on, on the clock of Kathmandu, which is 5:45 ahead all year. */
const clock = (fromNow: number) => new Date(Date.now() + fromNow + 5.75 * hour).toISOString().slice(11, 16);
/** Open from and to these moments, every day. */
const open = (from: number, to: number): OpenWindow[] => [{ from: clock(from), to: clock(to) }];
/** Closed for two hours to come: what waits is due then, at the full minute. */
const closed = () => open(2 * hour, 3 * hour);
const always: OpenWindow[] = [{ from: '00:00', to: '24:00' }];
const forAll = (windows: readonly OpenWindow[] | null) => herald.setQuietHours(database.pool, { windows });

const enqueue = (options: object = {}, template: Template = greeting) =>
  herald.enqueue(database.pool, template, {
    autocommit: true,
    to: ada,
    labels: { who: 'Ada' },
    ...options,
  } as Notification<Template> & { autocommit: true });
const outcome = async (options: object = {}, template: Template = greeting) =>
  (await enqueue(options, template)).map(({ method, status, reason }) => `${method} ${status} ${reason}`);

async function stored(id: string | undefined) {
  const { rows } = await database.pool.query(
    `SELECT m.status, m.reason, m.next_attempt_at AS next, m.quiet_until AS quiet, j.start_after AS job
     FROM herald.message m LEFT JOIN herald_queue.job j ON j.id = m.id WHERE m.id = $1`,
    [id],
  );
  return rows[0];
}
/** The end of the quiet hours of `closed()`, give or take the minute that the clock shows. */
function expectEnd(time: Date, from = 2 * hour): void {
  expect(Math.abs(time.getTime() - Date.now() - from)).toBeLessThanOrEqual(2 * minute);
  expect(time.getTime() % minute).toBe(0);
}

const begin = async (id: string | undefined): Promise<Opening | undefined> => {
  const { pool } = database;
  const run = async <Row>(statement: { readonly text: string }, values: readonly unknown[]) =>
    (await pool.query(statement.text, [...values])).rows as Row[];
  const options = { database: { pool, run }, worker: 'w', token: crypto.randomUUID(), maxAttempts: 3, isolated: false };
  return (await openAttempts([id ?? ''], options))[0];
};
const why = async (id: string | undefined) => {
  const message = await showMessage(database.pool, id ?? '');
  if (message === null) throw new Error('no such message');
  return { message, ...explain(message, new Date()) };
};

describe('enqueue', () => {
  test('writes a message that waits until the recipient may be reached, and its job', async () => {
    await forAll(closed());
    const [message] = await enqueue();
    expect(message).toMatchObject({ status: 'pending', reason: 'quiet_hours' });
    const row = await stored(message?.id);
    expectEnd(row.next);
    expect(row).toMatchObject({ job: row.next, quiet: row.next });
  });

  test('sends at once where the hours are open, or there are none', async () => {
    expect(await outcome()).toEqual(['smtp pending null']);
    await forAll(open(-hour, hour));
    expect(await outcome()).toEqual(['smtp pending null']);
  });

  test("reads the hours on the recipient's clock", async () => {
    await forAll(open(-hour, hour));
    // 5:45 behind Kathmandu.
    expect(await outcome({ to: { ...ada, timeZone: 'UTC' } })).toEqual(['smtp pending quiet_hours']);
  });

  test('does not delay what is mandatory, urgent, or for the inbox or a webhook', async () => {
    await forAll(closed());
    expect(await outcome({}, named('must'))).toEqual(['smtp pending null']);
    expect(await outcome({ urgent: true })).toEqual(['smtp pending null']);
    expect(await outcome({ methods: ['webhook'] })).toEqual(['webhook pending null']);
    expect(await outcome({ methods: ['inbox'] })).toEqual(['inbox sent null']);
    expect(await outcome({ methods: ['inbox'], delaySeconds: 60 })).toEqual(['inbox pending null']);
    expect(await outcome({ methods: ['inbox', 'smtp'] })).toEqual(['inbox sent null', 'smtp pending quiet_hours']);
    expect(await outcome({ urgent: false })).toEqual(['smtp pending quiet_hours']);
    expect(await outcome({ methods: ['smtp', 'webhook'] })).toEqual([
      'smtp pending quiet_hours',
      'webhook pending null',
    ]);
    expect(await begin((await enqueue({ urgent: true }))[0]?.id)).toMatchObject({ disposition: 'open' });
  });

  test('asks for each method as its row says', async () => {
    await forAll(closed());
    expect(await setMethodQuietHours(database.pool, 'webhook', true)).toBe(true);
    expect(await outcome({ methods: ['webhook'] })).toEqual(['webhook pending quiet_hours']);
    await setMethodQuietHours(database.pool, 'webhook', false);
    expect(await setMethodQuietHours(database.pool, 'fax', true)).toBe(false);
  });

  test('moves what is scheduled into quiet hours, and leaves what is scheduled outside of them', async () => {
    await forAll(closed());
    const [inside] = await enqueue({ sendAt: new Date(Date.now() + hour) });
    expect(inside?.reason).toBe('quiet_hours');
    expectEnd((await stored(inside?.id)).next);
    const sendAt = new Date(Date.now() + 2.5 * hour);
    const [outside] = await enqueue({ sendAt });
    expect(outside?.reason).toBe(null);
    expect((await stored(outside?.id)).next).toEqual(sendAt);
  });

  test('inhibits what a rule stops anyway, whatever the hour', async () => {
    await forAll(closed());
    expect(await outcome({ to: { id: 'nobody' } })).toEqual(['smtp inhibited no_address']);
  });

  test.each([
    ['the usual template sends it at once', undefined, greeting, 'pending null'],
    ['"drop" lets it expire', 'drop', greeting, 'pending quiet_hours'],
    ['a template that drops lets it expire', undefined, named('dropped'), 'pending quiet_hours'],
    ['"send" overrides such a template', 'send', named('dropped'), 'pending null'],
  ])('of a message that would expire before they end: %s', async (_, quiet, template, expected) => {
    await forAll(closed());
    const [message] = await enqueue({ ttlSeconds: 60, ...(quiet !== undefined && { quiet }) }, template);
    expect(`${message?.status} ${message?.reason}`).toBe(expected);
    if (message?.reason === null) return;
    const { next } = await stored(message?.id);
    expect(Math.abs(next.getTime() - Date.now() - minute)).toBeLessThan(30_000);
    expect((await why(message?.id)).summary).toMatch(
      /^Not tried yet: it waits for the quiet hours for all recipients to end at \d\d:\d\d Asia\/Kathmandu, and expires before that at /,
    );
    await database.pool.query(`UPDATE herald.message SET expires_at = now(), next_attempt_at = now()`);
    expect(await begin(message?.id)).toMatchObject({ disposition: 'settled', status: 'expired' });
  });

  test('of a fan-out of 10,000 with ten unknown zones writes every message, and doctor lists the ten', async () => {
    await forAll(closed());
    const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'Pacific/Chatham'];
    const bad = ['EST5EDT4', 'UTC+2', 'Mars/Olympus', 'Berlin', '+99:00'];
    const to = Array.from({ length: 10_000 }, (_, i) => ({
      id: `r${i}`,
      email: `r${i}@example.com`,
      timeZone: i < 10 ? bad[i % bad.length] : zones[i % zones.length],
    }));
    const messages = await enqueue({ to });
    expect(messages).toHaveLength(10_000);
    expect(new Set(messages.map(({ status }) => status))).toEqual(new Set(['pending']));
    // Every answer is that of next_open, and every job starts then.
    const { rows } = await database.pool.query(
      `SELECT count(*)::int AS n, count(*) FILTER (WHERE m.reason = 'quiet_hours')::int AS quiet,
         count(DISTINCT m.next_attempt_at)::int AS times
       FROM herald.message m JOIN herald_queue.job j ON j.id = m.id AND j.start_after = m.next_attempt_at
       WHERE m.next_attempt_at = herald.next_open(m.recipient_id, m.tenant, m.recipient ->> 'timeZone', m.created_at)`,
    );
    expect(rows[0]).toMatchObject({ n: 10_000 });
    expect(rows[0].quiet).toBe(messages.filter(({ reason }) => reason === 'quiet_hours').length);
    expect(rows[0].times).toBeGreaterThan(2);
    const [finding, ...others] = await examineTimeZones(database.pool);
    expect(others).toEqual([]);
    expect(finding?.text).toBe(
      '10 recipients with an unknown time zone: "+99:00" (2, such as r4), "Berlin" (2, such as r3), ' +
        '"EST5EDT4" (2, such as r0), "Mars/Olympus" (2, such as r2), "UTC+2" (2, such as r1)',
    );
  });

  test.each([
    [{ urgent: 'yes' }, 'urgent: must be boolean'],
    [{ quiet: 'skip' }, 'quiet: must be ("send" | "drop")'],
    [{ urgent: true, quiet: 'drop' }, 'quiet: contradicts urgent; give one of them'],
  ])('refuses %j', async (options, issue) => {
    expect(await issuesOf(enqueue(options))).toEqual([issue]);
  });

  test.each([
    [`urgent => true, quiet => 'drop'`, 'quiet'],
    [`quiet => 'skip'`, 'quiet'],
  ])('from SQL refuses %s', async (options, column) => {
    await expect(
      database.pool.query(`SELECT herald.enqueue('greeting', '{"id": "a"}', '{"who": "A"}', ${options})`),
    ).rejects.toMatchObject({ code: 'HE006', column });
  });

  test('from SQL takes both options', async () => {
    await forAll(closed());
    const { rows } = await database.pool.query(
      `SELECT reason FROM herald.enqueue('greeting', '{"id": "a", "email": "a@example.com"}', '{"who": "A"}', urgent => true)
       UNION ALL SELECT reason FROM herald.enqueue('greeting', '{"id": "a", "email": "a@example.com", "timeZone": "Asia/Kathmandu"}',
         '{"who": "A"}', ttl => '1 minute', quiet => 'drop')`,
    );
    expect(rows).toEqual([{ reason: null }, { reason: 'quiet_hours' }]);
  });
});

describe('an attempt', () => {
  test('does not begin in quiet hours that were set after the message was enqueued', async () => {
    const [message] = await enqueue();
    await forAll(closed());
    const opening = await begin(message?.id);
    expect(opening).toMatchObject({ disposition: 'not_due' });
    const row = await stored(message?.id);
    expect(row).toMatchObject({ status: 'pending', reason: 'quiet_hours', quiet: row.next });
    expectEnd(row.next);
    expect(opening).toMatchObject({ nextAttemptAt: row.next });
  });

  test('of a retry waits as well, and the date of the email stays', async () => {
    const [message] = await enqueue();
    await database.pool.query(`UPDATE herald.message SET attempts = 1, counted = 1, reason = 'deferred'`);
    await forAll(closed());
    expect(await begin(message?.id)).toMatchObject({ disposition: 'not_due' });
    expect(await stored(message?.id)).toMatchObject({ reason: 'quiet_hours', quiet: null });
    expect((await why(message?.id)).summary).toMatch(
      /^Waiting after 1 attempt: it waits until \d\d:\d\d Asia\/Kathmandu \(.*Z\), when the quiet hours for all recipients end/,
    );
  });

  test('after a wait has the date at which it was let go', async () => {
    await forAll(closed());
    const [message] = await enqueue();
    await database.pool.query(
      `UPDATE herald.message SET created_at = now() - interval '9 hours', quiet_until = now() - interval '1 minute',
         next_attempt_at = now() - interval '1 minute'`,
    );
    await forAll(open(-hour, hour));
    const opening = await begin(message?.id);
    if (opening?.disposition !== 'open') throw new Error(`not open: ${opening?.disposition}`);
    expect(Date.now() - opening.message.createdAtMs).toBeLessThan(5 * minute);
  });

  test('that was opened before they began is not taken back', async () => {
    const [message] = await enqueue();
    const opening = await begin(message?.id);
    expect(opening?.disposition).toBe('open');
    await forAll(closed());
    expect(await stored(message?.id)).toMatchObject({ status: 'sending' });
  });

  test('by a worker is made when the quiet hours end, not before, also after a restart', async () => {
    await forAll(closed());
    const [waiting] = await enqueue();
    const [urgent] = await enqueue({ urgent: true });
    const statusOf = async (id: string | undefined) => (await stored(id)).status;
    const smtp = scriptedDispatcher(() => ({ outcome: 'sent' }));
    for (const end of [false, true]) {
      // The second worker stands for one that was started again, with the job of the waiting message due too early.
      await database.pool.query(`UPDATE herald_queue.job SET start_after = now()`);
      if (end) await forAll(null);
      const worker = testWorker(database.url, { dispatchers: { smtp } });
      await worker.start();
      await until(async () => (await statusOf(end ? waiting?.id : urgent?.id)) === 'sent');
      await worker.stop();
      if (!end) expect(await stored(waiting?.id)).toMatchObject({ status: 'pending', reason: 'quiet_hours' });
    }
    expect(smtp.deliveries.map(({ messageId }) => messageId)).toEqual([urgent?.id, waiting?.id]);
  });
});

describe('a change of the hours', () => {
  test('moves what waits: later, earlier, and to now', async () => {
    await forAll(closed());
    const [message] = await enqueue();
    await forAll(open(5 * hour, 6 * hour));
    expectEnd((await stored(message?.id)).next, 5 * hour);
    await forAll(open(hour, 6 * hour));
    const row = await stored(message?.id);
    expectEnd(row.next, hour);
    expect(row.job).toEqual(row.next);
    await forAll(null);
    const due = await stored(message?.id);
    expect(due).toMatchObject({ status: 'pending', reason: null, quiet: null });
    expect(due.next.getTime()).toBeLessThan(Date.now() + minute);
    expect(await begin(message?.id)).toMatchObject({ disposition: 'open' });
  });

  test('of one recipient or tenant moves only their messages', async () => {
    await forAll(closed());
    const [mine] = await enqueue();
    const [theirs] = await enqueue({ to: { ...ada, id: 'bob' }, tenant: 'acme' });
    await herald.setQuietHours(database.pool, { recipientId: 'ada', windows: always });
    expect([(await stored(mine?.id)).reason, (await stored(theirs?.id)).reason]).toEqual([null, 'quiet_hours']);
    await herald.setQuietHours(database.pool, { tenant: 'acme', windows: always });
    expect((await stored(theirs?.id)).reason).toBe(null);
  });

  test('never sends a scheduled message before its time', async () => {
    await forAll(closed());
    const sendAt = new Date(Date.now() + hour);
    const [message] = await enqueue({ sendAt });
    await forAll(null);
    expect((await stored(message?.id)).next).toEqual(sendAt);
  });

  test('is undone with the transaction that made it', async () => {
    await forAll(closed());
    const [message] = await enqueue();
    const before = await stored(message?.id);
    await transaction(database.pool, async (tx) => {
      await herald.setQuietHours(tx, { windows: null });
      throw new Error('rolled back');
    }).catch(() => undefined);
    expect(await stored(message?.id)).toEqual(before);
  });
});

describe('an operator', () => {
  test('reads in why, status and JSON until when a message waits, as the database says it', async () => {
    await herald.setQuietHours(database.pool, { recipientId: 'ada', windows: closed(), timeZone: 'Asia/Kathmandu' });
    const [message] = await enqueue({ to: { id: 'ada', email: 'ada@example.com' } });
    const { rows } = await database.pool.query(
      `SELECT next_attempt_at AS next, to_char(next_attempt_at AT TIME ZONE 'Asia/Kathmandu', 'HH24:MI') AS local,
         next_attempt_at = herald.next_open('ada', NULL, NULL, created_at) AS agrees FROM herald.message`,
    );
    const [{ next, local, agrees }] = rows;
    expect(agrees).toBe(true);
    const { message: details, summary } = await why(message?.id);
    expect(summary).toContain(
      `Not tried yet: it waits until ${local} Asia/Kathmandu (${next.toISOString()}), when the recipient's quiet hours end`,
    );
    expect(details.quietHours).toEqual({
      until: next,
      opensAt: next,
      localTime: local,
      zone: 'Asia/Kathmandu',
      scope: 'recipient',
    });
    const { methods } = await readStatus(database.pool);
    expect(methods.find(({ method }) => method === 'smtp')).toMatchObject({ pending: 1, quiet: 1 });
    expect(methods.find(({ method }) => method === 'webhook')).toMatchObject({ pending: 0, quiet: 0 });
  });

  test('reads in why that a message scheduled into quiet hours will wait, before it does', async () => {
    const [message] = await enqueue({ sendAt: new Date(Date.now() + hour) });
    await forAll(closed());
    expect((await stored(message?.id)).reason).toBe(null);
    const { message: details, summary } = await why(message?.id);
    expectEnd(details.quietHours?.until ?? new Date(0));
    expect(summary).toContain(`waits until ${details.quietHours?.localTime} Asia/Kathmandu`);
  });

  test('sees the day where the end is not within a day', async () => {
    const day = new Date(Date.now() + 3 * 24 * hour).toLocaleDateString('en', { weekday: 'short', timeZone: 'UTC' });
    await forAll([{ days: day.toLowerCase(), from: '00:00', to: '24:00' }]);
    const [message] = await enqueue({ to: { ...ada, timeZone: 'UTC' } });
    expect((await why(message?.id)).summary).toContain(`waits until ${day} 00:00 UTC`);
  });

  test('who retries in quiet hours, or holds and releases, does not break them', async () => {
    await forAll(closed());
    const [message] = await enqueue();
    const ids = [message?.id ?? ''];
    expect(await holdMessages(database.pool, ids, { by: 'grace' })).toBe(1);
    expect((await why(message?.id)).summary).toBe('Held by grace. It waits until an operator releases it.');
    expect(await retryMessages(database.pool, ids)).toMatchObject([{ retried: true }]);
    expect(await begin(message?.id)).toMatchObject({ disposition: 'not_due' });
    expectEnd((await stored(message?.id)).next);
  });

  test('is told by doctor of a tenant and of hours in a zone that the server does not know any more', async () => {
    await forAll(always);
    await database.pool.query(
      `UPDATE herald.hours SET zone = 'Europe/Atlantis'; INSERT INTO herald.tenant (id, time_zone) VALUES ('acme', 'GMT+2')`,
    );
    expect((await examineTimeZones(database.pool)).map(({ text }) => text)).toEqual([
      'the quiet hours for all have the unknown time zone "Europe/Atlantis"',
      'the settings of the tenant acme have the unknown time zone "GMT+2"',
    ]);
    await database.pool.query('DELETE FROM herald.tenant');
  });

  test("reads the tenant's zone where the recipient has none", async () => {
    await database.pool.query(`INSERT INTO herald.tenant (id, time_zone) VALUES ('acme', 'Asia/Kathmandu')`);
    await forAll(open(-hour, hour));
    const to = { id: 'ada', email: 'ada@example.com' };
    expect(await outcome({ to, tenant: 'acme' })).toEqual(['smtp pending null']);
    expect(await outcome({ to })).toEqual(['smtp pending quiet_hours']);
    await database.pool.query('DELETE FROM herald.tenant');
  });

  test('who erases a person erases their hours', async () => {
    await herald.setQuietHours(database.pool, { recipientId: 'ada', windows: always });
    await herald.setQuietHours(database.pool, { recipientId: 'bob', windows: always });
    await erase(database.pool, { recipientId: 'ada' });
    expect((await database.pool.query('SELECT subject FROM herald.hours')).rows).toEqual([{ subject: 'bob' }]);
  });
});

describe('from code', () => {
  test('hours are set, read and removed', async () => {
    const question = {
      recipientId: 'ada',
      tenant: 'acme',
      timeZone: 'Asia/Kathmandu',
      at: new Date('2027-01-15T00:00Z'),
    };
    expect(await herald.quietHoursOf(database.pool, question)).toEqual({
      scope: null,
      windows: null,
      timeZone: 'Asia/Kathmandu',
      opensAt: question.at,
    });
    const windows = [{ days: 'mon-fri', from: '08:00', to: '20:00' }];
    await herald.setQuietHours(database.pool, { tenant: 'acme', windows });
    expect(await herald.quietHoursOf(database.pool, question)).toEqual({
      scope: 'tenant',
      windows,
      timeZone: 'Asia/Kathmandu',
      opensAt: new Date('2027-01-15T02:15Z'),
    });
    await herald.setQuietHours(database.pool, { tenant: 'acme', windows: null });
    expect(await herald.quietHoursOf(database.pool, question)).toMatchObject({ scope: null });
  });

  test.each<[string, object, string]>([
    [
      'a wrong window',
      { windows: [{ from: '8', to: '20:00' }] },
      'windows[0].from: windows[0].from must be a time from 00:00 to 23:59. For example [{"days": "mon-fri", "from": "08:00", "to": "20:00"}].',
    ],
    [
      'an unknown zone',
      { windows: always, timeZone: 'Mars' },
      'timeZone: unknown time zone "Mars". Write a name of IANA such as Europe/Berlin, or leave it out.',
    ],
    [
      'two subjects',
      { recipientId: 'a', tenant: 'b', windows: always },
      'tenant: contradicts recipientId; give one of them',
    ],
    ['windows that are no list', { windows: 'always' }, 'windows: must be Array'],
    ['an unknown field', { windows: null, zone: 'UTC' }, 'zone: is not a known option'],
  ])('%s is an error, and the transaction goes on', async (_, hours, issue) => {
    await transaction(database.pool, async (tx) => {
      expect(await issuesOf(herald.setQuietHours(tx, hours as never))).toEqual([issue]);
      expect((await tx.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    });
  });
});
