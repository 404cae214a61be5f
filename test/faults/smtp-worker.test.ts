/** Faults of the worker instead of the relay. smtp-sink's own dump counts the copies. */
import { afterEach, describe, expect, test } from 'vitest';
import { freePort, missing, needing } from '../support/daemons.ts';
import { type Program, programs } from '../support/processes.ts';
import { conversation, startSmtpScript } from '../support/smtp-script.ts';
import { startSmtpSink } from '../support/smtp-sink.ts';
import { skipUnknownWaits } from '../support/unknown-waits.ts';
import { until } from '../support/wait.ts';
import { openScene } from './scene.ts';

const scene = openScene();
const startProcess = programs(afterEach);
const sink = needing(missing('smtp-sink', 'postfix'));

async function startWorker(smtpPort: number, concurrency = 5): Promise<Program> {
  const worker = startProcess(new URL('../delivery/worker-program.ts', import.meta.url), {
    env: { HERALD_TEST_WORKER: JSON.stringify({ url: scene.database().url, smtpPort, concurrency }) },
  });
  await worker.line(/ready/, { timeoutMs: 30_000 });
  return worker;
}

/** As if the worker had been silent for a minute, instead of waiting for that. */
const ageLeases = () =>
  scene
    .database()
    .pool.query(
      `UPDATE herald_queue.job SET started_on = now() - interval '1 minute', heartbeat_on = now() - interval '1 minute' WHERE state = 'active'`,
    );
const idOf = (mail: string) => /^Message-ID: <([0-9a-f-]{36})@/m.exec(mail)?.[1];
const bytesOf = (mail: string) => mail.slice(mail.indexOf('From: Acme'));
const statuses = async () => (await scene.stories()).map((story) => story.status);
const lost = 'unknown, free: worker_lost: the worker stopped before it could record what came of this attempt';
const patience = { timeoutMs: 40_000 };

/** Waits until the message of a lost worker is sent, without the five minutes that it has to wait. */
const sentAfterLoss = () =>
  until(async () => {
    await skipUnknownWaits(scene.database().pool);
    return (await statuses())[0] === 'sent';
  }, patience);

// The new worker cannot know how far the old one had got, so the attempt is unknown in every case; how many copies there are tells them apart.
describe('a worker is killed', () => {
  test('before the relay has greeted it: one copy', async () => {
    const silent = scene.use(await startSmtpScript([]));
    const relay = scene.use(await startSmtpScript(conversation()));
    await scene.enqueue();
    const victim = await startWorker(silent.port);
    await until(() => silent.connections().open === 1);
    await victim.kill('SIGKILL');
    await ageLeases();
    await scene.start({ port: relay.port });
    await sentAfterLoss();
    expect((await scene.stories())[0]?.attempts).toEqual([lost, 'sent']);
    expect(relay.messages()).toHaveLength(1);
  });

  test('in the middle of the message: one copy', async () => {
    const slow = scene.use(
      await startSmtpScript([...conversation().slice(0, 5), { expect: /^/ }, { delayMs: 60_000 }]),
    );
    const relay = scene.use(await startSmtpScript(conversation()));
    const content = Buffer.alloc(6_000_000, 1);
    await scene.enqueue(1, { attachments: [{ name: 'plan.bin', contentType: 'application/octet-stream', content }] });
    const victim = await startWorker(slow.port);
    await until(() => slow.lines().includes('DATA'), patience);
    await victim.kill('SIGKILL');
    await ageLeases();
    await scene.start({ port: relay.port });
    await sentAfterLoss();
    expect((await scene.stories())[0]?.attempts).toEqual([lost, 'sent']);
    expect([slow.messages().length, relay.messages().length]).toEqual([0, 1]);
  });

  test.skipIf(sink.skip)(sink.name('after 250, before it was recorded: two copies of the same bytes'), async () => {
    const relay = scene.use(await startSmtpSink(['-W', '.:1']));
    const [message] = await scene.enqueue();
    const victim = await startWorker(relay.port);
    await until(() => relay.commands().includes('.'), patience);
    const client = await scene.database().pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('SELECT FROM herald.message WHERE id = $1 FOR UPDATE', [message?.id]);
      // The reply is there when the worker wants to record it, and waits for the lock.
      await until(
        async () =>
          (
            await scene
              .database()
              .pool.query(
                `SELECT FROM pg_stat_activity WHERE application_name LIKE 'pg-herald worker%' AND datname = current_database() AND wait_event_type = 'Lock'`,
              )
          ).rowCount,
        patience,
      );
      await victim.kill('SIGKILL');
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
    // Unless the server had the statement already: then it is recorded, and there is nothing to send again.
    await ageLeases();
    await scene.start({ port: relay.port });
    await sentAfterLoss();
    const [story] = await scene.stories();
    const [first = '', second] = relay.mails();
    expect(story?.attempts).toEqual(second === undefined ? ['sent'] : [lost, 'sent']);
    if (second !== undefined) expect(bytesOf(second)).toBe(bytesOf(first));
    expect(relay.mails().length).toBe(story?.attempts.length);
  });
});

test.skipIf(sink.skip)(
  sink.name('a worker that lost its lease in its sleep is fenced off, and its late 250 is recorded'),
  async () => {
    const relay = scene.use(await startSmtpSink(['-W', '.:2']));
    await scene.enqueue();
    const zombie = await startWorker(relay.port);
    await until(() => relay.commands().includes('.'), patience);
    process.kill(zombie.pid, 'SIGSTOP');
    await ageLeases();
    await scene.start({ port: relay.port });
    await sentAfterLoss();
    expect((await scene.stories())[0]?.attempts).toEqual([lost, 'sent']);
    process.kill(zombie.pid, 'SIGCONT');
    await until(async () => (await scene.stories())[0]?.attempts[0] === 'sent, free', patience);
    await zombie.kill('SIGTERM');
    expect(await scene.stories()).toMatchObject([{ status: 'sent', attempts: ['sent, free', 'sent'] }]);
    const [first = '', second = ''] = relay.mails();
    expect(relay.mails()).toHaveLength(2);
    expect(bytesOf(second)).toBe(bytesOf(first));
  },
);

test.skipIf(sink.skip)(
  sink.name('SIGTERM in the middle of 50 emails: what is past its end is finished, the rest is returned uncounted'),
  async () => {
    const relay = scene.use(await startSmtpSink(['-W', '.:1']));
    await scene.enqueue(50);
    const leaving = await startWorker(relay.port, 10);
    await until(() => relay.mails().length >= 10, patience);
    expect(await leaving.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    const between = await scene.stories();
    const sent = between.filter((story) => story.status === 'sent').length;
    await until(() => relay.mails().length === sent);
    expect(sent).toBeLessThan(50);
    for (const { status, counted } of between.filter((story) => story.status !== 'sent'))
      expect([status, counted]).toEqual(['pending', 0]);
    await scene.start({ port: relay.port, maxConnections: 20 });
    await until(async () => (await statuses()).every((status) => status === 'sent'), patience);
    expect(relay.mails()).toHaveLength(50);
    expect(new Set(relay.mails().map(idOf)).size).toBe(50);
  },
);

test.skipIf(sink.skip)(sink.name('two workers after the same 200 messages: each goes out once'), async () => {
  const relay = scene.use(await startSmtpSink([]));
  await scene.enqueue(200);
  const workers = await Promise.all([startWorker(relay.port, 10), startWorker(relay.port, 10)]);
  await until(async () => (await statuses()).every((status) => status === 'sent'), patience);
  await Promise.all(workers.map((worker) => worker.kill('SIGTERM')));
  expect((await scene.stories()).every((story) => story.attempts.length === 1)).toBe(true);
  expect(relay.mails()).toHaveLength(200);
  expect(new Set(relay.mails().map(idOf)).size).toBe(200);
});

test.skipIf(sink.skip)(
  sink.name('a message whose time passes while the relay is down is never sent late'),
  async () => {
    const port = await freePort();
    await scene.enqueue(1, { ttlSeconds: 2 });
    await scene.start({ port });
    await until(async () => (await scene.stories())[0]?.paused === 'unreachable');
    await scene.enqueue(1, { ttlSeconds: 600 });
    const becomes = (wanted: string) =>
      until(
        async () => {
          await scene.hurry();
          return (await statuses()).toSorted().join() === wanted;
        },
        { ...patience, intervalMs: 500 },
      );
    await becomes('expired,pending');
    const relay = scene.use(await startSmtpSink([], port));
    await becomes('expired,sent');
    const expired = (await scene.stories()).find((story) => story.status === 'expired');
    expect(expired).toMatchObject({
      counted: 0,
      attempts: expect.arrayContaining(['retry, free: unreachable: no connection: ECONNREFUSED']),
    });
    expect(relay.mails()).toHaveLength(1);
  },
);
