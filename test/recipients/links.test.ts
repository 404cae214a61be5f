/** The links in messages: from enqueue through a real worker to a real SMTP server. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { ConfigurationError } from '../../src/errors.ts';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { createWorker } from '../../src/delivery/worker.ts';
import { createRecipientPages } from '../../src/recipients/index.ts';
import { createLinks } from '../../src/recipients/links.ts';
import { drain } from '../../src/testing/index.ts';
import { transaction } from '../../src/database/pool.ts';
import { brand, scriptedDispatcher, testWorker } from '../support/application.ts';
import { startSmtpServer } from '../support/smtp-server.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';
import { key, links, received, templates } from './support.ts';

const database = useDatabase({ templates });

const enqueue = (notification: object) =>
  database.pool.query('SELECT * FROM herald.enqueue($1)', [JSON.stringify(notification)]);
const people = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ id: `user-${n}`, email: `user-${n}@example.com` }));

async function startMails(options: Parameters<typeof startSmtpServer>[0] = {}) {
  const mails = await startSmtpServer(options);
  const dispatcher = smtp({ host: '127.0.0.1', port: mails.port, tls: 'none', from: { address: 'n@acme.example' } });
  const dispatchers = { smtp: { ...dispatcher, retryDelaysSeconds: [0.1] } };
  const worker = testWorker(database.url, { dispatchers, links });
  onTestFinished(async () => {
    await worker.stop();
    await mails.close();
  });
  await worker.start();
  return mails;
}

const headerOf = (raw: Buffer, name: string) => new RegExp(`^${name}: (.*)\\r$`, 'm').exec(String(raw))?.[1] ?? null;

describe('an email that can be turned off', () => {
  test('has a link of its own for each recipient, which unsubscribes that recipient alone', async () => {
    const mails = await startMails();
    await enqueue({ template: 'report', methods: ['smtp'], to: people(20) });
    await until(() => mails.received().length === 20);
    const urls = mails.received().map(({ to, raw }) => {
      expect(headerOf(raw, 'List-Unsubscribe-Post')).toBe('List-Unsubscribe=One-Click');
      const url = /^<(https:\/\/app\.example\/mail\/u\/[\w-]+)>$/.exec(headerOf(raw, 'List-Unsubscribe') ?? '')?.[1];
      return { to: to[0], url: url ?? '' };
    });
    expect(new Set(urls.map(({ url }) => url)).size).toBe(20);
    const pages = createRecipientPages({ pool: database.pool, links, brand });
    const { url } = urls.find(({ to }) => to === 'user-7@example.com') ?? { url: '' };
    expect((await pages.fetch(new Request(url, { method: 'POST' }))).status).toBe(200);
    expect(await received(database, 'user-7')).not.toContain('report smtp');
    expect(await received(database, 'user-8')).toContain('report smtp');
  });

  test('has both links in both parts, and shows neither id nor address in them', async () => {
    const mails = await startMails();
    await enqueue({ template: 'report', methods: ['smtp'], to: { id: 'ada.lovelace', email: 'ada@example.com' } });
    await until(() => mails.received().length === 1);
    const { html, text } = (await mails.received()[0]?.parsed()) ?? {};
    for (const part of [String(html), String(text)]) {
      const found = part.match(/https:\/\/app\.example\/mail\/[up]\/[\w-]+/g) ?? [];
      expect(found.map((url) => url.slice(0, 28))).toEqual([
        'https://app.example/mail/u/A',
        'https://app.example/mail/p/A',
      ]);
      for (const url of found) expect(url).not.toMatch(/ada|lovelace|example\.com/);
    }
    expect(text).toMatch(/Unsubscribe from emails like this: https:.*\nChoose what you receive: https:/);
  });

  test('has the same bytes on every attempt', async () => {
    const refused: string[] = [];
    const mails = await startMails({
      onMessage: ({ raw }) => {
        refused.push(String(raw));
        return refused.length < 2 ? { code: 451, text: '4.3.0 later' } : undefined;
      },
    });
    await enqueue({ template: 'report', methods: ['smtp'], to: people(1) });
    await until(() => mails.received().length === 1);
    expect(refused[0]).toContain('List-Unsubscribe: <https://app.example/mail/u/');
    expect(refused[1]).toBe(refused[0]);
  });

  test('uses the link of its notification instead, where there is one', async () => {
    const mails = await startMails();
    const own = 'https://shop.example/off?u=1';
    await enqueue({ template: 'digest', to: people(1), unsubscribeUrl: own });
    await until(() => mails.received().length === 1);
    const raw = mails.received()[0]?.raw ?? Buffer.alloc(0);
    expect(headerOf(raw, 'List-Unsubscribe')).toBe(`<${own}>`);
    expect(String((await mails.received()[0]?.parsed())?.text)).not.toContain('/mail/u/');
  });
});

/** Nothing waits for its acknowledgement. */
const unasked = { notificationId: '0199f3a0-7b1c-7000-8000-00000000002a', acknowledgeable: false };

test('a mandatory email has no link and no header', async () => {
  const mails = await startMails();
  await enqueue({ template: 'password', to: people(1) });
  await until(() => mails.received().length === 1);
  const { raw } = mails.received()[0] ?? {};
  expect(String(raw)).not.toMatch(/List-Unsubscribe|List-Id|app\.example/);
});

test('a link to this machine is in the email, but no header asks a provider to call it', async () => {
  const local = createLinks({ ...links, url: 'http://localhost:3000' });
  const message = {
    recipient: { id: 'a' },
    tenant: null,
    template: 'report',
    method: 'smtp',
    mandatory: false,
    ...unasked,
  };
  expect(local.linksOf(message).unsubscribeUrl).toMatch(/^http:\/\/localhost:3000\/u\//);
  const { unsubscribeHeader } = await import('../../src/dispatch/smtp/header-values.ts');
  expect(unsubscribeHeader(local.linksOf(message).unsubscribeUrl ?? '')).toBeNull();
});

test('who receives webhooks cannot act for the recipient; a dispatcher of a person gets both links', async () => {
  const [person, system] = [scriptedDispatcher(), scriptedDispatcher(undefined, { withholdSecrets: true })];
  const worker = testWorker(database.url, { dispatchers: { smtp: person, webhook: system }, links });
  onTestFinished(() => worker.stop());
  await worker.start();
  await enqueue({ template: 'report', to: { id: 'both', email: 'both@example.com' } });
  await until(() => person.deliveries.length === 1 && system.deliveries.length === 1);
  const urls = { unsubscribeUrl: expect.stringMatching(/\/u\//), preferencesUrl: expect.stringMatching(/\/p\//) };
  expect(person.deliveries).toMatchObject([urls]);
  expect(system.deliveries).toMatchObject([{ unsubscribeUrl: null, preferencesUrl: null }]);
});

test('the testing kit makes the links that a worker makes', async () => {
  await transaction(database.pool, async (tx) => {
    await tx.query('SELECT * FROM herald.enqueue($1)', [
      JSON.stringify({ template: 'report', methods: ['smtp'], to: { id: 'both', email: 'both@example.com' } }),
    ]);
    const [delivery] = await drain(tx, { links });
    const subject = {
      recipient: { id: 'both' },
      tenant: null,
      template: 'report',
      method: 'smtp',
      mandatory: false,
      ...unasked,
    };
    const { acknowledgeUrl: _, ...expected } = createLinks(links).linksOf(subject);
    expect(delivery).toMatchObject(expected);
  });
});

describe('the options', () => {
  test.each([
    [{ url: 'http://app.example', keys: links.keys }, /links\.url: "http:\/\/app\.example" must begin with https:\/\//],
    [{ url: 'app.example', keys: links.keys }, /links\.url: "app\.example" is not a URL/],
    [{ url: 'https://u:secret@app.example', keys: links.keys }, /links\.url: "https:\/\/app\.example" is not a URL/],
    [{ url: 'https://app.example/?a=1', keys: links.keys }, /links\.url/],
    [{ url: `https://app.example/${'a'.repeat(200)}`, keys: links.keys }, /links\.url: is longer than 200 characters/],
    [{ url: 'https://app.example', keys: [] }, /links\.keys: has no key/],
    [{ url: 'https://app.example' }, /links: must have a url and an array of keys/],
    [{ url: 'https://app.example', keys: ['c2hvcnQ='] }, /links\.keys: must be base64 of 32 bytes, not of 5/],
  ])('are checked when the worker is created: %j', (wrong, message) => {
    const options = { connectionString: 'postgres://localhost/x', brand, dispatchers: { smtp: scriptedDispatcher() } };
    expect(() => createWorker({ ...options, links: wrong as typeof links })).toThrow(ConfigurationError);
    expect(() => createWorker({ ...options, links: wrong as typeof links })).toThrow(message);
  });

  test('are the same with and without a slash at the end', () => {
    const message = {
      recipient: { id: 'a' },
      tenant: null,
      template: 't',
      method: 'smtp',
      mandatory: false,
      ...unasked,
    };
    const made = (url: string) => createLinks({ url, keys: [key(1)] }).linksOf(message);
    expect(made('https://app.example/')).toEqual(made('https://app.example'));
  });
});
