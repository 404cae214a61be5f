/** Who is at fault for what an endpoint refuses: through enqueue, a worker and a real receiver. */
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import type { FormatName } from '../../../../src/dispatch/webhook/formats/formats.ts';
import { webhook } from '../../../../src/dispatch/webhook/webhook.ts';
import { createHerald } from '../../../../src/enqueue/enqueue.ts';
import { examineWebhook } from '../../../../src/operate/doctor/webhook.ts';
import { endpoints } from '../../../../src/operate/endpoints.ts';
import { greeting, greetingFile, testWorker } from '../../../support/application.ts';
import { useDatabase } from '../../../support/use-database.ts';
import { until } from '../../../support/wait.ts';
import { secret, startReceiver, type Answer, type Receiver } from '../../support.ts';
import { addEndpoint, box } from './table.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const herald = createHerald();
const egress = { allowCidrs: ['127.0.0.1'] };

beforeEach(async () => {
  await database.pool.query(
    `TRUNCATE herald.message, herald.attempt, herald.refusal, herald.sender, herald.endpoint, herald.rate_bucket;
     DELETE FROM herald_queue.job`,
  );
});

async function receive(answer: Answer): Promise<Receiver> {
  const receiver = await startReceiver(answer);
  onTestFinished(() => receiver.close());
  return receiver;
}

/** An endpoint of this format, without the limit on its rate. */
async function endpointAt(receiver: Receiver, format: FormatName = 'slack'): Promise<string> {
  const settings = format === 'standard' ? { url: receiver.url, secret } : { url: receiver.url };
  return addEndpoint(database.pool, settings, { format, requests_per_second: 1000 });
}

async function work(): Promise<void> {
  const worker = testWorker(database.url, {
    dispatchers: { webhook: webhook({ endpoints: { secrets: box }, egress }) },
  });
  await worker.start();
  onTestFinished(() => worker.stop());
}

const enqueue = async (...who: readonly string[]) => {
  for (const id of who)
    await herald.enqueue(database.pool, greeting, {
      autocommit: true,
      to: { id },
      labels: { who: id },
      methods: ['webhook'],
    });
};
const statuses = async () =>
  (
    await database.pool.query<{ status: string; counted: number; n: number }>(
      `SELECT status, sum(counted)::int AS counted, count(*)::int AS n FROM herald.message GROUP BY 1 ORDER BY 1`,
    )
  ).rows;
const becomes = (expected: unknown, what: () => Promise<unknown>) =>
  until(async () => expect(await what()).toEqual(expected) ?? true, { timeoutMs: 20_000, intervalMs: 200 });
const stateOf = async (id: string) => (await endpoints(database.pool).show(id))?.state;
/** What an operator waits for: the probe and the retries are due. */
const hurry = async () => {
  await database.pool.query('UPDATE herald.endpoint SET probe_at = now() WHERE opened_at IS NOT NULL');
  await database.pool.query(`UPDATE herald.message SET next_attempt_at = now() WHERE status = 'pending'`);
  await database.pool.query('SELECT herald.ensure_jobs(ARRAY(SELECT id FROM herald.message))');
};
const details = async () =>
  (await database.pool.query<{ detail: string }>('SELECT detail FROM herald.attempt ORDER BY finished_at')).rows.map(
    ({ detail }) => detail,
  );

test.each<[FormatName, number, string]>([
  ['slack', 400, 'invalid_blocks'],
  ['teams', 400, 'Bad payload received by generic incoming webhook.'],
  ['discord', 400, '{"message": "Cannot send an empty message", "code": 50006}'],
  ['pagerduty', 400, '{"status":"invalid event"}'],
  ['ntfy', 400, '{"code":40024,"http":400}'],
  ['standard', 422, '{"error":"unknown type"}'],
  ['standard', 404, ''],
])(
  'an endpoint of format %s that refuses three messages alike with %i is at fault, and loses none',
  async (format, status, body) => {
    let broken = true;
    const receiver = await receive((response) => response.writeHead(broken ? status : accepting(format)).end(body));
    const settings = format === 'ntfy' ? { url: receiver.url } : { url: receiver.url, secret };
    const id = await addEndpoint(database.pool, settings, { format, requests_per_second: 1000 });
    await work();
    await enqueue('a', 'b', 'c', 'd', 'e');
    await becomes('open', () => stateOf(id));
    await becomes([{ status: 'pending', counted: 0, n: 5 }], statuses);
    const told = await details();
    expect(
      told.some((detail) => /^3 messages in a row were refused alike, so the endpoint is at fault: HTTP/.test(detail)),
    ).toBe(true);
    broken = false;
    await until(
      async () => {
        await hurry();
        return (await stateOf(id)) === 'healthy';
      },
      { timeoutMs: 20_000, intervalMs: 500 },
    );
    // The first success releases what was put back.
    await becomes([{ status: 'sent', counted: 5, n: 5 }], statuses);
  },
);

test('doctor says which evidence blames an endpoint, and enabling it makes what was put back due at once', async () => {
  let broken = true;
  const receiver = await receive((response) => response.writeHead(broken ? 400 : 200).end('invalid_blocks'));
  const id = await endpointAt(receiver);
  await work();
  await enqueue('a', 'b', 'c');
  await becomes('open', () => stateOf(id));
  await becomes([{ status: 'pending', counted: 0, n: 3 }], statuses);
  const found = await examineWebhook(database.pool, { webhook: {}, secretKeys: [] });
  expect(found.at(-1)).toMatchObject({
    level: 'warning',
    text: expect.stringMatching(
      `^${id} .* refuses messages: 3 messages in a row were refused alike, so the endpoint is at fault: HTTP 400`,
    ),
  });
  broken = false;
  await endpoints(database.pool).enable(id);
  await becomes([{ status: 'sent', counted: 3, n: 3 }], statuses);
  expect(await examineWebhook(database.pool, { webhook: {}, secretKeys: [] })).toHaveLength(1);
});

test('what one message says is its own fault: it fails, and the endpoint goes on', async () => {
  const receiver = await receive((response, { body }) =>
    response.writeHead(body.includes('poison') ? 400 : 200).end(body.includes('poison') ? 'invalid_blocks' : 'ok'),
  );
  const id = await endpointAt(receiver);
  await work();
  for (const who of ['poison-1', 'a', 'poison-2', 'b', 'poison-3', 'c', 'poison-4', 'd']) {
    await enqueue(who);
    await becomes(true, async () =>
      (await statuses()).every(({ status }) => status !== 'pending' && status !== 'sending'),
    );
  }
  await becomes(
    [
      { status: 'failed', counted: 4, n: 4 },
      { status: 'sent', counted: 4, n: 4 },
    ],
    statuses,
  );
  expect(await stateOf(id)).toBe('healthy');
});

test('three refused messages are not the probe while another waits, and fail on their own once it is accepted', async () => {
  const receiver = await receive((response, { body }) =>
    response.writeHead(body.includes('poison') ? 400 : 200).end(body.includes('poison') ? 'invalid_blocks' : 'ok'),
  );
  const id = await endpointAt(receiver);
  await work();
  await enqueue('poison-1', 'poison-2', 'poison-3');
  await becomes('open', () => stateOf(id));
  await becomes([{ status: 'pending', counted: 0, n: 3 }], statuses);
  const before = receiver.received.length;
  await enqueue('healthy');
  // The refused ones are due, and first; the probe is still the other one.
  await until(
    async () => {
      await hurry();
      return receiver.received.length > before;
    },
    { timeoutMs: 20_000, intervalMs: 300 },
  );
  expect(receiver.received[before]?.body).toContain('healthy');
  await becomes(
    [
      { status: 'failed', counted: 3, n: 3 },
      { status: 'sent', counted: 1, n: 1 },
    ],
    statuses,
  );
  expect(receiver.received.length).toBe(before + 4);
  await becomes(
    true,
    async () =>
      (await details()).filter((detail) => detail?.includes('refused again, while other messages were accepted'))
        .length === 3,
  );
});

test('the size of a message, and the advice to abort it, are never evidence', async () => {
  const receiver = await receive((response, { body }) =>
    body.includes('large')
      ? response.writeHead(413).end()
      : response.writeHead(400, { 'webhook-delivery': 'abort-message' }).end(),
  );
  const id = await addEndpoint(database.pool, { url: receiver.url, secret }, { retry: 'transient' });
  await work();
  await enqueue('large-1', 'large-2', 'large-3', 'large-4', 'abort-1', 'abort-2', 'abort-3', 'abort-4');
  await becomes([{ status: 'failed', counted: 8, n: 8 }], statuses);
  expect(await stateOf(id)).toBe('healthy');
});

test('refusals of one endpoint say nothing about another', async () => {
  const receiver = await receive((response, { path }) => response.writeHead(path === '/two' ? 200 : 400).end('same'));
  const url = new URL(receiver.url);
  for (const path of ['/one', '/two'])
    await addEndpoint(database.pool, { url: new URL(path, url).href }, { format: 'slack', requests_per_second: 1000 });
  await work();
  await enqueue('a', 'b', 'c', 'd');
  await becomes(
    [
      { status: 'pending', counted: 0, n: 4 },
      { status: 'sent', counted: 4, n: 4 },
    ],
    statuses,
  );
});

test('a default endpoint that is the only one pauses its method, and all arrive once it is fixed', async () => {
  let broken = true;
  const receiver = await receive((response) => response.writeHead(broken ? 400 : 200).end('invalid_blocks'));
  const worker = testWorker(database.url, {
    dispatchers: { webhook: webhook({ endpoint: { url: receiver.url, format: 'slack' }, egress }) },
  });
  await worker.start();
  onTestFinished(() => worker.stop());
  await enqueue('a', 'b', 'c', 'd');
  const pause = async () =>
    (await database.pool.query(`SELECT pause_detail AS detail FROM herald.method WHERE name = 'webhook'`)).rows[0]
      ?.detail;
  await until(async () => String(await pause()).includes('so the endpoint is at fault: HTTP 400'));
  await becomes([{ status: 'pending', counted: 0, n: 4 }], statuses);
  broken = false;
  await until(
    async () => {
      await database.pool.query(`UPDATE herald.method SET probe_at = now() WHERE pause_kind = 'fault'`);
      await hurry();
      return (await statuses()).every(({ status }) => status === 'sent');
    },
    { timeoutMs: 20_000, intervalMs: 500 },
  );
});

function accepting(format: FormatName): number {
  return format === 'pagerduty' ? 202 : 200;
}
