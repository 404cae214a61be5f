/** Faults of stored endpoints, through a real worker. */
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Worker } from '../../src/delivery/worker.ts';
import { endpoints } from '../../src/operate/endpoints.ts';
import { webhook } from '../../src/dispatch/webhook/webhook.ts';
import { createSecretBox } from '../../src/secrets.ts';
import { addEndpoint, box } from '../dispatch/webhook/endpoints/table.ts';
import { secret } from '../dispatch/support.ts';
import { greetingFile, keepingLogger, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { type Answer, startHttpServer, type TestHttpServer } from '../support/http-server.ts';
import { until } from '../support/wait.ts';

const longFile = `---
title: Long
group: Greetings
methods: [webhook]
---
{{paragraphs labels.body}}
`;

const database = useDatabase({ templates: { greeting: greetingFile, long: longFile } });
let receiver: TestHttpServer;
let answer: Answer = {};
let worker: Worker | null = null;
const logger = keepingLogger();
beforeAll(async () => {
  receiver = await startHttpServer({ answer: () => answer });
});
afterEach(async () => {
  await worker?.stop();
  worker = null;
  answer = {};
  receiver.clear();
  await database.pool.query('TRUNCATE herald.message, herald.attempt, herald.endpoint; DELETE FROM herald_queue.job');
});
afterAll(async () => {
  await receiver.close();
});

async function deliver(secrets = box): Promise<void> {
  worker = testWorker(database.url, {
    logger,
    dispatchers: {
      webhook: {
        ...webhook({ endpoints: { secrets }, egress: { allowCidrs: ['127.0.0.1'] } }),
        retryDelaysSeconds: [1, 1],
      },
    },
  });
  await worker.start();
}

async function enqueue(): Promise<string> {
  const { rows } = await database.pool.query<{ message_id: string }>(
    `SELECT message_id FROM herald.enqueue('greeting', '{"id": "ada"}', '{"who": "Ada"}', methods => '{webhook}')`,
  );
  return rows[0]?.message_id ?? '';
}

const message = async (id: string) =>
  (
    await database.pool.query('SELECT status, reason, detail, counted, attempts FROM herald.message WHERE id = $1', [
      id,
    ])
  ).rows[0];
const becomes = (id: string, status: string) =>
  until(async () => (await message(id)).status === status, { timeoutMs: 15_000 });

test('five days without a success switch an endpoint off; what waits is held, nothing is deleted', async () => {
  const id = await addEndpoint(
    database.pool,
    { url: receiver.url, secret },
    { failing_since: new Date(Date.now() - 5.1 * 86_400_000), failures: 30 },
  );
  answer = { status: 500 };
  const failing = await enqueue();
  await deliver();
  await until(
    async () =>
      (await database.pool.query('SELECT FROM herald.endpoint WHERE disabled_reason = $1', ['failing'])).rowCount === 1,
    {
      timeoutMs: 15_000,
    },
  );
  await becomes(failing, 'held');
  expect(await message(failing)).toMatchObject({ reason: 'gone', detail: 'endpoint disabled' });
  expect((await message(await enqueue())).reason).toBe('endpoint_disabled');
  expect((await database.pool.query('SELECT FROM herald.endpoint WHERE id = $1', [id])).rowCount).toBe(1);
});

test('a secret that is rotated between two attempts: the retry verifies with either', async () => {
  const id = await addEndpoint(database.pool, { url: receiver.url, secret });
  answer = { status: 503 };
  const sent = await enqueue();
  await deliver();
  await receiver.waitFor(1);
  const second = (await endpoints(database.pool, { secrets: box }).rotate(id)) ?? '';
  answer = {};
  await becomes(sent, 'sent');
  const last = receiver.received().at(-1);
  const headers = last?.headers as Record<string, string>;
  for (const either of [secret, second]) new Webhook(either).verify(String(last?.body), headers);
});

test('an endpoint that is switched off or deleted while its messages wait is never called', async () => {
  const off = await addEndpoint(database.pool, { url: receiver.url, secret });
  const deleted = await addEndpoint(database.pool, { url: receiver.url, secret });
  await enqueue();
  await database.pool.query(
    `UPDATE herald.endpoint SET disabled_at = now(), disabled_reason = 'operator' WHERE id = $1`,
    [off],
  );
  await database.pool.query('DELETE FROM herald.endpoint WHERE id = $1', [deleted]);
  await deliver();
  const states = async () =>
    (await database.pool.query('SELECT status, detail, counted FROM herald.message ORDER BY status')).rows;
  await until(async () => (await states()).every(({ status }) => status === 'failed' || status === 'held'), {
    timeoutMs: 15_000,
  });
  expect(await states()).toMatchObject([
    { status: 'failed', detail: 'endpoint deleted' },
    { status: 'held', detail: 'endpoint disabled', counted: 0 },
  ]);
  expect(receiver.count()).toBe(0);
});

test('a worker without the key logs an error, counts nothing, and the message is sent once the key is there', async () => {
  await addEndpoint(database.pool, { url: receiver.url, secret });
  const sent = await enqueue();
  await deliver(createSecretBox([Buffer.alloc(32, 9).toString('base64')]));
  await until(async () => (await message(sent)).detail === 'cannot decrypt the settings of the endpoint', {
    timeoutMs: 15_000,
  });
  expect(await message(sent)).toMatchObject({ status: 'pending', counted: 0 });
  expect(logger.lines).toContainEqual(
    expect.objectContaining({
      level: 'error',
      message: expect.stringMatching(/cannot use an endpoint: .*the key "[0-9a-f]{8}"/),
    }),
  );
  expect(receiver.count()).toBe(0);
  await worker?.stop();
  await deliver();
  await database.pool.query('SELECT herald.ensure_jobs(ARRAY(SELECT id FROM herald.message))');
  await database.pool.query('UPDATE herald.message SET next_attempt_at = now()');
  await database.pool.query('SELECT herald.ensure_jobs(ARRAY(SELECT id FROM herald.message))');
  await becomes(sent, 'sent');
});

test('what enqueue accepts is not too large for a webhook: a label of 96 KB in 900 lines', async () => {
  await addEndpoint(database.pool, { url: receiver.url, secret });
  const body = Array.from({ length: 900 }, () => `*${'x'.repeat(104)}*`).join('\n');
  const { rows } = await database.pool.query<{ message_id: string }>(
    `SELECT message_id FROM herald.enqueue('long', '{"id": "ada"}', jsonb_build_object('body', $1::text))`,
    [body],
  );
  const id = rows[0]?.message_id ?? '';
  await deliver();
  await becomes(id, 'sent');
  expect(receiver.received()[0]?.body.length).toBeGreaterThan(262_144);
});
