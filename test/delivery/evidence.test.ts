/** One message is never evidence twice: a message that always meets a fault stops no other, and ends. */
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { listPauses, resumeMethod } from '../../src/operate/pause.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const herald = createHerald();
beforeEach(() =>
  database.pool.query(
    `TRUNCATE herald.message, herald.attempt; DELETE FROM herald_queue.job;
     UPDATE herald.method SET paused_at = NULL, pause_kind = NULL, probe_at = NULL, probe_failures = 0, last_sent_at = NULL`,
  ),
);

const enqueue = async (id: string, priority = 0) => {
  const [message] = await herald.enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id, email: `${id}@example.com` },
    labels: { who: id },
    priority,
  });
  return message?.id ?? '';
};
/** Makes a message and the probe of its method due. Again in each look, because a worker may just be requeueing the job. */
const nudge = async (id: string) => {
  await database.pool.query(
    `UPDATE herald.message SET next_attempt_at = now() WHERE id = $1 AND status = 'pending' AND next_attempt_at > now()`,
    [id],
  );
  await database.pool.query('SELECT herald.ensure_jobs(ARRAY[$1::uuid])', [id]);
};
const probeNow = () => database.pool.query(`UPDATE herald.method SET probe_at = now() WHERE name = 'smtp'`);
const messageOf = async (id: string) =>
  (await database.pool.query('SELECT * FROM herald.message WHERE id = $1', [id])).rows[0];
const fault = { outcome: 'retry', reason: 'throttled', detail: '421', pauseMethod: true } as const;

test('a message that always meets a fault of the method is not the probe, is counted from its second fault on, and fails', {
  timeout: 60_000,
}, async () => {
  const poison = await enqueue('poison', 9);
  const probes: string[] = [];
  const smtp = scriptedDispatcher(
    ({ messageId }) => {
      probes.push(messageId);
      return messageId === poison ? fault : { outcome: 'sent' };
    },
    { concurrency: 4, retryDelaysSeconds: [0.2] },
  );
  const worker = testWorker(database.url, { dispatchers: { smtp } });
  await worker.start();
  onTestFinished(() => worker.stop());
  await until(async () => (await listPauses(database.pool)).length === 1);
  const others = await Promise.all(Array.from({ length: 3 }, (_, i) => enqueue(`u${i}`)));
  // Due again, and first by priority: still another message is the probe, and from then on the others go.
  await until(
    async () => {
      await nudge(poison);
      await probeNow();
      return probes.some((id) => id !== poison);
    },
    { intervalMs: 300 },
  );
  expect(probes.filter((id) => id === poison).length).toBeLessThanOrEqual(2);
  await until(async () => (await messageOf(poison)).status === 'failed', { timeoutMs: 30_000 });
  expect(await messageOf(poison)).toMatchObject({ reason: 'throttled', counted: 2 });
  for (const id of others) await until(async () => (await messageOf(id)).status === 'sent');
  expect(await listPauses(database.pool)).toEqual([]);
});

test('the probe is a message that has not met the fault, however many are due before it', {
  timeout: 60_000,
}, async () => {
  const met = await Promise.all(Array.from({ length: 30 }, (_, i) => enqueue(`met${i}`, 9)));
  const fresh = await enqueue('fresh');
  await database.pool.query(`UPDATE herald.message SET fault_at = now(), uncounted_since = now() WHERE id = ANY ($1)`, [
    met,
  ]);
  await database.pool.query(
    `UPDATE herald.method SET paused_at = now(), pause_kind = 'fault', pause_reason = 'throttled', probe_at = now()
     WHERE name = 'smtp'`,
  );
  const smtp = scriptedDispatcher(() => fault);
  const worker = testWorker(database.url, { dispatchers: { smtp } });
  await worker.start();
  onTestFinished(() => worker.stop());
  await until(() => smtp.deliveries.length > 0, { timeoutMs: 20_000 });
  expect(smtp.deliveries[0]?.messageId).toBe(fresh);
  // It has met the fault now. Of those that have, the next probe is the one whose fault is the longest ago.
  await until(
    async () => {
      await probeNow();
      return smtp.deliveries.length > 1;
    },
    { timeoutMs: 20_000, intervalMs: 300 },
  );
  expect(met).toContain(smtp.deliveries[1]?.messageId);
});

test('the probe is of another notification than those that met the fault, which say the same', {
  timeout: 60_000,
}, async () => {
  const to = Array.from({ length: 8 }, (_, i) => ({ id: `list${i}`, email: `list${i}@example.com` }));
  const alike = await createHerald().enqueue(database.pool, greeting, { autocommit: true, to, labels: { who: 'x' } });
  const fresh = await enqueue('fresh');
  await database.pool.query(`UPDATE herald.message SET fault_at = now(), uncounted_since = now() WHERE id = ANY ($1)`, [
    alike.slice(0, 3).map(({ id }) => id),
  ]);
  await database.pool.query(
    `UPDATE herald.method SET paused_at = now(), pause_kind = 'fault', pause_reason = 'refused', probe_at = now()
     WHERE name = 'smtp'`,
  );
  const smtp = scriptedDispatcher(() => fault);
  const worker = testWorker(database.url, { dispatchers: { smtp } });
  await worker.start();
  onTestFinished(() => worker.stop());
  await until(() => smtp.deliveries.length > 0, { timeoutMs: 20_000 });
  expect(smtp.deliveries[0]?.messageId).toBe(fresh);
});

test('while nothing passes, the fault stays that of the method', { timeout: 60_000 }, async () => {
  const only = await enqueue('only');
  const smtp = scriptedDispatcher(() => fault, { retryDelaysSeconds: [0.2] });
  const worker = testWorker(database.url, { dispatchers: { smtp } });
  await worker.start();
  onTestFinished(() => worker.stop());
  await until(
    async () => {
      await nudge(only);
      await probeNow();
      return smtp.deliveries.length >= 4;
    },
    { timeoutMs: 40_000, intervalMs: 300 },
  );
  expect(await messageOf(only)).toMatchObject({ counted: 0 });
  expect(await listPauses(database.pool)).toHaveLength(1);
});

test('resuming a method makes the messages due that met its fault, and no others', async () => {
  const [met, scheduled] = [await enqueue('met'), await enqueue('scheduled')];
  let broken = true;
  await database.pool.query(`UPDATE herald.message SET next_attempt_at = now() + interval '1 hour' WHERE id = $1`, [
    scheduled,
  ]);
  await database.pool.query(`UPDATE herald_queue.job SET start_after = now() + interval '1 hour' WHERE id = $1`, [
    scheduled,
  ]);
  const refused = { ...fault, reason: 'authentication', retryAfterSeconds: 300 } as const;
  const smtp = scriptedDispatcher(() => (broken ? refused : { outcome: 'sent' }));
  const worker = testWorker(database.url, { dispatchers: { smtp } });
  await worker.start();
  onTestFinished(() => worker.stop());
  await until(async () => (await messageOf(met)).uncounted === 1);
  await until(async () => (await listPauses(database.pool)).length === 1);
  broken = false;
  expect(await resumeMethod(database.pool, { method: 'smtp' })).toEqual(['smtp']);
  await until(async () => (await messageOf(met)).status === 'sent');
  expect(await messageOf(scheduled)).toMatchObject({ status: 'pending', attempts: 0 });
});
