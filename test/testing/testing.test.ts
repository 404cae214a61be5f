/** What an application's own tests use: in a transaction that is rolled back, and on PGlite. */
import { PGlite } from '@electric-sql/pglite';
import { drizzle } from 'drizzle-orm/pglite';
import type { PoolClient } from 'pg';
import * as v from 'valibot';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { installScript } from '../../src/database/migrate.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { createSecretBox, labelSecrets } from '../../src/secrets.ts';
import { syncTemplates } from '../../src/templates/catalog.ts';
import { RenderError } from '../../src/templates/evaluate.ts';
import { defineTemplate } from '../../src/templates/define.ts';
import { parseTemplate } from '../../src/templates/template-file.ts';
import { collectingDispatcher, drain, writtenMessages } from '../../src/testing/index.ts';
import { greeting, greetingFile, testWorker } from '../support/application.ts';
import { until } from '../support/wait.ts';
import { ada, bob, type Enqueueing, openEnqueueing } from '../enqueue/support.ts';

let it: Enqueueing;
beforeAll(async () => {
  it = await openEnqueueing();
});
beforeEach(() => it.reset());
afterAll(() => it.close());

const notification = { to: [ada, bob], labels: { who: '*Kim*' } };

/** As an application's test would do it. */
const rolledBack = (work: (tx: PoolClient) => Promise<void>) =>
  it.withClient(async (tx) => {
    await tx.query('BEGIN');
    await work(tx);
  });

describe('writtenMessages', () => {
  test('tells to whom, by which method, and what would be sent', async () => {
    await rolledBack(async (tx) => {
      await it.herald.enqueue(tx, greeting, {
        ...notification,
        targets: ['w-1'],
        actions: [{ label: 'Go', url: 'https://example.com' }],
      });
      const [first, second, ...more] = await writtenMessages(tx, { template: 'greeting' });
      expect(first).toMatchObject({
        recipient: ada,
        method: 'smtp',
        status: 'pending',
        reason: null,
        group: 'Greetings',
        targets: ['w-1'],
        content: {
          title: 'Hello *Kim*',
          text: expect.stringContaining('Dear *Kim*, welcome.'),
          actions: [{ label: 'Go' }],
        },
      });
      expect(first?.content?.html).toContain('<strong>*Kim*</strong>');
      expect(second?.recipient).toEqual(bob);
      expect(more).toEqual([]);
    });
    expect(await it.count()).toBe(0);
  });

  test('says why a recipient would get nothing', async () => {
    await rolledBack(async (tx) => {
      await it.herald.setPreference(tx, { recipientId: 'ada', enabled: false });
      await it.herald.enqueue(tx, greeting, notification);
      expect(await writtenMessages(tx, { recipientId: 'ada' })).toMatchObject([
        { status: 'inhibited', reason: 'preference', content: null },
      ]);
    });
  });

  test('finds by template, recipient, method, status and target', async () => {
    await rolledBack(async (tx) => {
      await it.herald.enqueue(tx, greeting, { ...notification, methods: ['smtp', 'webhook'], targets: ['w-1'] });
      await it.herald.enqueue(tx, greeting, { to: { id: 'mute' }, labels: { who: 'x' } });
      const found = async (filter: Parameters<typeof writtenMessages>[1]) => (await writtenMessages(tx, filter)).length;
      expect(await found({})).toBe(5);
      expect(await found({ template: 'greeting', recipientId: 'bob' })).toBe(2);
      expect(await found({ method: 'webhook' })).toBe(2);
      expect(await found({ status: 'inhibited' })).toBe(1);
      expect(await found({ target: 'w-1' })).toBe(4);
      expect(await found({ template: 'nope' })).toBe(0);
    });
  });

  test("sees its own transaction's messages only, those of savepoints included, unless it asks for committed ones", async () => {
    await it.enqueue();
    await rolledBack(async (tx) => {
      expect(await writtenMessages(tx)).toEqual([]);
      await tx.query('SAVEPOINT inner_part');
      await it.herald.enqueue(tx, greeting, notification);
      await tx.query('RELEASE SAVEPOINT inner_part');
      await it.herald.enqueue(tx, greeting, { ...notification, to: bob });
      expect((await writtenMessages(tx)).map(({ recipient }) => recipient.id)).toEqual(['ada', 'bob', 'bob']);
      expect(await drain(tx)).toHaveLength(3);
      expect(await writtenMessages(tx, { committed: true })).toHaveLength(4);
    });
  });

  test('never renders an erased message, also where the rest of it is still there', async () => {
    await it.enqueue();
    await rolledBack(async (tx) => {
      await it.herald.enqueue(tx, greeting, notification);
      await tx.query(`SELECT herald.erase(recipient_id => 'ada')`);
      expect(await writtenMessages(tx, { recipientId: 'erased', committed: true })).toMatchObject([
        { recipient: { id: 'erased' }, content: null },
        { recipient: { id: 'erased' }, content: null },
      ]);
    });
  });

  test('fails the test when the template is broken', async () => {
    await rolledBack(async (tx) => {
      await tx.query(`UPDATE herald.template_version SET body = '{{labels.missing}}' WHERE template = 'greeting'`);
      await it.herald.enqueue(tx, greeting, notification);
      await expect(writtenMessages(tx)).rejects.toThrow(RenderError);
    });
  });

  test('shows secret labels in the content only, also when they are encrypted', async () => {
    const { encryptLabels, decryptLabels } = labelSecrets(createSecretBox([Buffer.alloc(32, 7).toString('base64')]));
    const code = defineTemplate({
      name: 'code',
      labels: v.object({ who: v.string(), code: v.string() }),
      secrets: ['code'],
    });
    await rolledBack(async (tx) => {
      await createHerald({ encryptLabels }).enqueue(tx, code, { to: ada, labels: { who: 'x', code: '1234' } });
      const [message] = await writtenMessages(tx, { decryptLabels });
      expect(message?.content?.text).toContain('your code is 1234');
      expect(message?.labels).toEqual({ who: 'x' });
      await drain(tx, { decryptLabels });
      expect(await writtenMessages(tx)).toMatchObject([{ status: 'sent', content: null }]);
    });
  });
});

describe('drain', () => {
  test('delivers what is due into a dispatcher that sends nothing, once', async () => {
    await rolledBack(async (tx) => {
      await it.herald.enqueue(tx, greeting, notification);
      await it.herald.enqueue(tx, greeting, { ...notification, to: ada, delaySeconds: 600 });
      const sent = await drain(tx, { brand: { appName: 'Acme', baseUrl: 'https://acme.example' } });
      expect(sent).toMatchObject([
        {
          recipient: ada,
          method: 'smtp',
          template: { name: 'greeting', version: 1 },
          content: { title: 'Hello *Kim*' },
          brand: { appName: 'Acme' },
        },
        { recipient: bob, result: { outcome: 'sent' } },
      ]);
      expect(sent[0]?.createdAt).toBeInstanceOf(Date);
      expect(await drain(tx)).toEqual([]);
      expect(await writtenMessages(tx, { status: 'sent' })).toHaveLength(2);
      expect(await drain(tx, { scheduled: true })).toHaveLength(1);
      expect((await tx.query('SELECT id FROM herald_queue.job')).rows).toEqual([]);
    });
    expect(await it.count()).toBe(0);
  });

  test('takes failures and retries as a dispatcher answers them', async () => {
    const answers = ['retry', 'failed'] as const;
    const smtp = collectingDispatcher(({ recipient }) => {
      const outcome = recipient.id === 'ada' ? 'failed' : (answers[smtp.deliveries.length - 2] ?? 'retry');
      return { outcome, reason: 'refused', detail: 'as the test wants' };
    });
    await rolledBack(async (tx) => {
      await it.herald.enqueue(tx, greeting, notification);
      await drain(tx, { dispatchers: { smtp } });
      expect((await writtenMessages(tx)).map((message) => message.status)).toEqual(['failed', 'pending']);
      await drain(tx, { dispatchers: { smtp } });
      expect((await writtenMessages(tx)).map((message) => message.status)).toEqual(['failed', 'failed']);
      expect(smtp.deliveries.map((delivery) => delivery.recipient.id)).toEqual(['ada', 'bob', 'bob']);
    });
  });
});

test('on PGlite an application needs no server at all', { timeout: 60_000 }, async () => {
  const pglite = new PGlite();
  try {
    await pglite.exec(installScript());
    const { source } = parseTemplate('greeting.md', greetingFile);
    await pglite.transaction((tx) => syncTemplates(tx, source === null ? [] : [source]));
    const db = drizzle(pglite);
    await db
      .transaction(async (tx) => {
        await it.herald.enqueue(tx, greeting, notification);
        expect((await drain(tx)).map((sent) => sent.content.title)).toEqual(['Hello *Kim*', 'Hello *Kim*']);
        throw new Error('roll back');
      })
      .catch((error: Error) => expect(error.message).toBe('roll back'));
    expect((await pglite.query('SELECT id FROM herald.message')).rows).toEqual([]);
  } finally {
    await pglite.close();
  }
});

test('collectingDispatcher collects what a real worker hands over', async () => {
  const smtp = collectingDispatcher();
  await it.enqueue();
  const worker = testWorker(it.database.url, { dispatchers: { smtp } });
  await worker.start();
  await until(() => smtp.deliveries.length === 1);
  await worker.stop();
  expect(smtp.deliveries[0]).toMatchObject({ recipient: ada, content: { title: 'Hello Ada' } });
});
