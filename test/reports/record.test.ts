/** Reports in the database: what counts, once, and what changes nothing. */
import { beforeEach, describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { showMessage } from '../../src/operate/messages.ts';
import { applyRetention, setRetention } from '../../src/operate/retention.ts';
import { erase } from '../../src/operate/erase.ts';
import { listSuppressions } from '../../src/operate/suppressions.ts';
import { explain } from '../../src/operate/why.ts';
import { acceptReport } from '../../src/reports/accept.ts';
import { claimOf } from '../../src/reports/claim.ts';
import { recordClaims } from '../../src/reports/record.ts';
import { greeting, greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { arf, dsn, key, type RecipientFields, recipientFields, returns } from './support.ts';

const database = useDatabase({
  templates: { greeting: greetingFile, alarm: greetingFile.replace('---\n', '---\nmandatory: true\n') },
});
const herald = createHerald();
const query = async (text: string, values: readonly unknown[] = []) =>
  (await database.pool.query(text, [...values])).rows;

beforeEach(async () => {
  await query(
    'TRUNCATE herald.message, herald.notification, herald.attempt, herald.suppression, herald.report, herald.preference',
  );
  await query('DELETE FROM herald_queue.job');
  await query(`DELETE FROM herald.template_version WHERE template = 'message-returned'`);
  await query(`DELETE FROM herald.template WHERE name = 'message-returned'`);
});

/** A message that the relay accepted so many hours ago. */
async function sent(
  hoursAgo = 1,
  { id = 'ada', email = 'Ada@example.com', template = greeting } = {},
): Promise<string> {
  const [message] = await herald.enqueue(database.pool, template, {
    autocommit: true,
    to: { id, email, name: 'Ada Lovelace' },
    labels: { who: 'Countess' },
    data: { order: 'order-4711-x' },
  });
  await query(
    `WITH m AS (UPDATE herald.message SET status = 'sent', attempts = 1, created_at = now() - $2 * interval '1 hour',
       settled_at = now() - $2 * interval '1 hour' WHERE id = $1 RETURNING id)
     INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, counted, receiver_id)
     SELECT id, 1, 'w', now(), now(), 'sent', true, 'queued-' || right(id::text, 4) FROM m`,
    [message?.id, hoursAgo],
  );
  return message?.id ?? '';
}

const returnTo = (id: string) => `bounces+${returns.tokenOf(id)}@acme.example`;
const accept = (mail: string) => acceptReport({ pool: database.pool, keys: [key] }, Buffer.from(mail));
const bounce = (id: string, fields: RecipientFields = {}) =>
  accept(dsn({ to: returnTo(id), recipients: [recipientFields(fields)] }));
const reports = () =>
  query(
    'SELECT message_id, kind, effect, unmatched, status_code, reporter, domain, times FROM herald.report ORDER BY at',
  );
const state = async () => ({
  suppressions: await listSuppressions(database.pool),
  preferences: await query('SELECT * FROM herald.preference'),
  statuses: await query('SELECT DISTINCT status FROM herald.message'),
});

describe('a returned email', () => {
  test('is recorded once, however often it comes, and the message stays sent', async () => {
    const id = await sent(6.5);
    expect(await bounce(id)).toEqual([{ result: 'recorded', messageId: id, suppressed: false }]);
    expect(await bounce(id)).toEqual([{ result: 'repeated', messageId: id, suppressed: false }]);
    expect(await reports()).toEqual([
      {
        message_id: id,
        kind: 'bounce',
        effect: 'dead',
        unmatched: null,
        status_code: '5.1.1',
        reporter: 'mx.example.com',
        domain: 'example.com',
        times: 2,
      },
    ]);
    const message = await showMessage(database.pool, id);
    if (message === null) throw new Error('no message');
    const { summary, remedy, timeline } = explain(message, new Date());
    expect(summary).toBe('Sent: the receiving side accepted it. It was returned 6 h later by mx.example.com: 5.1.1.');
    expect(remedy).toContain('correct it in your application');
    expect(timeline.at(-1)?.what).toBe(
      'returned 6 h later by mx.example.com: 5.1.1; reply "550 5.1.1 <address>: Recipient address rejected: User unknown"',
    );
  });

  test('is recorded although its reply is cut within a character', async () => {
    const id = await sent(1);
    const reply = (letters: string) => ({ said: `550 5.1.1 ${letters}${'\u{1f600}'.repeat(300)}` });
    for (const letters of ['x', 'xx']) expect(await bounce(id, reply(letters))).toMatchObject([{ messageId: id }]);
  });

  test('counts against the address once for each message, and suppresses it a day later', async () => {
    const first = await sent(50);
    await bounce(first);
    await bounce(first, { mta: 'other.example.com' });
    expect(await listSuppressions(database.pool)).toMatchObject([{ hits: 1, cause: 'dead', suppressedAt: null }]);
    await query(`UPDATE herald.suppression SET first_at = now() - interval '25 hours'`);
    await bounce(first, { mta: 'third.example.com' });
    expect(await listSuppressions(database.pool)).toMatchObject([{ hits: 1, suppressedAt: null }]);
    const second = await sent(1);
    expect(await bounce(second)).toMatchObject([{ suppressed: true }]);
    expect(await listSuppressions(database.pool)).toMatchObject([
      { hits: 2, cause: 'dead', suppressedAt: expect.any(Date) },
    ]);
  });

  test('that is full suppresses after three messages, for 14 days', async () => {
    for (const hours of [30, 20])
      expect(await bounce(await sent(hours), { status: '5.2.2' })).toMatchObject([{ suppressed: false }]);
    expect(await bounce(await sent(10), { status: '4.4.7' })).toMatchObject([{ suppressed: true }]);
    const [suppression] = await listSuppressions(database.pool);
    expect(suppression).toMatchObject({ cause: 'soft', reason: 'deferred', hits: 0 });
    expect((suppression?.expiresAt?.getTime() ?? 0) - Date.now()).toBeGreaterThan(13.9 * 86_400_000);
  });

  test('that is full counts anew after a message was accepted', async () => {
    for (const hours of [30, 20]) await bounce(await sent(hours), { status: '5.2.2' });
    await sent(15);
    expect(await bounce(await sent(10), { status: '5.2.2' })).toMatchObject([{ suppressed: false }]);
    expect(await listSuppressions(database.pool)).toEqual([]);
  });

  test.each(['5.7.1', '5.6.0', '5.3.4', '5.0.0', '4.7.650'])('with %s blames no address', async (status) => {
    for (const hours of [80, 50, 20, 1]) await bounce(await sent(hours), { status });
    expect((await reports()).map(({ effect }) => effect)).toEqual(Array(4).fill(status === '5.0.0' ? 'none' : 'ours'));
    expect((await state()).suppressions).toEqual([]);
  });

  test('has its words redacted: the person, the labels and the data', async () => {
    const id = await sent();
    await bounce(id, {
      said: '550 5.1.1 Dear Countess Ada Lovelace <ada@example.com> order-4711-x see https://mx.example/x',
    });
    const [{ reply_text }] = (await query('SELECT reply_text FROM herald.report')) as [{ reply_text: string }];
    expect(reply_text).toMatch(/^550 5\.1\.1/);
    expect(reply_text).not.toMatch(/ada|countess|4711|example\.com|https/i);
  });

  test('with two recipients counts for ours alone', async () => {
    const id = await sent();
    const recipients = [recipientFields({ address: 'bob@example.net' }), recipientFields()];
    expect(await accept(dsn({ to: returnTo(id), recipients }))).toEqual([
      { result: 'unmatched', messageId: null, suppressed: false },
      { result: 'recorded', messageId: id, suppressed: false },
    ]);
  });

  test('to an internationalised address is matched in either form of its domain', async () => {
    const id = await sent(1, { email: 'k\u00e4the@b\u00fccher.example' });
    const fields = recipientFields().replace(/rfc822; ?ada@example.com/g, 'utf-8; k\\x{E4}the@xn--bcher-kva.example');
    const mail = dsn({ to: returnTo(id), recipients: [fields], statusType: 'message/global-delivery-status' });
    expect(await accept(mail)).toMatchObject([{ result: 'recorded', messageId: id }]);
  });
});

describe('nothing changes, and it is counted as unmatched, if', () => {
  const forged = (id: string) => `bounces+${returns.tokenOf(id).slice(0, 26)}aaaaaaaa@acme.example`;
  test.each<[name: string, mail: (id: string) => string, why: string]>([
    ['the token is forged', (id) => dsn({ to: forged(id), recipients: [recipientFields()] }), 'no_message'],
    [
      'it names another recipient',
      (id) => dsn({ to: returnTo(id), recipients: [recipientFields({ address: 'eve@example.com' })] }),
      'other_recipient',
    ],
    [
      'the message is unknown',
      () => dsn({ to: returnTo('01890a5d-ac96-774b-bcce-b302099a8057'), recipients: [recipientFields()] }),
      'no_message',
    ],
    [
      'it confirms a delivery',
      (id) => dsn({ to: returnTo(id), recipients: [recipientFields({ action: 'delivered', status: '2.0.0' })] }),
      'no_return',
    ],
    [
      'it is an automatic reply',
      (id) => `From: ada@example.com\r\nTo: ${returnTo(id)}\r\nAuto-Submitted: auto-replied\r\n\r\n550 5.1.1 away`,
      'no_return',
    ],
    [
      'a complaint has no token',
      () => arf({ fields: ['Feedback-Type: abuse', 'Original-Rcpt-To: ada@example.com'] }),
      'no_message',
    ],
  ])('%s', async (_, mail, why) => {
    const id = await sent();
    const before = await state();
    for (const times of [1, 2]) {
      expect(await accept(mail(id))).toMatchObject([{ messageId: null, suppressed: false }]);
      expect(await reports()).toMatchObject([
        { message_id: null, effect: 'none', unmatched: why, reporter: null, times },
      ]);
    }
    expect(await state()).toEqual(before);
  });

  test('the message was never tried', async () => {
    const id = await sent();
    await query(`UPDATE herald.message SET attempts = 0, status = 'inhibited'`);
    await bounce(id);
    expect(await reports()).toMatchObject([{ unmatched: 'other_recipient' }]);
  });
});

describe('a complaint', () => {
  const complain = (id: string) =>
    accept(
      arf({
        fields: ['Feedback-Type: abuse', `Original-Mail-From: <${returnTo(id)}>`, 'Original-Rcpt-To: ada@example.com'],
      }),
    );

  test('turns the group off and suppresses the address; mandatory messages still pass', async () => {
    const id = await sent(49);
    expect(await complain(id)).toMatchObject([{ result: 'recorded', suppressed: true }]);
    expect(await listSuppressions(database.pool)).toMatchObject([
      { cause: 'complaint', reason: 'complaint', expiresAt: null },
    ]);
    expect(await query('SELECT recipient_id, scope, subject, method, enabled FROM herald.preference')).toEqual([
      { recipient_id: 'ada', scope: 'group', subject: 'Greetings', method: 'smtp', enabled: false },
    ]);
    const message = await showMessage(database.pool, id);
    expect(message && explain(message, new Date()).summary).toContain('It was reported as spam 2 d later');
  });

  test('that reports an unsubscription turns the group off and suppresses nothing', async () => {
    const id = await sent();
    await query(`SELECT herald.set_preference('ada', 'template', 'greeting', true)`);
    const claim = claimOf({
      source: 'mailgun',
      sourceId: 'x',
      messageId: id,
      addresses: ['ada@example.com'],
      kind: 'unsubscribe',
    });
    expect(await recordClaims(database.pool, [claim])).toMatchObject([{ result: 'recorded', suppressed: false }]);
    expect((await state()).suppressions).toEqual([]);
    // Also where the person had turned on this template by itself.
    expect(await query(`SELECT herald.preference_of('ada', 'greeting', 'Greetings', 'smtp') AS wanted`)).toEqual([
      { wanted: false },
    ]);
  });
});

describe('a report by a provider', () => {
  const claim = (more: object) =>
    claimOf({ source: 'ses', sourceId: 'f-1', kind: 'bounce', action: 'failed', enhanced: '5.1.1', ...more });

  test('finds the message by the id that the receiver gave it, and its recipient', async () => {
    const id = await sent();
    const receiverId = `queued-${id.slice(-4)}`;
    expect(
      await recordClaims(database.pool, [claim({ receiverId, addresses: ['eve@example.com'], sourceId: 'f-0' })]),
    ).toMatchObject([{ result: 'unmatched' }]);
    expect(await recordClaims(database.pool, [claim({ receiverId, addresses: ['ADA@example.com'] })])).toMatchObject([
      { result: 'recorded', messageId: id },
    ]);
  });

  test('is recorded wholly or not at all', async () => {
    const id = await sent();
    const good = claim({ messageId: id, addresses: ['ada@example.com'] });
    await expect(
      recordClaims(database.pool, [good, claim({ kind: 'nonsense' as never, sourceId: 'f-2' })]),
    ).rejects.toThrow();
    expect(await reports()).toEqual([]);
  });
});

test('two servers that hand over one report at the same time make one row', async () => {
  const id = await sent();
  const results = await Promise.all(Array.from({ length: 8 }, () => bounce(id)));
  expect(
    results
      .flat()
      .map(({ result }) => result)
      .sort(),
  ).toEqual(['recorded', ...Array(7).fill('repeated')]);
  expect(await reports()).toMatchObject([{ times: 8 }]);
  expect(await listSuppressions(database.pool)).toMatchObject([{ hits: 1 }]);
});

test('the template "message-returned" tells other systems, in the same transaction', async () => {
  await query(
    `WITH t AS (INSERT INTO herald.template (name, current_version, methods, mandatory) VALUES ('message-returned', 1, '{webhook}', true) RETURNING name)
     INSERT INTO herald.template_version (template, version, title, body, labels, secrets, content_hash) SELECT name, 1, 'x', 'y', '{status}', '{}', 'z' FROM t
     ON CONFLICT DO NOTHING`,
  );
  const id = await sent();
  await bounce(id);
  await bounce(id);
  const rows = await query(
    `SELECT m.recipient_id, m.targets, m.method, m.created_by, n.labels, n.data FROM herald.message m JOIN herald.notification n ON n.id = m.notification_id
     WHERE m.template = 'message-returned'`,
  );
  expect(rows).toEqual([
    {
      recipient_id: 'ada',
      targets: [id],
      method: 'webhook',
      created_by: 'pg-herald',
      labels: expect.objectContaining({ kind: 'bounce', status: '5.1.1', message: id }),
      data: expect.objectContaining({ messageId: id, effect: 'dead', suppressed: false, statusCode: '5.1.1' }),
    },
  ]);
  // A template that asks for more than there is does not keep the report from being recorded.
  await query(`UPDATE herald.template_version SET labels = '{other}' WHERE template = 'message-returned'`);
  expect(await bounce(await sent())).toMatchObject([{ result: 'recorded' }]);
});

describe('what is left of a report', () => {
  test('of an erased person is its code', async () => {
    await bounce(await sent());
    await erase(database.pool, { recipientId: 'ada' });
    expect(await query('SELECT kind, status_code, reply_text, reporter, domain FROM herald.report')).toEqual([
      { kind: 'bounce', status_code: '5.1.1', reply_text: null, reporter: null, domain: null },
    ]);
  });

  test('is deleted with its message, and after 30 days where there is none', async () => {
    await bounce(await sent(24 * 40));
    await accept('To: x@y.example\r\n\r\nHello');
    await setRetention(database.pool, { group: '*', days: 30, by: 'me' });
    await applyRetention(database.pool);
    expect(await reports()).toMatchObject([{ unmatched: 'no_return' }]);
    await query(`UPDATE herald.report SET at = now() - interval '31 days'`);
    await query('DELETE FROM herald.setting');
    await accept('To: x@y.example\r\n\r\nHello again');
    expect(await query(`SELECT FROM herald.report WHERE at < now() - interval '1 day'`)).toEqual([]);
  });
});
