/** Templates, endpoints, recipients, suppressions and audit. */
import { Pool } from 'pg';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { compareLines } from '../../src/console/pages/templates.ts';
import { endpoints } from '../../src/operate/endpoints.ts';
import { createSecretBox } from '../../src/secrets.ts';
import { greetingFile, putTemplates, scriptedDispatcher, testWorker } from '../support/application.ts';
import { startHttpServer } from '../support/http-server.ts';
import { until } from '../support/wait.ts';
import { audits, createClient, type Client, useConsoleDatabase } from './support.ts';

const keys = [Buffer.alloc(32, 5).toString('base64')];
const egress = { allowCidrs: ['127.0.0.0/8'] };
const files = {
  greeting: greetingFile.replace(
    'group:',
    'example: { recipient: { name: Lin }, labels: { who: "Ada & Bob" }, data: { n: 3 } }\nactions: [{ label: Open, url: "{{baseUrl}}/open" }]\ngroup:',
  ),
  bare: greetingFile,
};
const database = useConsoleDatabase();
let client: Client;
beforeAll(async () => {
  await putTemplates(database.pool, files);
  const brand = { appName: 'Acme', baseUrl: 'https://acme.example' };
  client = createClient(database, { brand, secretKeys: keys, egress });
  await client.see('/suppressions');
});
afterEach(() => database.pool.query('TRUNCATE herald.audit, herald.endpoint, herald.suppression, herald.preference'));

describe('the overview', () => {
  test('says everything that is wrong, paused senders included', async () => {
    await database.pool.query(
      `INSERT INTO herald.sender (method, name, paused_at, pause_reason, pause_detail, probe_at, max_connections)
       VALUES ('smtp', 'backup', '2026-11-24T09:30:00Z', 'authentication', '535 5.7.8', '2026-11-24T09:31:00Z', NULL), ('smtp', 'main', NULL, NULL, NULL, NULL, 4)`,
    );
    await database.pool.query(
      `UPDATE herald.method SET paused_at = now(), pause_kind = 'operator' WHERE name = 'webhook'`,
    );
    const fresh = createClient(database);
    await fresh.see('/suppressions');
    // Counts are read beside the page, which shows them as soon as they are there.
    await until(async () => (await fresh.see('/')).includes('class="summary bad"'));
    const page = (await fresh.see('/')).replace(/<[^>]+>/g, '').replace(/\s+/g, ' ');
    expect(page).toContain('No worker is connected: nothing is delivered.');
    expect(page).toContain('Paused: webhook. Paused senders: backup (smtp).');
    expect(page).toContain(
      'backupsmtp paused since 2026-11-24 09:30:00 UTC: authentication, 535 5.7.8; tried again at 2026-11-24 09:31:00 UTC as configured',
    );
    expect(page).toContain('mainsmtp in use 4 connections per worker, limited by its server');
    await database.pool.query('TRUNCATE herald.sender');
    await database.pool.query(`UPDATE herald.method SET paused_at = NULL, pause_kind = NULL`);
    await fresh.close();
  });

  test('says that messages wait for a method that no worker delivers', async () => {
    const other = testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() } });
    await other.start();
    await database.pool.query('SELECT herald.enqueue($1::jsonb)', [
      { template: 'greeting', to: [{ id: 'zoe' }], methods: ['webhook'], labels: { who: 'Zoë' } },
    ]);
    await database.pool.query(`UPDATE herald.message SET status = 'pending', reason = NULL, settled_at = NULL`);
    const fresh = createClient(database);
    await until(async () => (await fresh.see('/')).includes('class="summary warn"'));
    const page = await fresh.see('/');
    expect(page).toContain('Without a worker that delivers it: webhook. 1 worker connected.');
    expect(page).toMatch(/webhook<\/th>\s*<td data-label="State"><span class="status held"[^>]*>no worker</);
    await fresh.close();
    await other.stop();
    await database.pool.query('TRUNCATE herald.message, herald.notification CASCADE');
  });
});

describe('templates', () => {
  test('are listed with what an operator must know, and are disabled with a reason', async () => {
    expect(await client.see('/templates')).toMatch(
      /greeting<\/a>[\s\S]*Greetings[\s\S]*in use[\s\S]*<code>who<\/code>/,
    );
    await client.submit('/templates/greeting/disable', { why: 'wrong text' });
    expect(await client.see('/templates/greeting')).toContain('disabled');
    await client.submit('/templates/greeting/enable');
    expect(await audits(database)).toMatchObject([
      { action: 'templates set', subject: 'greeting', why: 'wrong text', detail: { enabled: false } },
      { action: 'templates set', subject: 'greeting', detail: { enabled: true } },
    ]);
    expect((await client.visit('/templates/none')).status).toBe(404);
    expect((await client.submit('/templates/none/disable', { why: 'x' })).status).toBe(404);
  });

  test('show what changed between two versions', async () => {
    await putTemplates(database.pool, { ...files, bare: greetingFile.replace('welcome', 'well <met>') });
    const page = await client.see('/templates/bare?from=1&to=2');
    expect(page).toContain('Changes from version 1 to 2');
    expect(page).toContain('<del>Dear **{{labels.who}}**, welcome.</del>');
    expect(page).toContain('<ins>Dear **{{labels.who}}**, well &lt;met&gt;.</ins>');
    expect(page).toContain('<span>title: Hello {{labels.who}}</span>');
    expect(await client.see('/templates/bare/preview?version=1&view=text')).toContain('welcome');
    expect(await client.see('/templates/bare/preview?view=text')).toContain('well &lt;met&gt;');
  });

  test('are previewed with the example of their file, or with values typed in', async () => {
    const page = await client.see('/templates/greeting/preview');
    expect(page).toContain('Hello Ada &amp; Bob');
    expect(page).toContain('name="label.who" value="Ada &amp; Bob"');
    expect(page).toMatch(/<iframe [^>]*src="\/templates\/greeting\/frame\?[^"]*scheme=light" sandbox=""/);
    const own = `label.who=${encodeURIComponent('<i>Eve</i>')}`;
    const frame = await client.visit(`/templates/greeting/frame?${own}&scheme=dark`);
    expect(frame.headers.get('content-security-policy')).toMatch(/^sandbox;/);
    expect(await frame.text()).toContain('&lt;i&gt;Eve&lt;/i&gt;');
    expect(await client.see(`/templates/greeting/preview?${own}`)).toContain('Hello &lt;i&gt;Eve&lt;/i&gt;');
    expect(await client.see('/templates/bare/preview')).toContain('Hello [who]');
    expect(await client.see('/templates/greeting/preview?data=%7B')).toContain('The data is not valid JSON.');
  });

  test('are previewed in each of their languages, and compared in all of them', async () => {
    await putTemplates(database.pool, {
      spoken: '---\ntitle: Hello\n---\nHi on {{date data.at}}\n',
      'spoken.de': '---\ntitle: Hallo\n---\nTag am {{date data.at}}\n',
    });
    const data = `data=${encodeURIComponent('{"at":"2026-12-23"}')}`;
    const page = await client.see(`/templates/spoken/preview?${data}`);
    expect(page).toMatch(/name="language"[\s\S]*<option value="en" selected>en[\s\S]*<option value="de">de/);
    expect(page).toContain('<strong>Hello</strong>');
    const german = await client.see(`/templates/spoken/preview?view=text&language=de&${data}`);
    expect(german).toContain('Tag am 23. Dez. 2026');
    expect(german).toMatch(/<option value="de" selected>de/);
    expect(await client.see(`/templates/spoken/preview?view=text&locale=de_AT.UTF-8&${data}`)).toContain('Tag am');
    const stored = await client.see('/templates/spoken');
    expect(stored).toContain('title: Hallo');
    expect(stored).toContain('en, de');
  });

  test.each([
    ['text', 'Dear Ada &amp; Bob, welcome.'],
    ['source', 'Subject: Hello Ada &amp; Bob'],
    ['standard', '&quot;type&quot;: &quot;notification.greeting&quot;'],
    ['slack', '&quot;blocks&quot;'],
    ['teams', '&quot;AdaptiveCard&quot;'],
    ['discord', '&quot;embeds&quot;'],
    ['pagerduty', '&quot;event_action&quot;: &quot;trigger&quot;'],
    ['ntfy', '&quot;topic&quot;'],
  ])('are shown as %s', async (view, text) => {
    expect(await client.see(`/templates/greeting/preview?view=${view}`)).toContain(text);
  });
});

describe('a test email from a preview', () => {
  const sent = async () => {
    const { rows } = await database.pool.query(
      `SELECT m.id, m.method, m.address, m.recipient, n.labels, n.data, m.secrets, m.created_by AS by
       FROM herald.message m JOIN herald.notification n ON n.id = m.notification_id ORDER BY m.id`,
    );
    await database.pool.query('TRUNCATE herald.message, herald.notification CASCADE');
    return rows;
  };

  test('has the values that were typed in, goes to the address, and leads to its message', async () => {
    const typed = 'label.who=Zo%C3%AB%0Aand%20Lin&data=%7B%22n%22%3A4%7D&locale=de';
    const page = await client.see(`/templates/greeting/preview?${typed}`);
    expect(page).toContain('action="/templates/greeting/test"');
    expect(page).toMatch(/type="hidden" name="label\.who" value="Zoë\nand Lin"/);
    const form = { 'label.who': 'Zoë\nand Lin', data: '{"n":4}', locale: 'de', name: 'Lin', to: 'Me@Example.com' };
    const answer = await client.submit('/templates/greeting/test', form);
    const [message] = await sent();
    expect(answer.headers.get('location')).toBe(`/messages/${message?.id}`);
    expect(message).toMatchObject({
      ...{ method: 'smtp', address: 'me@example.com', by: 'console Grace', data: { n: 4 } },
      labels: { who: 'Zoë\nand Lin' },
      recipient: { email: 'Me@Example.com', name: 'Lin', locale: 'de' },
    });
    expect(await audits(database)).toMatchObject([{ action: 'templates test', subject: 'greeting', actor: 'Grace' }]);
    expect(JSON.stringify(await audits(database))).not.toContain('xample.com');
  });

  test('has its secret labels encrypted, and is refused without a key', async () => {
    await putTemplates(database.pool, {
      code: greetingFile.replace('group:', 'secrets: [code]\ngroup:').replace('Hello', 'Code {{labels.code}} for'),
    });
    const form = { 'label.who': 'Zoë', 'label.code': 'PLAIN', to: 'me@example.com' };
    await client.submit('/templates/code/test', form);
    expect((await sent())[0]?.secrets.code).toMatch(/^herald1\./);
    const keyless = createClient(database);
    await keyless.see('/suppressions');
    const answer = await keyless.submit('/templates/code/test', form);
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain('HERALD_SECRET_KEY');
    expect(await sent()).toEqual([]);
  });

  test('is refused with what is wrong, and offered neither of an old version nor to those who only read', async () => {
    for (const [form, wrong] of [
      [{ to: 'nobody' }, 'name@example.com'],
      [{ to: 'a@example.com', data: '{' }, 'The data is not valid JSON.'],
      [{}, 'Give the address that the test goes to.'],
    ] as const) {
      const answer = await client.submit('/templates/greeting/test', { 'label.who': 'Zoë', ...form });
      expect(answer.status).toBe(403);
      expect(await answer.text()).toContain(wrong);
    }
    expect((await client.submit('/templates/none/test', { to: 'a@example.com' })).status).toBe(404);
    expect(await sent()).toEqual([]);
    const reader = createClient(database, { readOnly: true });
    expect(await reader.see('/templates/greeting/preview')).not.toContain('/greeting/test');
    await putTemplates(database.pool, { ...files, bare: greetingFile.replace('welcome', 'good day') });
    expect(await client.see('/templates/bare/preview?version=1')).not.toContain('/bare/test');
  });
});

describe('endpoints', () => {
  const add = async (url: string) => {
    const stored = endpoints(database.pool, { secrets: createSecretBox(keys), egress });
    return (await stored.add({ name: 'Billing <1>', url })).id;
  };

  test('are tested by a signed call whose answer is explained, and show no path and no secret', async () => {
    const receiver = await startHttpServer({ answer: () => ({ status: 401 }) });
    const id = await add(`${receiver.url}/secret-path`);
    await client.submit(`/endpoints/${id}/test`);
    const page = await client.see(`/endpoints/${id}`);
    await receiver.close();
    expect(receiver.received()[0]?.headers['webhook-signature']).toMatch(/^v1,/);
    expect(page).toContain('HTTP 401');
    const list = await client.see('/endpoints');
    expect(list).toContain(`<a href="/endpoints/${id}">Billing &lt;1&gt;</a>`);
    expect(page + list).not.toMatch(/secret-path|whsec_|herald1\./);
    expect(await audits(database)).toMatchObject([{ action: 'endpoints test', subject: id }]);
  });

  test('get no test call where calls are captured, because it would really be sent', async () => {
    const receiver = await startHttpServer();
    const id = await add(receiver.url);
    const captured = { list: () => [], forMessage: () => [] };
    const catching = createClient(database, { secretKeys: keys, egress, captured });
    expect(await catching.see(`/endpoints/${id}`)).not.toContain('Send a test call');
    const answer = await catching.submit(`/endpoints/${id}/test`);
    expect([answer.status, receiver.count()]).toEqual([403, 0]);
    expect(await answer.text()).toContain('a test call would really be sent');
    await receiver.close();
  });

  test('are added, with a secret that is shown once, and whose path is never shown', async () => {
    const form = {
      url: 'https://hooks.example.com/secret-path',
      name: 'Hooks',
      format: 'standard',
      owner: 'recipient',
    };
    const answer = await client.submit('/endpoints/add', { ...form, id: 'ada', groups: 'Builds, Alerts' });
    expect(answer.status).toBe(200);
    const secret = /whsec_[\w+/=]+/.exec(await answer.text())?.[0];
    const [added] = await endpoints(database.pool).list();
    expect(added).toMatchObject({
      name: 'Hooks',
      recipientId: 'ada',
      groups: ['Builds', 'Alerts'],
      format: 'standard',
    });
    const { rows } = await database.pool.query('SELECT sealed FROM herald.endpoint');
    expect(createSecretBox(keys).decrypt(rows[0].sealed, `endpoint:${added?.id}`)).toContain(secret);
    const page = await client.see(`/endpoints/${added?.id}`);
    expect(page).not.toMatch(/secret-path|whsec_/);
    expect(await audits(database)).toMatchObject([{ action: 'endpoints add', subject: added?.id }]);
    expect(JSON.stringify(await audits(database))).not.toMatch(/secret-path|whsec_/);
  });

  test.each([
    [{ url: 'not a URL' }, 'URL'],
    [{ url: 'http://127.0.0.1/' }, 'public https: URL'],
    [{ url: 'https://a.example/', owner: 'tenant', id: '' }, 'tenant'],
    [{ url: 'https://a.example/', secret: 'guessable' }, 'secret'],
  ])('are not added from %j, and the page says what is wrong', async (form, wrong) => {
    const strict = createClient(database, { secretKeys: keys });
    await strict.see('/endpoints');
    const answer = await strict.submit('/endpoints/add', form);
    expect(answer.status).toBe(403);
    const page = await answer.text();
    expect(page).toContain(wrong);
    expect(page).not.toContain('guessable');
    expect(await endpoints(database.pool).list()).toEqual([]);
  });

  test('get a new secret, which is shown once', async () => {
    const id = await add('https://hooks.example.com/in');
    const secretOf = async (form: Record<string, string>) =>
      /whsec_[\w+/=]+/.exec(await (await client.submit(`/endpoints/${id}/rotate`, form)).text())?.[0];
    const first = await secretOf({ overlap: '86400', why: 'yearly' });
    const second = await secretOf({ overlap: '0', why: 'leaked' });
    expect(first).not.toBe(second);
    expect(await client.see(`/endpoints/${id}`)).not.toContain('whsec_');
    expect((await audits(database)).map(({ action, why }) => [action, why])).toEqual([
      ['endpoints rotate', 'yearly'],
      ['endpoints rotate', 'leaked'],
    ]);
  });

  test('show their limits and messages, and send again what they got', async () => {
    const id = await add('https://hooks.example.com/in');
    await database.pool.query('SELECT herald.enqueue($1::jsonb)', [
      { template: 'greeting', to: [{ id: 'zoe' }], methods: ['webhook'], labels: { who: 'Zoë' } },
    ]);
    await database.pool.query(`UPDATE herald.message SET status = 'sent', settled_at = now()`);
    const page = await client.see(`/endpoints/${id}`);
    expect(page).toContain('POST, at most 20 s each, 10 at once from each worker');
    expect(page).toContain('>Hello Zoë</a>');
    // Messages of one notification to two endpoints are told apart.
    expect(page).toContain('zoe <span class="reason">to Billing &lt;1&gt;</span>');
    const message = /\/messages\/[0-9a-f-]{36}/.exec(page)?.[0] ?? '';
    expect(await client.see(message)).toContain(`<dd><a href="/endpoints/${id}">Billing &lt;1&gt;</a></dd>`);
    expect(await client.see(`/messages?endpoint=${id}`)).toContain('1 message');
    expect(await client.see('/messages?endpoint=0199f3a0-7b1c-4000-8000-00000000002a')).toContain('No message matches');
    expect((await client.submit(`/endpoints/${id}/replay`, { hours: '9999', why: 'x' })).status).toBe(403);
    await client.submit(`/endpoints/${id}/replay`, { hours: '24', why: 'they lost it' });
    expect(await client.see(`/endpoints/${id}`)).toContain('1 message will be sent again');
    expect((await database.pool.query('SELECT status FROM herald.message')).rows).toEqual([{ status: 'pending' }]);
    await client.submit(`/endpoints/${id}/remove`, { why: 'moved' });
    expect(await client.see('/endpoints')).toContain('Removed. 1 waiting message cancelled.');
    expect((await client.visit(`/endpoints/${id}`)).status).toBe(404);
    expect((await audits(database)).map(({ action, why, detail }) => [action, why, detail])).toEqual([
      ['endpoints replay', 'they lost it', { sent: 1, since: expect.any(String) }],
      ['endpoints remove', 'moved', { cancelled: 1 }],
    ]);
    await database.pool.query('TRUNCATE herald.message, herald.notification CASCADE');
  });

  test('are disabled and enabled, with a reason in the audit', async () => {
    const id = await add('http://127.0.0.1:9/');
    await client.submit(`/endpoints/${id}/disable`, { why: 'they asked for it' });
    expect(await endpoints(database.pool).list()).toMatchObject([{ state: 'disabled', disabledReason: 'operator' }]);
    expect(await client.see('/endpoints')).toContain('by an operator');
    await client.submit(`/endpoints/${id}/enable`);
    expect(await endpoints(database.pool).list()).toMatchObject([{ state: 'healthy' }]);
    expect((await audits(database)).map((row) => [row.action, row.subject, row.why])).toEqual([
      ['endpoints disable', id, 'they asked for it'],
      ['endpoints enable', id, null],
    ]);
    for (const action of ['enable', 'disable', 'test', 'rotate', 'remove'])
      for (const unknown of ['0199f3a0-7b1c-4000-8000-00000000002a', '1'])
        expect((await client.submit(`/endpoints/${unknown}/${action}`)).status, `${action} ${unknown}`).toBe(404);
  });

  test('cannot be tested, added or rotated without their key, and say which setting is missing', async () => {
    const id = await add('http://127.0.0.1:9/');
    const keyless = createClient(database);
    await keyless.see('/endpoints');
    for (const path of [`${id}/test`, `${id}/rotate`, 'add']) {
      const answer = await keyless.submit(`/endpoints/${path}`, { url: 'https://a.example/' });
      expect(answer.status).toBe(403);
      expect(await answer.text()).toContain('HERALD_SECRET_KEY');
    }
    const other = createClient(database, { secretKeys: [Buffer.alloc(32, 6).toString('base64')] });
    await other.see('/endpoints');
    await other.submit(`/endpoints/${id}/test`);
    expect(await other.see(`/endpoints/${id}`)).toMatch(
      /the key &quot;[0-9a-f]{8}&quot; that encrypted a secret is not configured/,
    );
  });
});

describe('a recipient', () => {
  test('is found by id or address, and shown with name, address and endpoints', async () => {
    const enqueue = (id: string, email: string) =>
      database.pool.query('SELECT herald.enqueue($1::jsonb)', [
        { template: 'greeting', to: [{ id, email, name: 'Ada <1>' }], labels: { who: 'Ada' } },
      ]);
    await enqueue('user-1', 'ada@example.com');
    await enqueue('user-2', 'shared@example.com');
    await enqueue('user-3', 'shared@example.com');
    for (const asked of ['user-1', 'ADA%40example.com']) {
      const page = await client.see(`/recipients?id=${asked}`);
      expect(page).toContain('<dd>user-1</dd>');
      expect(page).toContain('<dd>Ada &lt;1&gt;</dd>');
      expect(page).toContain('<dd>ada@example.com</dd>');
    }
    const shared = await client.see('/recipients?id=shared%40example.com');
    expect(shared).toContain('<dd>user-2</dd>');
    expect(shared).toContain('href="/recipients?id=user-3"');
    await database.pool.query('TRUNCATE herald.message, herald.notification CASCADE');
  });

  test('has hours that are set, changed and removed, and the audit does not say whose they are', async () => {
    const words = async () => (await client.see('/recipients?id=ada')).replace(/<[^>]+>/g, '').replace(/\s+/g, ' ');
    const submit = (fields: Record<string, string>) => client.submit('/recipients/hours', { id: 'ada', ...fields });
    expect(await words()).toContain('Quiet hours None: messages are sent at any time.');
    await submit({ choice: 'set', windows: 'mon-fri 08:00-20:00; always' });
    expect(await words()).toContain(
      'May be reached mon-fri 08:00-20:00; 00:00-24:00 UTC, by the hours of the recipient. Messages are sent now.',
    );
    expect((await submit({ choice: 'set', windows: '8-20' })).status).toBe(403);
    expect((await submit({ choice: 'set', windows: 'mo 08:00-20:00' })).status).toBe(403);
    await submit({ choice: 'remove' });
    expect((await database.pool.query('SELECT FROM herald.hours')).rowCount).toBe(0);
    expect(await audits(database)).toMatchObject([
      { action: 'hours set', subject: 'a recipient' },
      { action: 'hours remove', subject: 'a recipient' },
    ]);
  });

  test('has preferences that say which rule decides, and the audit does not say whose they are', async () => {
    const choose = (choice: string) =>
      client.submit('/recipients/preference', { id: 'ada@example.com', template: 'greeting', method: 'smtp', choice });
    expect(await client.see('/recipients?id=ada%40example.com')).toContain('the template&#39;s default');
    await choose('off');
    expect(await client.see('/recipients?id=ada%40example.com')).toContain('the recipient&#39;s choice');
    expect((await database.pool.query('SELECT enabled FROM herald.preference')).rows).toEqual([{ enabled: false }]);
    await choose('default');
    expect((await database.pool.query('SELECT 1 FROM herald.preference')).rowCount).toBe(0);
    expect((await choose('maybe')).status).toBe(403);
    expect(await audits(database)).toMatchObject([
      { action: 'preferences set', subject: 'greeting', detail: { method: 'smtp', choice: 'off' } },
      { action: 'preferences set', detail: { choice: 'default' } },
    ]);
    expect(JSON.stringify(await audits(database))).not.toContain('ada');
  });
});

describe('workers', () => {
  test('are listed with what they deliver, and whether they are still there', async () => {
    expect(await client.see('/workers')).toContain('No worker has connected yet');
    await database.pool.query(
      `INSERT INTO herald.worker (name, methods, version, seen_at, notified, errors) VALUES
         ('web-1', '{smtp,webhook}', '0.1.0', now(), false, '[{"what": "settle", "code": "57P01", "count": 3}]'),
         ('web-0', '{smtp}', '0.0.9', now() - interval '5 minutes', true, '[]')`,
    );
    const page = (await client.see('/workers')).replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ');
    expect(page).toMatch(
      /web-1 connected slower: the database cannot wake it, so it asks every few seconds smtp, webhook 0\.1\.0 .*settle: 57P01 \(3 times\)/,
    );
    expect(page).toMatch(/web-0 gone last seen 5 min ago smtp 0\.0\.9/);
    await database.pool.query('TRUNCATE herald.worker');
  });
});

describe('suppressions', () => {
  test('are added with a reason, found by address and removed', async () => {
    const entry = { method: 'smtp', address: 'Ada@Example.com' };
    expect((await client.submit('/suppressions/add', entry)).status).toBe(403);
    await client.submit('/suppressions/add', { ...entry, why: 'left' });
    expect(await client.see('/suppressions?address=ADA%40example.com')).toContain('ada@example.com');
    expect(await client.see('/suppressions?address=bob%40example.com')).toContain('This address is not suppressed.');
    await client.submit('/suppressions/remove', entry);
    expect(await client.see('/suppressions')).toContain('No address is suppressed.');
    expect((await audits(database)).map((row) => [row.action, row.subject, row.why])).toEqual([
      ['suppressions add', 'smtp', 'left'],
      ['suppressions remove', 'smtp', null],
    ]);
  });
});

describe('the overview of a read-only database', () => {
  test('says so before everything else', async () => {
    const pool = new Pool({ connectionString: database.url, options: '-c default_transaction_read_only=on' });
    const looker = createClient(database, { pool });
    await until(async () => (await looker.see('/')).includes('class="summary bad"'));
    expect(await looker.see('/')).toContain(
      'The database is read-only: nothing is delivered until it takes changes again.',
    );
    await looker.close();
    await pool.end();
  });
});

describe('the audit', () => {
  test('shows who did what to which and why, and can be narrowed', async () => {
    await client.submit('/methods/smtp/pause', { why: '<b>moving</b>' });
    await client.submit('/methods/smtp/resume');
    const page = await client.see('/audit?subject=smtp');
    expect(page).toContain('&lt;b&gt;moving&lt;/b&gt;');
    expect(page).toContain('Grace');
    expect(await client.see('/audit?subject=webhook')).toContain('Nothing recorded.');
  });
});

describe('a read-only console', () => {
  test('offers no action on any page', async () => {
    await client.submit('/suppressions/add', { method: 'smtp', address: 'a@example.com', why: 'x' });
    const looker = createClient(database, { readOnly: true });
    for (const path of [
      '/',
      '/messages',
      '/templates',
      '/templates/greeting',
      '/endpoints',
      '/recipients?id=ada',
      '/suppressions',
      '/workers',
      '/audit',
    ])
      expect(await looker.see(path), path).not.toMatch(/<form method="post"|<button(?! class="primary">(Search|Show))/);
  });
});

describe('captured emails', () => {
  test('are listed, and shown as text with the message that they belong to', async () => {
    const id = '0199f3a0-7b1c-4000-8000-00000000002a';
    await database.pool.query(
      `SELECT herald.enqueue('{"template":"greeting","to":[{"id":"ada","email":"ada@example.com"}],"labels":{"who":"Ada"}}'::jsonb)`,
    );
    await database.pool.query('UPDATE herald.message SET id = $1', [id]);
    const one = {
      id: '1',
      at: new Date(),
      kind: 'mail',
      messageId: id,
      to: 'ada@example.com',
      title: 'Hello <Ada>',
      raw: Buffer.from('Subject: Hello\n\n<script>1</script>'),
    } as const;
    const withCaptured = createClient(database, {
      captured: { list: () => [one], forMessage: async (messageId) => (messageId === id ? [one] : []) },
    });
    expect(await withCaptured.see('/captured')).toMatch(
      new RegExp(`href="/captured/1">Hello &lt;Ada&gt;[\\s\\S]*href="/messages/${id}"`),
    );
    const page = await withCaptured.see(`/messages/${id}?view=captured`);
    expect(page).toContain('&lt;script&gt;1&lt;/script&gt;');
    expect((await client.visit('/captured')).status).toBe(404);
  });
});

describe('a diff', () => {
  test.each([
    ['a\nb\nc', 'a\nc', 'a -b c'],
    ['a\nc', 'a\nb\nc', 'a +b c'],
    ['a\nb', 'x\nb\ny', '-a +x b +y'],
    ['', '', ''],
    ['same', 'same', 'same'],
    ['a\nb\na\nb', 'b\na', '-a b a -b'],
  ])('of %j and %j is the shortest one', (before, after, expected) => {
    const signs = { same: '', added: '+', removed: '-' } as const;
    expect(
      compareLines(before, after)
        .map(({ kind, text }) => signs[kind] + text)
        .join(' '),
    ).toBe(expected);
  });

  test('of texts with too many differences shows one as removed and the other as added', () => {
    const long = Array.from({ length: 3000 }, (_, i) => String(i)).join('\n');
    expect(compareLines(long, 'x')).toHaveLength(3001);
    expect(compareLines(long, long).every(({ kind }) => kind === 'same')).toBe(true);
  });
});
