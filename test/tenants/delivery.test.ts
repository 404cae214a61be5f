/** What a tenant has of its own, from enqueue to the email that arrives. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import type { NotificationOptions } from '../../src/enqueue/notification.ts';
import { removeTenant, setTenant } from '../../src/operate/tenants.ts';
import { drain, writtenMessages } from '../../src/testing/index.ts';
import type { Recipient } from '../../src/vocabulary.ts';
import { brand, greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { startSmtpServer, type TestSmtpServer } from '../support/smtp-server.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const visit = `${greetingFile}\n[Open]({{baseUrl}}/start)\n`;
const fixed = visit.replace('group:', 'sender: fixed\ngroup:');
const database = useDatabase({ templates: { greeting: visit, fixed } });
let relay: TestSmtpServer;

beforeAll(async () => {
  relay = await startSmtpServer();
});
afterAll(() => relay.close());

const ada = { id: 'ada', email: 'ada@example.com' };

async function enqueue(
  options: Partial<NotificationOptions> & { readonly to?: Recipient | Recipient[] },
  name = 'greeting',
) {
  const [message] = await createHerald().enqueue(
    database.pool,
    { ...greeting, name },
    { autocommit: true, to: ada, labels: { who: 'Ada' }, ...options },
  );
  return message?.id ?? '';
}

const settled = (ids: readonly string[]) =>
  until(
    async () => {
      const { rows } = await database.pool.query<{ n: number }>(
        'SELECT count(*)::int AS n FROM herald.message WHERE id = ANY ($1) AND settled_at IS NOT NULL',
        [ids],
      );
      return rows[0]?.n === ids.length;
    },
    { timeoutMs: 20_000 },
  );

describe('an email of a tenant', () => {
  test('has its name, colour, logo, footer and base URL, and leaves by its sender', async () => {
    const { pool } = database;
    await setTenant(pool, 'labs', {
      brand: {
        appName: 'Labs',
        baseUrl: 'https://labs.example',
        logoUrl: 'https://labs.example/logo.png',
        color: '#7a1fa2',
        footer: ['Labs GmbH, Ring 1, Vienna'],
      },
      sender: 'second',
    });
    const sender = { host: '127.0.0.1', port: relay.port, tls: 'none' } as const;
    const worker = testWorker(database.url, {
      brand: { ...brand, color: '#005500' },
      dispatchers: {
        smtp: smtp({
          senders: [
            { ...sender, name: 'first', from: { address: 'first@acme.example' } },
            { ...sender, name: 'second', from: { address: 'second@acme.example' } },
            { ...sender, name: 'fixed', from: { address: 'fixed@acme.example' } },
          ],
        }),
      },
    });
    await worker.start();
    try {
      const ids = [
        await enqueue({ tenant: 'labs', to: { id: 'a', email: 'labs@example.com' } }),
        await enqueue({ tenant: 'labs', to: { id: 'b', email: 'fixed@example.com' } }, 'fixed'),
        await enqueue({ tenant: 'unknown', to: { id: 'c', email: 'unknown@example.com' } }),
        await enqueue({ to: { id: 'd', email: 'none@example.com' } }),
      ];
      await settled(ids);
    } finally {
      await worker.stop();
    }
    const received = await relay.waitFor(4);
    const to = async (address: string) => {
      const mail = received.find((one) => one.to.includes(`${address}@example.com`));
      const { from, html, text } = (await mail?.parsed()) ?? {};
      return { from: from?.text, html: String(html), text: String(text) };
    };
    const labs = await to('labs');
    expect(labs.from).toBe('"Labs" <second@acme.example>');
    expect(labs.html).toContain('<img src="https://labs.example/logo.png"');
    expect(labs.html).toContain('color:#7a1fa2');
    expect(labs.html).toContain('href="https://labs.example/start"');
    expect(labs.text).toContain('Labs GmbH, Ring 1, Vienna');
    // The address that a template asks for is part of what it says.
    expect((await to('fixed')).from).toBe('"Labs" <fixed@acme.example>');
    for (const other of [await to('unknown'), await to('none')]) {
      expect(other.from).toBe('"Acme" <first@acme.example>');
      expect(other.html).toContain('color:#005500');
      expect(other.html).not.toContain('labs.example');
    }
  });

  test('follows a change within seconds, while the worker runs', async () => {
    const { pool } = database;
    const scripted = scriptedDispatcher();
    const worker = testWorker(database.url, { dispatchers: { smtp: scripted } });
    await worker.start();
    try {
      await setTenant(pool, 'shifting', { brand: { appName: 'Before' } });
      await settled([await enqueue({ tenant: 'shifting' })]);
      await setTenant(pool, 'shifting', { brand: { appName: 'After' } });
      await until(
        async () => {
          await settled([await enqueue({ tenant: 'shifting' })]);
          return scripted.deliveries.at(-1)?.brand.appName === 'After';
        },
        { timeoutMs: 20_000, intervalMs: 500 },
      );
      expect(scripted.deliveries[0]?.brand.appName).toBe('Before');
    } finally {
      await worker.stop();
    }
  });

  test('waits, uncounted, while a worker lacks the sender of the tenant', async () => {
    await setTenant(database.pool, 'elsewhere', { sender: 'not-here' });
    const worker = testWorker(database.url, {
      dispatchers: {
        smtp: smtp({ host: '127.0.0.1', port: relay.port, tls: 'none', from: { address: 'n@acme.example' } }),
      },
    });
    const id = await enqueue({ tenant: 'elsewhere' });
    await worker.start();
    try {
      const row = await until(
        async () => {
          const { rows } = await database.pool.query(
            'SELECT status, counted, reason, detail FROM herald.message WHERE id = $1 AND reason IS NOT NULL',
            [id],
          );
          return rows[0] ?? null;
        },
        { timeoutMs: 20_000 },
      );
      expect(row).toMatchObject({ status: 'pending', counted: 0, reason: 'misconfigured' });
    } finally {
      await worker.stop();
    }
  });
});

describe('enqueue for a tenant', () => {
  const recipientsOf = async (target: string) =>
    (
      await database.pool.query(
        'SELECT recipient FROM herald.message WHERE $1 = ANY (targets) ORDER BY recipient_id, created_at',
        [target],
      )
    ).rows.map(({ recipient }) => recipient);

  beforeAll(() => setTenant(database.pool, 'wien', { locale: 'de_AT.UTF-8', timeZone: 'Europe/Vienna' }));

  test('writes its language and time zone into recipients that have none of their own', async () => {
    const to = [
      ada,
      { id: 'bob', email: 'bob@example.com', locale: 'fr', timeZone: 'Asia/Tokyo' },
      { id: 'cem', email: 'cem@example.com', locale: '', timeZone: 'Asia/Tokyo' },
    ];
    await enqueue({ tenant: 'wien', to, targets: ['several'], delaySeconds: 3600 });
    await enqueue({ tenant: 'wien', targets: ['one'], delaySeconds: 3600 });
    const own = { ...ada, locale: 'de-AT', timeZone: 'Europe/Vienna' };
    expect(await recipientsOf('several')).toEqual([
      own,
      { id: 'bob', email: 'bob@example.com', locale: 'fr', timeZone: 'Asia/Tokyo' },
      { id: 'cem', email: 'cem@example.com', locale: 'de-AT', timeZone: 'Asia/Tokyo' },
    ]);
    expect(await recipientsOf('one')).toEqual([own]);
  });

  test('changes no recipient of another tenant, of an unknown one or of none', async () => {
    for (const tenant of ['labs', 'unknown', undefined])
      await enqueue({ ...(tenant && { tenant }), targets: ['others'], delaySeconds: 3600 });
    expect(await recipientsOf('others')).toEqual([ada, ada, ada]);
  });

  test('applies to named parameters and to a fan-out, too', async () => {
    await database.pool.query(
      `SELECT herald.enqueue('greeting', '[{"id": 7, "email": "x@example.com"}, {"id": 8}]', '{"who": "X"}',
         tenant => 'wien', targets => '{sql}', delay => '1 hour')`,
    );
    expect(await recipientsOf('sql')).toEqual([
      { id: '7', email: 'x@example.com', locale: 'de-AT', timeZone: 'Europe/Vienna' },
      { id: '8', locale: 'de-AT', timeZone: 'Europe/Vienna' },
    ]);
  });

  test('that was removed leaves what is written already', async () => {
    await setTenant(database.pool, 'passing', { locale: 'it' });
    await enqueue({ tenant: 'passing', targets: ['passing'], delaySeconds: 3600 });
    expect(await removeTenant(database.pool, 'passing')).toBe(true);
    await enqueue({ tenant: 'passing', targets: ['passing'], delaySeconds: 3600 });
    expect((await recipientsOf('passing')).map(({ locale }) => locale)).toEqual(['it', undefined]);
  });
});

test("an application's tests see the brand and the sender of the tenant", async () => {
  await setTenant(database.pool, 'tested', { brand: { appName: 'Tested' }, sender: 'own' });
  const client = await database.pool.connect();
  try {
    await client.query('BEGIN');
    await createHerald().enqueue(client, greeting, { to: ada, labels: { who: 'Ada' }, tenant: 'tested' });
    await createHerald().enqueue(client, greeting, { to: ada, labels: { who: 'Ada' } });
    expect(
      (await writtenMessages(client)).map((message) => [message.brand.appName, message.sender, message.tenant]),
    ).toEqual([
      ['Tested', 'own', 'tested'],
      ['Test App', null, null],
    ]);
    expect((await drain(client, { brand })).map((one) => one.brand)).toEqual([{ ...brand, appName: 'Tested' }, brand]);
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
});
