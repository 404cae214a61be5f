/** What an operator sees and is asked in a terminal, and what happens without a terminal. */
import { beforeAll, describe, expect, test } from 'vitest';
import { greetingFile, putTemplates } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { runCli, runInTerminal } from './support.ts';

const database = useDatabase();
let env: Record<string, string>;
const total = 2500;

beforeAll(async () => {
  env = { DATABASE_URL: database.url, USER: 'grace' };
  await putTemplates(database.pool, { greeting: greetingFile });
  await database.pool.query(
    `SELECT count(*) FROM herald.enqueue('greeting', (SELECT jsonb_agg(jsonb_build_object('id', 'user-' || n, 'email', n || '@example.com')) FROM generate_series(1, $1) n),
       labels => '{"who": "you"}')`,
    [total],
  );
});

const statuses = async () => {
  const { rows } = await database.pool.query<{ status: string; n: number }>(
    'SELECT status, count(*)::int AS n FROM herald.message GROUP BY status',
  );
  return Object.fromEntries(rows.map(({ status, n }) => [status, n]));
};

describe('an action on many', () => {
  test('shows the count, asks, and changes nothing after a no', async () => {
    const { code, shown } = await runInTerminal(['hold', '--where', 'template=greeting'], { env, answer: 'n' });
    expect(shown).toContain('Hold 2,500 messages? [y/N] ');
    expect(shown).toContain('nothing changed');
    expect(code).toBe(2);
    expect(await statuses()).toEqual({ pending: total });
  });

  test('shows a bar while it goes on after a yes, and takes it away', async () => {
    const { code, shown } = await runInTerminal(['hold', '--where', 'template=greeting'], { env, answer: 'y' });
    expect(shown).toContain('1,000 of 2,500 held');
    expect(shown).toMatch(/\r\u001b\[K2,500 held\n$/);
    expect(code).toBe(0);
    expect(await statuses()).toEqual({ held: total });
  });

  test('changes nothing without a terminal, unless --yes is given', async () => {
    const where = ['--where', 'status=held', 'recipient=user-7'];
    expect(await runCli(['release', ...where], env)).toMatchObject({
      code: 2,
      err: 'pg-herald: Refusing to release 1 message without confirmation: stdin is not a terminal. Pass --yes.\n',
    });
    expect(await runCli(['release', ...where, '--yes', '--json'], env)).toMatchObject({
      code: 0,
      out: '{\n  "released": 1\n}\n',
    });
    expect(await statuses()).toEqual({ held: total - 1, pending: 1 });
  });

  test('asks in batches, and every message answers once', async () => {
    const { out, err } = await runCli(['cancel', '--where', 'template=greeting', '--yes', '--json'], env);
    const answers = JSON.parse(out) as { messageId: string; answer: string }[];
    expect(new Set(answers.map(({ messageId }) => messageId)).size).toBe(total);
    expect(err).toBe('');
    expect(await statuses()).toEqual({ cancelled: total });
  });

  test('that is cancelled is counted, and listed one by one only with --verbose', async () => {
    await database.pool.query(`UPDATE herald.message SET status = 'pending', settled_at = NULL, targets = '{t 1}'`);
    await database.pool.query(`UPDATE herald.message SET status = 'sending' WHERE recipient_id = 'user-1'`);
    const byTarget = await runCli(['cancel', '--target', 't 1'], env);
    expect(byTarget).toEqual({ code: 0, out: '2,499 cancelled, 1 in flight\n', err: '' });
    expect(await runCli(['cancel', '--target', 't 1', '--where', 'status=pending'], env)).toMatchObject({ code: 2 });
    const settled = 'settled_at = NULL, status = CASE recipient_id WHEN $1 THEN $2 ELSE $3 END';
    await database.pool.query(`UPDATE herald.message SET ${settled}`, ['user-2', 'pending', 'sent']);
    const one = await runCli(['cancel', '--where', 'template=greeting', '--yes', '--verbose'], env);
    expect(one.out).toMatch(/^message +answer\n[0-9a-f-]{36} +cancelled\n$/);
    expect(one.err).toContain('2,499 matching messages are left unchanged (2,499 sent)');
    await database.pool.query(`UPDATE herald.message SET status = 'cancelled', settled_at = now(), targets = '{}'`);
  });

  test('retries what can be, asks for that alone, and says what else matches', async () => {
    const settle = (status: string, recipients: string[]) =>
      database.pool.query(`UPDATE herald.message SET status = $1 WHERE recipient_id = ANY ($2)`, [status, recipients]);
    await settle('sent', ['user-1', 'user-2']);
    await settle('failed', ['user-3']);
    const plain = { ...env, NO_COLOR: '1' };
    const line =
      '2,499 matching messages are left unchanged (2 sent, 2,497 cancelled): retry applies to failed, expired, inhibited, held';
    const asked = await runInTerminal(['retry', '--where', 'template=greeting'], { env: plain, answer: 'n' });
    expect(asked.shown).toContain(line);
    expect(asked.shown).toContain('Retry 1 message? [y/N] ');
    expect(asked.code).toBe(2);

    const onlySent = ['retry', '--where', 'status=sent'];
    const sent = '2 matching messages are left unchanged (2 sent): retry applies to failed, expired, inhibited, held\n';
    expect(await runInTerminal(onlySent, { env: plain })).toEqual({
      code: 1,
      shown: `${sent}0 will be delivered again\n`,
    });
    expect(await runCli([...onlySent, '--yes'], env)).toEqual({
      code: 1,
      out: '0 will be delivered again\n',
      err: sent,
    });
    expect(await runCli(onlySent, env)).toMatchObject({
      code: 2,
      err: 'pg-herald: Refusing to retry 0 messages without confirmation: stdin is not a terminal. Pass --yes.\n',
    });

    const { out, err } = await runCli(['retry', '--where', 'template=greeting', '--yes', '--json'], env);
    const answers = JSON.parse(out) as { retried: boolean; status: string }[];
    const having = (retried: boolean, status: string) =>
      answers.filter((each) => each.retried === retried && each.status === status).length;
    expect([having(true, 'pending'), having(false, 'sent'), having(false, 'cancelled')]).toEqual([1, 2, total - 3]);
    expect(err).toBe('');
  });

  test('says that nothing matches', async () => {
    expect(await runCli(['retry', '--where', 'recipient=nobody'], env)).toEqual({
      code: 1,
      out: '0 will be delivered again\n',
      err: 'no message matches\n',
    });
    expect(await runCli(['retry', '--where', 'recipient=nobody', '--json'], env)).toMatchObject({
      code: 0,
      out: '[]\n',
    });
  });
});

describe('a terminal', () => {
  test('gets tables that fit it, with colours unless NO_COLOR is set', async () => {
    const list = ['messages', 'list', '--limit', '5'];
    const { shown } = await runInTerminal(list, { env });
    expect(shown).toContain('\u001b[');
    const { shown: plain } = await runInTerminal(list, { env: { ...env, NO_COLOR: '1' } });
    const lines = plain.trimEnd().split('\n');
    expect(lines).toHaveLength(5 + 2);
    expect(lines[0]).toMatch(/^message +UTC +template +method +recipient +status/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect((await runCli([...list, '--table'], env)).out.split('\n')[0]).toMatch(
      /^message +created \(UTC\) +template +method +recipient +status +attempts/,
    );
  });
});

test('the list of messages shows time, method and the words of the status in 80 columns', async () => {
  await putTemplates(database.pool, { 'workspace-deleted': greetingFile });
  await database.pool.query(
    `SELECT herald.enqueue('workspace-deleted', '{"id": "a-customer-of-ours@example.com", "email": "a@example.com"}', labels => '{"who": "you"}')`,
  );
  const settle = (status: string, reason: string) =>
    database.pool.query(`UPDATE herald.message SET status = $1, reason = $2 WHERE template = 'workspace-deleted'`, [
      status,
      reason,
    ]);
  const line = async (columns: number) => {
    const list = ['messages', 'list', '--where', 'template=workspace-deleted'];
    const { shown } = await runInTerminal(list, { env: { ...env, NO_COLOR: '1' }, columns });
    const [, first = ''] = shown.split('\n');
    expect(first.length).toBeLessThanOrEqual(columns);
    return first;
  };
  await settle('inhibited', 'no_address');
  expect(await line(80)).toMatch(
    /^[0-9a-f-]{23} {2}\d\d-\d\d \d\d:\d\d {2}works\S*… +smtp +a-cu\S*… +inhibited no\S*$/,
  );
  expect(await line(100)).toMatch(/ workspace-deleted {2}smtp {4}a-c\S*… +inhibited no_\S*$/);
  await settle('expired', 'expired');
  expect(await line(80)).toMatch(/ expired$/);
  expect(await line(120)).toMatch(/^\S{36} {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d /);
});

test('the first characters of an id are enough for every command, if they name one message', async () => {
  const id = '01890a5d-ac96-774b-bcce-b302099a8057';
  const [enqueued] = (
    await database.pool.query<{ id: string }>(
      `SELECT message_id AS id FROM herald.enqueue('greeting', '{"id": "short", "email": "s@example.com"}', labels => '{"who": "you"}')`,
    )
  ).rows;
  await database.pool.query('UPDATE herald.message SET id = $1 WHERE id = $2', [id, enqueued?.id]);
  const short = id.slice(0, 20);
  expect((await runCli(['why', short], env)).out).toContain(`message ${id}`);
  expect((await runCli(['messages', 'show', short, '--table'], env)).out).toContain(id);
  expect(await runCli(['hold', short], env)).toMatchObject({ code: 0, out: '1 held\n' });
  expect((await runCli(['why', id], env)).out).toContain('hold by grace');
  expect(await runCli(['cancel', short.toUpperCase()], env)).toMatchObject({ out: expect.stringContaining(id) });
  await database.pool.query(
    `UPDATE herald.message SET id = '01890a5d-ac96-774b-bcce-000000000000' WHERE id = (
    SELECT id FROM herald.message WHERE id <> $1 LIMIT 1)`,
    [id],
  );
  for (const command of ['why', 'retry'])
    expect(await runCli([command, short], env)).toEqual({
      code: 2,
      out: '',
      err: `pg-herald: the ids of several messages start with "${short}": give more characters\n`,
    });
  expect(await runCli(['retry', '00000000-0'], env)).toMatchObject({ code: 1, err: expect.stringContaining('purged') });
  expect(await runCli(['retry', '0189'], env)).toMatchObject({ code: 2, err: expect.stringContaining('its first 8') });
});

test('status tells an age in units that people read, in a pipe as well, and in seconds to a program', async () => {
  await database.pool.query(
    `SELECT herald.enqueue('greeting', '{"id": "late", "email": "late@example.com"}', labels => '{"who": "you"}')`,
  );
  await database.pool.query(
    `UPDATE herald.message SET next_attempt_at = now() - interval '5 hours' WHERE recipient_id = 'late'`,
  );
  const line = (text: string) => text.split('\n').find((each) => each.startsWith('smtp'));
  expect(line((await runInTerminal(['status'], { env: { ...env, NO_COLOR: '1' } })).shown)).toMatch(/ 5 h /);
  expect(line((await runCli(['status', '--table'], env)).out)).toMatch(/ 5 h /);
  const { methods } = JSON.parse((await runCli(['status'], env)).out) as { methods: { oldestDueSeconds: number }[] };
  expect(Math.max(...methods.map((each) => each.oldestDueSeconds))).toBeGreaterThanOrEqual(18_000);
});

test('why answers for a recipient: the newest message, and those before it', async () => {
  const enqueue = () =>
    database.pool.query(
      `SELECT message_id AS id FROM herald.enqueue('greeting', '{"id": "ada", "email": "Ada@Example.com"}', labels => '{"who": "Ada"}')`,
    );
  const [first, second] = [(await enqueue()).rows[0], (await enqueue()).rows[0]] as { id: string }[];
  const { out } = await runCli(['why', 'ada'], env);
  expect(out.split('Before it:')[0]).toContain(second?.id);
  expect(out.split('Before it:')[1]).toContain(first?.id);
  expect(JSON.parse((await runCli(['why', 'ada', '--json'], env)).out)).toMatchObject({ id: second?.id });
  expect((await runCli(['why', 'ADA@example.com'], env)).out).toBe(out);
  expect(await runCli(['why', 'nobody'], env)).toMatchObject({
    code: 2,
    err: expect.stringContaining('no message went to such a recipient'),
  });
});

test('text of strangers cannot steer a terminal: it is printed as escapes, everywhere', {
  timeout: 120_000,
}, async () => {
  const hostile = '\u001b]52;c;ZXZpbA==\u0007\u001b[2J\u001b[31mred\u009b2J\u202egpj\r\npg-herald: forged\u0008';
  await database.pool.query(
    `SELECT herald.enqueue('greeting', jsonb_build_object('id', 'hostile', 'email', 'h@example.com'), labels => '{"who": "x"}')`,
  );
  const { rows } = await database.pool.query<{ id: string }>(
    `UPDATE herald.message SET status = 'failed', reason = 'refused', detail = $1, created_by = $1, targets = ARRAY[$1]
     WHERE recipient_id = 'hostile' RETURNING id`,
    [hostile],
  );
  const id = rows[0]?.id ?? '';
  await database.pool.query(`UPDATE herald.message SET recipient_id = $1 WHERE id = $2`, [hostile, id]);
  await runCli(['pause', 'smtp', '--why', hostile], env);
  await runCli(['suppressions', 'add', 'smtp', 'x@example.com', '--reason', hostile], env);
  const commands = [
    ['status'],
    ['doctor'],
    ['audit'],
    ['suppressions', 'list'],
    ['why', id],
    ['messages', 'list', '--where', `status=failed`],
    ['messages', 'show', id],
    ['messages', 'list', '--where', `status=${hostile}`],
    ['why', hostile],
    [`--${hostile}`],
  ];
  // What a terminal may get: line feeds, and the styles of the program.
  // oxlint-disable-next-line no-control-regex
  const steering =
    /[\u0000-\u0009\u000b-\u001a\u001c-\u001f\u007f-\u009f\u202e]|\u001b(?!\[(1|2|22|3[1236]|39)m)|\u001b\[31mred/;
  for (const words of commands) {
    const { shown } = await runInTerminal(words, { env });
    expect(shown, words.join(' ')).not.toMatch(steering);
    expect(shown.split('\n').filter((line) => line.startsWith('pg-herald: forged'))).toEqual([]);
    const piped = await runCli(words, env);
    expect(piped.out + piped.err, words.join(' ')).not.toMatch(/[\u001b\u0007\u009b\u202e]/);
  }
  await runCli(['resume'], env);
});
