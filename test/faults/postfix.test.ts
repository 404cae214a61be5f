/** A whole delivery into a real Postfix, which shares no code with the sender. */
import { simpleParser } from 'mailparser';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Worker } from '../../src/delivery/worker.ts';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { syncTemplates } from '../../src/templates/catalog.ts';
import { readTemplates, shippedTemplatesFolder } from '../../src/templates/files.ts';
import { greeting, greetingFile, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { type Postfix, postfixMissing, startPostfix } from '../support/postfix.ts';
import { until } from '../support/wait.ts';

const missing = postfixMissing();

describe.skipIf(missing !== null)(`Postfix${missing === null ? '' : ` (skipped: ${missing})`}`, () => {
  const database = useDatabase({ templates: { greeting: greetingFile } });
  let postfix: Postfix;
  let worker: Worker;
  const herald = createHerald();

  beforeAll(async () => {
    await syncTemplates(database.pool, (await readTemplates(shippedTemplatesFolder)).sources);
    postfix = await startPostfix({
      recipients: {
        'gone@example.com': '550 5.1.1 no such user',
        'full@example.com': '552 5.2.2 mailbox full',
        'busy@example.com': '450 4.2.1 try later',
      },
      settings: { message_size_limit: '60000' },
    });
    const dispatcher = smtp({
      host: '127.0.0.1',
      port: postfix.port,
      tls: 'none',
      from: { name: 'Acme', address: 'noreply@acme.example' },
    });
    worker = testWorker(database.url, { dispatchers: { smtp: { ...dispatcher, retryDelaysSeconds: [0.2, 0.2] } } });
    await worker.start();
  });
  afterAll(async () => {
    await worker.stop();
    postfix.stop();
  });

  const row = async (id: string | undefined) =>
    (await database.pool.query('SELECT * FROM herald.message WHERE id = $1', [id])).rows[0];
  const to = (name: string) => ({ id: name, email: `${name}@example.com`, name: 'Käthe “K” Öl 🦊' });

  async function settled(name: string, labels = { who: name }) {
    const [message] = await herald.enqueue(database.pool, greeting, { autocommit: true, to: to(name), labels });
    await until(async () => (await row(message?.id)).settled_at !== null);
    return row(message?.id);
  }

  test('accepts every shipped template, and what arrives is what was sent', async () => {
    const { sources } = await readTemplates(shippedTemplatesFolder);
    for (const { name, example } of sources)
      await database.pool.query('SELECT herald.enqueue($1::text::jsonb)', [
        JSON.stringify({
          template: name,
          allowPlainSecrets: true,
          to: to('ada'),
          labels: example?.labels ?? {},
          data: example?.data ?? null,
          methods: ['smtp'],
        }),
      ]);
    await until(() => postfix.mails().length >= sources.length, { timeoutMs: 20_000 });
    const mails = await Promise.all(postfix.mails().map((raw) => simpleParser(raw)));
    expect(mails.map((mail) => mail.messageId).every((id) => id?.endsWith('@acme.example>'))).toBe(true);
    const deleted = mails.find((mail) => mail.subject === 'Workspace "billing-api" was deleted');
    expect(deleted).toMatchObject({
      text: expect.stringContaining('Your workspace billing-api was deleted by autobuild'),
      html: expect.stringContaining('<strong'),
    });
    expect(deleted?.to).toMatchObject({ value: [{ address: 'ada@example.com', name: 'Käthe “K” Öl 🦊' }] });
  });

  test.each([
    ['gone', { status: 'failed', reason: 'no_such_recipient', attempts: 1 }],
    ['full', { status: 'failed', reason: 'mailbox_full', attempts: 1 }],
    ['busy', { status: 'failed', reason: 'deferred', attempts: 3 }],
  ])('its verdict on %s is understood', async (name, expected) => {
    expect(await settled(name)).toMatchObject(expected);
  });

  test('a message over its size limit fails', async () => {
    expect(await settled('big', { who: 'x'.repeat(50_000) })).toMatchObject({ status: 'failed', reason: 'too_large' });
  });
});
