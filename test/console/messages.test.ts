/** Finding messages, explaining what became of them, and acting on one or on all that match. */
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import * as v from 'valibot';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { defineTemplate } from '../../src/templates/define.ts';
import type { Cursor } from '../../src/operate/messages.ts';
import { countRecent, searchMessages } from '../../src/operate/search.ts';
import { createSecretBox, labelSecrets } from '../../src/secrets.ts';
import { greeting, greetingFile, putTemplates } from '../support/application.ts';
import { audits, createClient, type Client, useConsoleDatabase } from './support.ts';

const database = useConsoleDatabase({
  templates: {
    greeting: greetingFile,
    farewell: greetingFile.replace('Hello', 'Goodbye'),
    code: greetingFile.replace('group:', 'secrets: [code]\ngroup:').replace('welcome', 'code {{labels.code}}'),
  },
});
let client: Client;
const herald = createHerald({ allowPlainSecrets: true });
const brand = { appName: 'Acme', baseUrl: 'https://acme.example' };
beforeAll(async () => {
  client = createClient(database, { brand });
  await client.see('/suppressions');
});
afterEach(async () => {
  await database.pool.query('TRUNCATE herald.message, herald.attempt, herald.audit, herald.suppression');
  await database.pool.query('DELETE FROM herald_queue.job');
});

const farewell = defineTemplate({ name: 'farewell', labels: v.object({ who: v.string() }) });

async function enqueue(id: string, more: object = {}, template: 'greeting' | 'farewell' = 'greeting'): Promise<string> {
  const [message] = await herald.enqueue(database.pool, template === 'greeting' ? greeting : farewell, {
    autocommit: true,
    to: { id, email: `${id}@example.com` },
    labels: { who: 'Ada' },
    ...more,
  });
  return message?.id ?? '';
}

async function fail(id: string, reason = 'no_such_recipient'): Promise<void> {
  await database.pool.query(
    `UPDATE herald.message SET status = 'failed', reason = $2, detail = '550 5.1.1 no such user', attempts = 1, counted = 1, settled_at = now() WHERE id = $1`,
    [id, reason],
  );
  await database.pool.query(
    `INSERT INTO herald.attempt VALUES ($1, 1, 'web-1', now() - interval '1 s', now(), 'failed', $2, NULL, '550', '5.1.1', 'no such user <here>', NULL, true)`,
    [id, reason],
  );
}

const idsOn = (page: string) => [
  ...new Set([...page.matchAll(/href="\/messages\/([0-9a-f-]{36})"/g)].map((m) => m[1])),
];

describe('the search', () => {
  test('finds by recipient id or address, target, template, status, reason, method and time', async () => {
    const ada = await enqueue('ada', { targets: ['workspace-42'] });
    const bob = await enqueue('bob', {}, 'farewell');
    await fail(bob);
    const find = async (query: string) => idsOn(await client.see(`/messages?${query}`));
    for (const query of [
      'recipient=ada',
      'recipient=ADA%40example.com',
      'target=workspace-42',
      'template=greeting',
      'status=pending',
    ])
      expect(await find(query), query).toEqual([ada]);
    for (const query of [
      'recipient=bob%40example.com&status=failed',
      'reason=no_such_recipient',
      'template=farewell',
      'status=failed&method=smtp&since=1h',
    ])
      expect(await find(query), query).toEqual([bob]);
    expect(await find('')).toEqual([bob, ada]);
    for (const query of [
      'recipient=carol',
      'method=webhook',
      'recipient=ada&status=failed',
      'until=2020-01-01T00:00',
      "recipient=';DROP%20TABLE--",
    ])
      expect(await find(query), query).toEqual([]);
    // What no search can mean is left out, also times that Postgres does not know.
    for (const query of ['recipient=%00', 'until=-271821-04-20', 'since=%2B275760-09-13', 'since=999999d'])
      expect(await find(query), query).toEqual([bob, ada]);
    for (const path of ['/templates/%00', '/templates/greeting%00/preview', '/messages/%00'])
      expect((await client.visit(path)).status, path).toBe(404);
    expect(await client.see('/messages?recipient=carol')).toContain('No message matches');
  });

  test('shows what tells messages apart: title, name, address and age, and how many there are', async () => {
    const id = await enqueue('user-7', { to: { id: 'user-7', email: 'ada@example.com', name: 'Ada <L>' } });
    await enqueue('bob', { labels: { who: '{{labels.who}}' } });
    await database.pool.query(`UPDATE herald.message SET created_at = now() - interval '2 minutes' WHERE id = $1`, [
      id,
    ]);
    const page = await client.see('/messages');
    expect(page).toContain(`<a href="/messages/${id}">Hello Ada</a>`);
    expect(page).toContain('Ada &lt;L&gt;, ada@example.com');
    expect(page).toMatch(/<time datetime="[^"]+Z" title="\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC" data-relative>2 min ago</);
    expect(page).toContain('Hello {{labels.who}}');
    expect(page).toContain('2 messages');
    expect(page.indexOf('All that match:')).toBeLessThan(page.indexOf('id="found"'));
  });

  test('never shows a secret label in a title, and shows the template of an erased message', async () => {
    await putTemplates(database.pool, {
      secret: greetingFile.replace('group:', 'secrets: [code]\ngroup:').replace('Hello', 'Code {{labels.code}} for'),
    });
    const template = defineTemplate({
      name: 'secret',
      labels: v.object({ who: v.string(), code: v.string() }),
      secrets: ['code'],
    });
    const { encryptLabels } = labelSecrets(createSecretBox([Buffer.alloc(32, 3).toString('base64')]));
    await createHerald({ encryptLabels }).enqueue(database.pool, template, {
      autocommit: true,
      to: { id: 'ada', email: 'ada@example.com' },
      labels: { who: 'Ada', code: '4F9K' },
    });
    expect(await client.see('/messages')).toContain('>Code •••••• for Ada<');
    await database.pool.query(`SELECT herald.erase(recipient_id => 'ada')`);
    const page = await client.see('/messages');
    expect(page).toContain('>secret</a>');
    expect(page).not.toContain('4F9K');
  });

  test('offers only the actions that can apply to the status', async () => {
    await fail(await enqueue('ada'));
    const offered = async (query: string) =>
      [...(await client.see(`/messages?${query}`)).matchAll(/messages\/all\/(\w+)/g)].map((match) => match[1]);
    expect(await offered('')).toEqual(['retry', 'release', 'cancel']);
    expect(await offered('status=failed')).toEqual(['retry']);
  });

  test('pages through all of them, newest first, each exactly once', async () => {
    // Within one millisecond, where a time that went through JavaScript does not tell them apart.
    const id = await enqueue('many');
    await database.pool.query(
      `INSERT INTO herald.message SELECT (jsonb_populate_record(NULL::herald.message, to_jsonb(m) || jsonb_build_object('id', herald.uuid_v7(),
         'created_at', m.created_at - n * interval '3 microseconds'))).* FROM herald.message m, generate_series(1, 119) n WHERE m.id = $1`,
      [id],
    );
    const seen: (string | undefined)[] = [];
    let path: string | undefined = '/messages?recipient=many';
    for (let pages = 0; path !== undefined && pages < 10; pages += 1) {
      const page = await client.see(path);
      seen.push(...idsOn(page));
      path = /href="([^"]+)" rel="next"/.exec(page)?.[1]?.replaceAll('&amp;', '&');
    }
    const all = await database.pool.query('SELECT id FROM herald.message ORDER BY created_at DESC, id DESC');
    expect(seen).toEqual(all.rows.map((row) => row.id));
  });

  test('reads a bounded number of rows, says how far back it got, and continues from there', async () => {
    const rare = await enqueue('rare');
    await database.pool.query(
      `UPDATE herald.message SET created_at = now() - interval '1 day', status = 'sent', settled_at = now()`,
    );
    await database.pool.query(
      `INSERT INTO herald.message SELECT (jsonb_populate_record(NULL::herald.message, to_jsonb(m) || jsonb_build_object('id', herald.uuid_v7(),
         'method', 'other', 'created_at', now() - n * interval '1 second'))).* FROM herald.message m, generate_series(1, 100) n`,
    );
    const look = (after?: Cursor) =>
      searchMessages(database.pool, { method: 'smtp', status: 'sent' }, { limit: 10, mostRows: 60, after });
    const first = await look();
    expect(first.lines).toEqual([]);
    expect(first.searchedBackTo?.getTime()).toBeCloseTo(Date.now() - 60_000, -4);
    const second = await look(first.next ?? undefined);
    expect(second.lines.map((line) => line.id)).toEqual([rare]);
    expect([second.next, second.searchedBackTo]).toEqual([null, null]);
  });
});

describe('a message', () => {
  test('says what happened, with replies, and what can be done', async () => {
    const id = await enqueue('ada', { targets: ['workspace-42'] });
    await fail(id);
    const page = await client.see(`/messages/${id}`);
    for (const text of [
      '<h1>Hello Ada</h1>',
      'Failed after 1 attempt: there is no such mailbox',
      'When the cause is fixed: press &quot;Retry&quot;, or, if the address is wrong',
      'no such user &lt;here&gt;',
      'ada@example.com',
      'workspace-42',
      '>Retry<',
    ])
      expect(page).toContain(text);
    expect((await client.visit('/messages/0199f3a0-7b1c-4000-8000-00000000002a')).status).toBe(404);
    expect((await client.visit('/messages/1')).status).toBe(404);
  });

  test('names buttons and pages of the console, not commands, and nothing that only a developer knows', async () => {
    const states = [
      ['failed', 'refused', 'press &quot;Retry&quot;'],
      ['held', 'worker_lost', 'press &quot;Release&quot;, or &quot;Cancel&quot;'],
      [
        'inhibited',
        'suppressed',
        'remove the address on the page &quot;Suppressions&quot;, then press &quot;Retry&quot;',
      ],
      ['inhibited', 'template_disabled', 'Press &quot;Enable&quot; on the page of greeting'],
      ['inhibited', 'preference', 'turn greeting on for this recipient, on the page &quot;Recipients&quot;'],
    ] as const;
    for (const [state, reason, remedy] of states) {
      const id = await enqueue('ada');
      const settled = state === 'held' ? '' : ', settled_at = now()';
      await database.pool.query(
        `UPDATE herald.message SET status = '${state}', reason = '${reason}', attempts = 3, counted = 1${settled} WHERE id = $1`,
        [id],
      );
      const page = await client.see(`/messages/${id}`);
      expect(page, reason).toContain(remedy);
      expect(page, reason).toContain('1, and 2 more that failed through no fault of the message');
      expect(page).not.toMatch(
        /pg-herald (retry|release|preferences|suppressions|templates)|>Job<|When unknown|counted/,
      );
    }
  });

  test('offers no button that its state refuses', async () => {
    const id = await enqueue('ada');
    await fail(id);
    await database.pool.query(`SELECT herald.erase(recipient_id => 'ada')`);
    expect(await client.see(`/messages/${id}`)).not.toContain('>Retry<');
  });

  test('names who held or cancelled it from the console, and why', async () => {
    const [held, cancelled] = [await enqueue('ada'), await enqueue('ada')];
    await client.see('/suppressions');
    await client.submit(`/messages/${held}/hold`, { why: 'check it' });
    await client.submit(`/messages/${cancelled}/cancel`, { why: 'wrong list' });
    expect(await client.see(`/messages/${held}`)).toContain('Held by Grace (check it).');
    expect(await client.see(`/messages/${cancelled}`)).toContain('Cancelled by Grace (wrong list) before it was sent.');
    const bulk = await enqueue('bulk');
    await client.submit('/messages/all/cancel', { recipient: 'bulk', why: 'a test' });
    expect(await client.see(`/messages/${bulk}`)).toContain('Cancelled by Grace (a test) before it was sent.');
  });

  test('shows what came back, and what to do about it', async () => {
    const id = await enqueue('ada');
    await database.pool.query(
      `UPDATE herald.message SET status = 'sent', attempts = 1, settled_at = now() WHERE id = $1`,
      [id],
    );
    await database.pool.query(
      `INSERT INTO herald.report (message_id, kind, effect, status_code, reply_text, reporter, source, source_id)
       VALUES ($1, 'bounce', 'dead', '5.1.1', 'no <b>such</b> user', 'mx.example.com', 'mail', 'x')`,
      [id],
    );
    const page = await client.see(`/messages/${id}`);
    expect(page).toMatch(/It was returned \d+ s later by mx\.example\.com: 5\.1\.1\./);
    expect(page).toContain('no &lt;b&gt;such&lt;/b&gt; user');
    expect(page).toContain('If the address is wrong, correct it');
    await database.pool.query('TRUNCATE herald.report');
  });

  test('shows its email in a sandboxed frame, as text, and as source', async () => {
    const id = await enqueue('ada');
    expect(await client.see(`/messages/${id}`)).toMatch(
      /<iframe [^>]*src="\/messages\/[^"]+\/frame\?scheme=light" sandbox=""/,
    );
    const frame = await client.visit(`/messages/${id}/frame?scheme=dark`);
    expect(frame.headers.get('content-security-policy')).toMatch(
      /^sandbox; default-src 'none'; .*frame-ancestors 'self'$/,
    );
    const html = await frame.text();
    expect(html).toContain('Dear <strong');
    expect(html).not.toContain('prefers-color-scheme');
    expect(await client.see(`/messages/${id}?view=text`)).toContain('Dear Ada, welcome.');
    const source = await client.see(`/messages/${id}?view=source`);
    for (const line of [
      'From: Acme &lt;noreply@acme.example&gt;',
      'To: ada@example.com',
      'Subject: Hello Ada',
      `Message-ID: &lt;${id}@acme.example&gt;`,
    ])
      expect(source).toContain(line);
  });

  test('shows hostile labels as text everywhere', async () => {
    const hostile = `<img src=x onerror="alert(1)"><script>alert(2)</script>'"&lt;`;
    const id = await enqueue('<b>eve</b>', {
      labels: { who: hostile },
      targets: [hostile],
      to: { id: '<b>eve</b>', email: 'eve@example.com', name: hostile },
    });
    await fail(id, 'refused');
    await database.pool.query('UPDATE herald.attempt SET reply_text = $1, worker = $1', [hostile]);
    const pages = await Promise.all(
      [
        '/',
        '/messages',
        `/messages/${id}`,
        ...['text', 'source', 'labels'].map((view) => `/messages/${id}?view=${view}`),
        `/messages?target=${encodeURIComponent(hostile)}`,
        '/messages/all/retry?recipient=%3Cscript%3E',
      ].map((path) => client.see(path)),
    );
    for (const page of [...pages, await client.see(`/messages/${id}/frame`)]) {
      expect(page).not.toMatch(/<img src=x|<script>|<b>eve/);
      expect(page).not.toMatch(/onerror=["']/);
    }
    expect(pages[2]).toContain('&lt;script&gt;');
  });

  test('never shows a secret label, stored in clear or encrypted, in any view', async () => {
    const template = defineTemplate({
      name: 'code',
      labels: v.object({ who: v.string(), code: v.string() }),
      secrets: ['code'],
    });
    const box = createSecretBox([Buffer.alloc(32, 3).toString('base64')]);
    for (const source of [herald, createHerald({ encryptLabels: labelSecrets(box).encryptLabels })]) {
      const [message] = await source.enqueue(database.pool, template, {
        autocommit: true,
        to: { id: 'ada', email: 'ada@example.com' },
        labels: { who: 'Ada', code: '4F9K-27QX' },
      });
      const path = `/messages/${message?.id}`;
      const views = ['', '?view=text', '?view=source', '?view=labels', '/frame'].map((view) => client.see(path + view));
      const text = (await Promise.all(views)).join('');
      expect(text).toContain('code ••••••');
      expect(text).toContain('secret, not shown');
      expect(text).not.toMatch(/4F9K|herald1\./);
    }
  });
});

describe('an action on one message', () => {
  const status = async (id: string) =>
    (await database.pool.query('SELECT status FROM herald.message WHERE id = $1', [id])).rows[0]?.status;

  test('retries, holds, releases and cancels, each with who and why in the audit', async () => {
    const id = await enqueue('ada');
    await fail(id);
    await client.submit(`/messages/${id}/retry`, { why: 'mailbox is back' });
    expect(await status(id)).toBe('pending');
    expect(await client.see(`/messages/${id}`)).toContain('It will be delivered again.');
    await client.submit(`/messages/${id}/hold`);
    expect(await status(id)).toBe('held');
    await client.submit(`/messages/${id}/release`);
    expect(await status(id)).toBe('pending');
    await client.submit(`/messages/${id}/cancel`);
    expect(await status(id)).toBe('cancelled');
    expect((await audits(database)).map((row) => [row.actor, row.action, row.subject, row.why])).toEqual([
      ['Grace', 'retry', id, 'mailbox is back'],
      ['Grace', 'hold', id, null],
      ['Grace', 'release', id, null],
      ['Grace', 'cancel', id, null],
    ]);
  });

  test('sends a webhook call again that its receiver lost, and offers that for no email', async () => {
    const id = await enqueue('ada');
    await database.pool.query(`UPDATE herald.message SET status = 'sent', settled_at = now()`);
    expect(await client.see(`/messages/${id}`)).not.toContain('Send again');
    await database.pool.query(`UPDATE herald.message SET method = 'webhook'`);
    expect(await client.see(`/messages/${id}`)).toContain('>Send again<');
    await client.submit(`/messages/${id}/replay`, { why: 'they lost it' });
    expect(await status(id)).toBe('pending');
    expect(await client.see(`/messages/${id}`)).toContain('It will be sent again, with the same id.');
    expect(await audits(database)).toMatchObject([{ action: 'replay', subject: id, why: 'they lost it' }]);
  });

  test('that comes too late changes nothing, says so, and is not recorded', async () => {
    const id = await enqueue('ada');
    await database.pool.query(`UPDATE herald.message SET status = 'sent', settled_at = now()`);
    await client.submit(`/messages/${id}/cancel`);
    expect(await client.see(`/messages/${id}`)).toContain('Too late');
    expect(await status(id)).toBe('sent');
    expect(await audits(database)).toEqual([]);
    expect((await client.submit(`/messages/${id}/explode`)).status).toBe(404);
  });

  test('suppresses the address, which the audit does not name', async () => {
    const id = await enqueue('ada');
    expect((await client.submit(`/messages/${id}/suppress`, { why: '' })).status).toBe(403);
    await client.submit(`/messages/${id}/suppress`, { why: 'left the company' });
    const { rows } = await database.pool.query('SELECT method, address, reason FROM herald.suppression');
    expect(rows).toEqual([{ method: 'smtp', address: 'ada@example.com', reason: 'left the company' }]);
    expect(await audits(database)).toMatchObject([
      { action: 'suppressions add', subject: 'smtp', why: 'left the company' },
    ]);
    expect(JSON.stringify(await audits(database))).not.toContain('ada@');
  });
});

describe('an action on all that match', () => {
  test('shows the count first, then changes exactly those, and records the count and the fields', async () => {
    const failed = [await enqueue('ada', { targets: ['w1'] }), await enqueue('ada', { targets: ['w1'] })];
    for (const id of failed) await fail(id, 'refused');
    const [other, waiting] = [await enqueue('bob'), await enqueue('ada', { targets: ['w1'] })];
    await fail(other, 'refused');
    const page = await client.see('/messages/all/retry?target=w1&reason=refused');
    expect(page).toContain('<strong>2 messages</strong>');
    expect(idsOn(page)).toEqual(failed.toReversed());
    const answer = await client.submit('/messages/all/retry', {
      target: 'w1',
      reason: 'refused',
      why: 'relay repaired',
    });
    expect(answer.headers.get('location')).toBe('/messages?target=w1&reason=refused');
    expect(await client.see('/messages')).toContain('2 messages will be delivered again.');
    const { rows } = await database.pool.query('SELECT id, status FROM herald.message ORDER BY created_at, id');
    expect(rows.map((row) => [row.id, row.status])).toEqual([
      [failed[0], 'pending'],
      [failed[1], 'pending'],
      [other, 'failed'],
      [waiting, 'pending'],
    ]);
    expect(await audits(database)).toMatchObject([
      { action: 'retry', subject: null, why: 'relay repaired', detail: { count: 2, where: ['target', 'reason'] } },
    ]);
  });

  test('stops counting at 10,000', async () => {
    await enqueue('many', { targets: ['many'] });
    await database.pool.query(
      `INSERT INTO herald.message SELECT copy.* FROM herald.message m, generate_series(1, 10000) n,
         LATERAL jsonb_populate_record(m, jsonb_build_object('id', md5(n::text))) copy
       WHERE m.targets @> '{many}'`,
    );
    const page = await client.see('/messages/all/cancel?target=many');
    expect(page).toContain('<strong>more than 10,000 messages</strong>');
    expect(page).toContain('At most 100,000 of them, the oldest, are changed at once.');
  });

  test('counts among a bounded number of rows, and says whether there may be more', async () => {
    await enqueue('many', { targets: ['many'] });
    await database.pool.query(
      `INSERT INTO herald.message SELECT copy.* FROM herald.message m, generate_series(1, 99) n,
         LATERAL jsonb_populate_record(m, jsonb_build_object('id', md5(n::text), 'method', CASE WHEN n % 2 = 0 THEN 'smtp' ELSE 'other' END)) copy`,
    );
    expect(await countRecent(database.pool, { method: 'other' }, { mostRows: 100 })).toEqual({
      count: 50,
      complete: true,
    });
    const partial = await countRecent(database.pool, { method: 'other' }, { mostRows: 50 });
    expect(partial.complete).toBe(false);
    expect(partial.count).toBeLessThan(50);
  });

  test.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])(
    'is not %s, on one message or on all, and nothing is recorded',
    async (action) => {
      const id = await enqueue('ada');
      expect((await client.submit(`/messages/${id}/${action}`, { why: 'x' })).status).toBe(404);
      expect((await client.submit(`/messages/all/${action}`, { why: 'x' })).status).toBe(404);
      expect((await client.visit(`/messages/all/${action}`)).status).toBe(404);
      expect(await audits(database)).toEqual([]);
      const { rows } = await database.pool.query('SELECT status FROM herald.message WHERE id = $1', [id]);
      expect(rows).toEqual([{ status: 'pending' }]);
    },
  );

  test('records a reason without control characters', async () => {
    const id = await enqueue('ada');
    await fail(id);
    await client.submit(`/messages/${id}/retry`, { why: 'it is \u001b]52;c;cm0=\u0007back\u202e\u0085' });
    expect(await audits(database)).toMatchObject([{ why: 'it is  ]52;c;cm0= back' }]);
  });

  test('says so when nothing matches, and knows its actions', async () => {
    expect(await client.see('/messages/all/release?recipient=nobody')).toContain(
      'No message matches that this action applies to.',
    );
    expect((await client.visit('/messages/all/explode')).status).toBe(404);
  });
});
