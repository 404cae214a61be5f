/** `/u/TOKEN`, as mailbox providers, scanners and people use it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'pg';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { nodeListener } from '../../src/recipients/index.ts';
import { erase } from '../../src/operate/erase.ts';
import { keepingLogger } from '../support/application.ts';
import {
  key,
  links,
  linkTo,
  preferencesLink,
  received,
  stored,
  unsubscribeLink,
  useRecipientPages,
} from './support.ts';

const { database, pages } = useRecipientPages();
const all = ['digest smtp', 'invoice smtp', 'password smtp', 'report smtp', 'report webhook'];
const withoutReports = ['invoice smtp', 'password smtp', 'report webhook'];

const oneClick = (url: string, init: RequestInit = {}) =>
  new Request(url, { method: 'POST', body: new URLSearchParams({ 'List-Unsubscribe': 'One-Click' }), ...init });

async function multipart(url: string): Promise<Request> {
  const form = new FormData();
  form.set('List-Unsubscribe', 'One-Click');
  return new Request(url, { method: 'POST', body: form });
}

describe('the POST of a mailbox provider', () => {
  test.each([
    ['a URL-encoded form', (url: string) => oneClick(url)],
    ['a multipart form', multipart],
    ['the words alone, as text', (url: string) => oneClick(url, { body: 'List-Unsubscribe=One-Click' })],
    ['no body', (url: string) => new Request(url, { method: 'POST' })],
    [
      'a form that is broken',
      (url: string) => oneClick(url, { body: '--x', headers: { 'content-type': 'multipart/form-data; boundary=y' } }),
    ],
    ['parameters of a click tracker', (url: string) => oneClick(`${url}/?utm_source=newsletter`)],
  ])('unsubscribes at once and again, without cookie or redirect: %s', async (name, request) => {
    const id = `user of ${name}`;
    expect(await received(database, id)).toEqual(all);
    for (const _ of [1, 2]) {
      const answer = await pages().fetch(await request(unsubscribeLink(id)));
      expect([answer.status, answer.headers.get('set-cookie'), answer.headers.get('location')]).toEqual([
        200,
        null,
        null,
      ]);
      expect(await received(database, id)).toEqual(withoutReports);
    }
  });

  test('turns off the whole group for that method, also what the recipient had turned on by itself', async () => {
    const choose = (subject: string, method: string, enabled: boolean) =>
      database.pool.query(`SELECT herald.set_preference('chooser', 'template', $1, $3, $2)`, [
        subject,
        method,
        enabled,
      ]);
    await choose('report', '*', true);
    await choose('digest', 'smtp', true);
    await pages().fetch(oneClick(unsubscribeLink('chooser')));
    expect(await received(database, 'chooser')).toEqual(withoutReports);
  });

  test('still acts when the recipient and all their messages were erased', async () => {
    const { rows } = await database.pool.query(
      `SELECT message_id FROM herald.enqueue('{"template": "report", "to": {"id": "gone", "email": "g@example.com"}}')`,
    );
    expect(rows).toHaveLength(2);
    await erase(database.pool, { recipientId: 'gone' });
    await database.pool.query('DELETE FROM herald.message');
    expect((await pages().fetch(oneClick(unsubscribeLink('gone')))).status).toBe(200);
    expect(await received(database, 'gone')).toEqual(withoutReports);
  });

  test('for a template that no longer exists has nothing to turn off, and says that it is off', async () => {
    const answer = await pages().fetch(oneClick(unsubscribeLink('stranger', 'renamed')));
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('You are unsubscribed')]);
  });

  test('for a template that became mandatory says that it is always sent', async () => {
    const answer = await pages().fetch(oneClick(unsubscribeLink('reader', 'invoice')));
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('are always sent')]);
  });
});

describe('a link scanner', () => {
  test('changes nothing by opening every link, however often', async () => {
    const before = await stored(database);
    for (const url of [unsubscribeLink('scanned'), preferencesLink('scanned')])
      for (const method of ['GET', 'HEAD', 'GET', 'OPTIONS', 'PUT', 'DELETE']) {
        const answer = await pages().fetch(new Request(`${url}?List-Unsubscribe=One-Click`, { method }));
        expect(answer.status).toBe(['GET', 'HEAD'].includes(method) ? 200 : 405);
      }
    expect(await stored(database)).toEqual(before);
    expect(await received(database, 'scanned')).toEqual(all);
  });

  test('gets a form with a button, and no address or id of the recipient', async () => {
    const answer = await pages().fetch(new Request(unsubscribeLink('secret-id-7')));
    const text = await answer.text();
    expect(text).toContain('Unsubscribe from “<bdi>Reports</bdi>”?');
    expect(text).toContain('<form method="post"><button type="submit">Unsubscribe</button></form>');
    expect(text).not.toContain('secret-id-7');
    expect(text).not.toMatch(/<script|<iframe|onclick/);
  });
});

describe('a person', () => {
  test('undoes it: each choice becomes what it was', async () => {
    const choose = (scope: string, subject: string, method: string, enabled: boolean) =>
      database.pool.query(`SELECT herald.set_preference('ada', $1, $2, $4, $3)`, [scope, subject, method, enabled]);
    await choose('template', 'digest', 'smtp', false);
    await choose('template', 'report', 'smtp', true);
    const choices = async () =>
      (
        await database.pool.query(
          `SELECT scope, subject, method, enabled FROM herald.preference WHERE recipient_id = 'ada' ORDER BY 1, 2, 3`,
        )
      ).rows;
    const before = await choices();
    const url = unsubscribeLink('ada');
    for (const _ of [1, 2]) {
      await pages().fetch(oneClick(url));
      await pages().fetch(oneClick(url));
      expect(await received(database, 'ada')).toEqual(withoutReports);
      const again = await pages().fetch(oneClick(url, { body: new URLSearchParams({ action: 'resubscribe' }) }));
      expect(await again.text()).toContain('You are subscribed again');
      expect(await choices()).toEqual(before);
    }
  });

  test('subscribes again to what was turned off in another way', async () => {
    await database.pool.query(`SELECT herald.set_preference('bob', 'all', '', false)`);
    const url = unsubscribeLink('bob');
    expect(await (await pages().fetch(new Request(url))).text()).toContain('You are unsubscribed');
    await pages().fetch(oneClick(url, { body: new URLSearchParams({ action: 'resubscribe' }) }));
    expect(await received(database, 'bob')).toEqual(['digest smtp', 'invoice smtp', 'password smtp', 'report smtp']);
  });

  test('can go on to the page of preferences', async () => {
    const text = await (await pages().fetch(new Request(unsubscribeLink('ada')))).text();
    const path = /href="(\/mail\/p\/[\w-]+)"/.exec(text)?.[1];
    expect(`https://app.example${path}`).toBe(preferencesLink('ada'));
  });
});

describe('a link that does not open', () => {
  const statusOf = async (url: string, served = pages()) => {
    const answers = await Promise.all([served.fetch(new Request(url)), served.fetch(oneClick(url))]);
    return answers.map(({ status }) => status);
  };

  test('was cut off, changed or never ours: 404, and nothing changes', async () => {
    const before = await stored(database);
    const url = unsubscribeLink('ada');
    for (const broken of [
      url.slice(0, -1),
      url.slice(0, 60),
      `${url}.`,
      `${url}%3E`,
      url.replace('/u/', '/p/'),
      url.replace('/u/', '/x/'),
      'https://app.example/mail/u/',
      'https://app.example/mail/',
      'https://app.example/',
      `https://app.example/mail/u/${'A'.repeat(5000)}`,
      'https://app.example/mail/u/%00',
    ])
      expect(await statusOf(broken), broken).toEqual([404, 404]);
    expect(await stored(database)).toEqual(before);
  });

  test('is of a retired key: 410, with what to do', async () => {
    const rotated = pages({ links: { ...links, keys: [key(2)] } });
    expect(await statusOf(unsubscribeLink('ada'), rotated)).toEqual([410, 410]);
    expect(await (await rotated.fetch(new Request(unsubscribeLink('ada')))).text()).toContain('This link is too old');
    const both = pages({ links: { ...links, keys: [key(2), key(1)] } });
    expect(await statusOf(unsubscribeLink('ada'), both)).toEqual([200, 200]);
  });

  test('belongs to another tenant than the host: 404', async () => {
    const tenantOf = (request: Request) => (new URL(request.url).hostname === 'app.example' ? 'acme' : null);
    const link = (tenant: string | null) =>
      linkTo('unsubscribe', { recipientId: 'tina', tenant, template: 'report', method: 'smtp' });
    const served = pages({ tenantOf });
    expect(await statusOf(link('other'), served)).toEqual([404, 404]);
    expect(await statusOf(link(null), served)).toEqual([404, 404]);
    expect(await received(database, 'tina')).toEqual(all);
    expect(await statusOf(link('acme'), served)).toEqual([200, 200]);
    expect(await received(database, 'tina')).toEqual(withoutReports);
  });
});

describe('the pages', () => {
  test('answer 503 while the database is away, so that a provider tries again, and log no value', async () => {
    const pool = new Pool({ host: '127.0.0.1', port: 1, connectionTimeoutMillis: 1000 });
    onTestFinished(() => pool.end());
    const logger = keepingLogger();
    const answer = await pages({ pool, logger }).fetch(oneClick(unsubscribeLink('ada@example.com')));
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '60']);
    expect(await answer.text()).toContain('Nothing was changed');
    expect(logger.lines).toMatchObject([{ level: 'warn', fields: { code: 'ECONNREFUSED' } }]);
    expect(JSON.stringify(logger.lines)).not.toContain('ada');
  });

  test('refuse a body that is larger than a form, however it is sent', async () => {
    const body = () =>
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
      });
    const large = new Request(unsubscribeLink('large'), { method: 'POST', body: body(), duplex: 'half' });
    expect((await pages().fetch(large)).status).toBe(413);
    expect(await received(database, 'large')).toEqual(all);
  });

  test('let one link ask the database 60 times a minute', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const served = pages();
    const statuses = [];
    for (let n = 0; n < 62; n += 1) statuses.push((await served.fetch(new Request(unsubscribeLink('eager')))).status);
    expect(statuses.slice(58)).toEqual([200, 200, 429, 429]);
    expect((await served.fetch(new Request(unsubscribeLink('other')))).status).toBe(200);
    vi.setSystemTime(Date.now() + 60_000);
    expect((await served.fetch(new Request(unsubscribeLink('eager')))).status).toBe(200);
  });

  test('tell nobody the link: no referrer, no cache, no index, nothing from elsewhere', async () => {
    const brand = { appName: 'Acme', baseUrl: 'https://acme.example', logoUrl: 'https://cdn.acme.example/logo.png' };
    for (const url of [unsubscribeLink('ada'), preferencesLink('ada'), `${links.url}/u/x`]) {
      const { headers } = await pages({ brand }).fetch(new Request(url));
      expect(Object.fromEntries(headers)).toMatchObject({
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-robots-tag': 'noindex, nofollow',
        'x-content-type-options': 'nosniff',
      });
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; img-src https:\/\/cdn\.acme\.example; /);
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/script-src|unsafe/);
    }
  });

  test("show the brand of the link's tenant, field by field, with images from its own host only", async () => {
    const own = {
      appName: 'Globex',
      color: '#ffcc00',
      logoUrl: 'https://cdn.globex.example/l.png',
      logoDarkUrl: 'https://dark.globex.example/l.png',
      footer: ['Globex, 1 Main Street <&'],
    };
    await database.pool.query(`INSERT INTO herald.tenant (id, brand) VALUES ('globex', $1)`, [JSON.stringify(own)]);
    const brand = { appName: 'Acme', baseUrl: 'https://acme.example' };
    const see = async (tenant: string | null) => {
      const subject = { recipientId: 'gus', tenant, template: 'report', method: 'smtp' };
      const answer = await pages({ brand }).fetch(new Request(linkTo('unsubscribe', subject)));
      return { text: await answer.text(), policy: answer.headers.get('content-security-policy') ?? '' };
    };
    const { text, policy } = await see('globex');
    expect(text).toContain('alt="Globex"');
    expect(text).toContain('Go to <bdi>Globex</bdi>');
    expect(text).toContain('href="https://acme.example"');
    expect(text).toContain('Globex, 1 Main Street &lt;&amp;');
    expect(text).not.toContain('--accent: #0b5cad');
    expect(policy).toContain('img-src https://cdn.globex.example https://dark.globex.example;');
    for (const other of [await see(null), await see('unknown')]) {
      expect(other.text).toContain('Go to <bdi>Acme</bdi>');
      expect(other.policy).toContain("img-src 'none'");
    }
  });

  test('work behind a body parser of node:http servers', async () => {
    const listener = nodeListener(pages());
    const server = createServer((request, response) => {
      void (async () => {
        const chunks = await request.toArray();
        Object.assign(request, { body: Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString())) });
        listener(request, response);
      })();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const post = (action: string) =>
      fetch(`http://127.0.0.1:${port}${new URL(unsubscribeLink('node')).pathname}`, {
        method: 'POST',
        body: new URLSearchParams({ action }),
      });
    expect(await (await post('')).text()).toContain('You are unsubscribed');
    expect(await (await post('resubscribe')).text()).toContain('You are subscribed again');
  });
});
