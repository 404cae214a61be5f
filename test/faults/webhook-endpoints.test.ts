/**
 * Many endpoints, one dead, one slow. The first test goes through enqueue and a worker; in the second, a small loop
 * around the dispatcher takes the worker's place, so that each step is visible.
 */
import { expect, test } from 'vitest';
import type { Deferral, Dispatcher } from '../../src/dispatch/dispatcher.ts';
import { webhook } from '../../src/dispatch/webhook/webhook.ts';
import { silentLogger } from '../../src/vocabulary.ts';
import { greetingFile, putTemplates, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';
import { closedPort, context, delivery, secret, startReceiver, type Receiver } from '../dispatch/support.ts';
import { addEndpoint, addMessages, box } from '../dispatch/webhook/endpoints/table.ts';

const endpoints = 20;
const perEndpoint = 500;
const concurrency = 50;
const slowMs = 15_000;

const database = useDatabase();

interface Job {
  readonly messageId: string;
  readonly endpointId: string;
  due: number;
}

interface Run {
  /** When the last message of a healthy endpoint was sent, in milliseconds. */
  readonly healthyMs: number;
  readonly attempts: ReadonlyMap<string, number>;
  readonly postponed: number;
}

/** Delivers until all jobs of the endpoints in `awaited` are sent. */
async function pump(dispatcher: Dispatcher, jobs: Job[], awaited: ReadonlySet<string>): Promise<Run> {
  const began = performance.now();
  const attempts = new Map<string, number>();
  const stop = new AbortController();
  const flying = new Set<Promise<void>>();
  let open = jobs.filter(({ endpointId }) => awaited.has(endpointId)).length;
  const ready = [...jobs].reverse();
  let later: Job[] = [];
  let postponed = 0;

  async function fly(job: Job): Promise<void> {
    attempts.set(job.endpointId, (attempts.get(job.endpointId) ?? 0) + 1);
    const message = delivery({ messageId: job.messageId, endpointId: job.endpointId });
    const result = await dispatcher.dispatch(message, context(stop.signal));
    if (result.outcome !== 'sent') later.push({ ...job, due: Date.now() + 5_000 });
    else if (awaited.has(job.endpointId)) open -= 1;
  }

  /** Takes as many jobs as there are free slots; the newest due ones come after those that wait longer. */
  function lease(): Job[] {
    const now = Date.now();
    const due = later.filter((job) => job.due <= now);
    if (due.length > 0) later = later.filter((job) => job.due > now);
    ready.unshift(...due);
    const free = concurrency - flying.size;
    return ready.splice(Math.max(0, ready.length - free), free).reverse();
  }

  while (open > 0) {
    const leased = concurrency - flying.size >= concurrency / 4 ? lease() : [];
    const places = leased.length > 0 ? await dispatcher.admit?.(leased.map(({ messageId }) => messageId)) : undefined;
    for (const job of leased) {
      const deferral = places?.get(job.messageId);
      if (deferral !== undefined) {
        postponed += 1;
        later.push({ ...job, due: deferral.at?.getTime() ?? Number.POSITIVE_INFINITY });
        continue;
      }
      const flight: Promise<void> = fly(job).finally(() => flying.delete(flight));
      flying.add(flight);
    }
    if (leased.length === 0) await Promise.race([...flying, new Promise((resolve) => setTimeout(resolve, 20))]);
  }
  const healthyMs = performance.now() - began;
  stop.abort();
  await Promise.all(flying);
  return { healthyMs, attempts, postponed };
}

async function replica(): Promise<Dispatcher> {
  const dispatcher = webhook({ endpoints: { secrets: box }, egress: { allowCidrs: ['127.0.0.1'] }, concurrency });
  await dispatcher.start?.({ method: 'webhook', pool: database.pool, logger: silentLogger });
  return dispatcher;
}

/** Enqueues to every endpoint there is, delivers by a real worker, and returns the time until the healthy ones have all of theirs. */
async function deliverAll(healthy: Receiver, count: number): Promise<number> {
  await database.pool.query('TRUNCATE herald.message, herald.attempt; DELETE FROM herald_queue.job');
  healthy.received.length = 0;
  await database.pool.query('SELECT count(*) FROM herald.enqueue($1::jsonb)', [
    JSON.stringify({
      template: 'greeting',
      labels: { who: 'Ada' },
      methods: ['webhook'],
      to: Array.from({ length: perEndpoint }, (_, n) => ({ id: `u${n}` })),
    }),
  ]);
  const worker = testWorker(database.url, {
    dispatchers: {
      webhook: webhook({ endpoints: { secrets: box }, egress: { allowCidrs: ['127.0.0.1'] }, concurrency }),
    },
    stopTimeoutSeconds: 1,
  });
  const began = performance.now();
  await worker.start();
  try {
    await until(() => healthy.received.length >= count, { timeoutMs: 90_000 });
    return performance.now() - began;
  } finally {
    await worker.stop();
  }
}

test('10,000 events, one of 20 endpoints dead and one answering in 15 s: the other 18 finish as if alone', async () => {
  const answerSoon: Receiver = await startReceiver((response) => void setTimeout(() => response.end(), 20));
  const answerLate: Receiver = await startReceiver((response) => void setTimeout(() => response.end(), slowMs).unref());
  await putTemplates(database.pool, { greeting: greetingFile });
  const healthy = endpoints - 2;
  for (let n = 0; n < healthy; n += 1) await addEndpoint(database.pool, { url: answerSoon.url, secret });
  try {
    const before = await deliverAll(answerSoon, healthy * perEndpoint);
    const dead = await addEndpoint(database.pool, { url: `http://127.0.0.1:${await closedPort()}/hook`, secret });
    const slow = await addEndpoint(database.pool, { url: answerLate.url, secret });
    const among = await deliverAll(answerSoon, healthy * perEndpoint);
    const ids = answerSoon.received.map(({ headers }) => headers['webhook-id']);
    const { rows } = await database.pool.query<{ endpoint: string; attempts: number }>(
      'SELECT endpoint_id AS endpoint, sum(attempts)::int AS attempts FROM herald.message WHERE endpoint_id = ANY ($1) GROUP BY 1',
      [[dead, slow]],
    );
    const attempts = new Map(rows.map((row) => [row.endpoint, row.attempts]));
    await database.pool.query('DELETE FROM herald.endpoint WHERE id = ANY ($1)', [[dead, slow]]);
    // Before and after, because a machine that is shared changes its pace meanwhile.
    const after = await deliverAll(answerSoon, healthy * perEndpoint);
    const ratio = among / ((before + after) / 2);
    console.info(
      `18 endpoints alone ${Math.round(before)} and ${Math.round(after)} ms, among a dead and a slow one ${Math.round(among)} ms, ` +
        `ratio ${ratio.toFixed(2)}; attempts on the dead one ${attempts.get(dead)}, on the slow one ${attempts.get(slow)}`,
    );
    expect(attempts.get(dead)).toBeLessThan(20);
    // Two of these runs on a busy machine differ by more than a strict bound could tell.
    expect(ratio).toBeLessThan(3);
    expect(ids).toHaveLength(healthy * perEndpoint);
    expect(new Set(ids).size).toBe(ids.length);
  } finally {
    await Promise.all([answerSoon.close(), answerLate.close()]);
  }
});

test('a dead endpoint that recovers is probed once, then drained, each id once', async () => {
  let alive = false;
  const receiver = await startReceiver((response) => (alive ? response.end() : response.socket?.resetAndDestroy()));
  const id = await addEndpoint(database.pool, { url: receiver.url, secret });
  const dispatcher = await replica();
  try {
    const messages = await addMessages(database.pool, id, 100);
    for (let n = 0; n < 5; n += 1)
      await dispatcher.dispatch(delivery({ endpointId: id, messageId: messages[n] ?? '' }), context());
    await dispatcher.close?.();
    expect((await dispatcher.admit?.(messages))?.size).toBe(100);
    alive = true;
    receiver.received.length = 0;
    await database.pool.query('UPDATE herald.endpoint SET probe_at = now() WHERE id = $1', [id]);
    const later = (await dispatcher.admit?.(messages)) ?? new Map<string, Deferral>();
    expect(later.size).toBe(99);
    const probe = messages.find((message) => !later.has(message)) ?? '';
    expect(await dispatcher.dispatch(delivery({ endpointId: id, messageId: probe }), context())).toMatchObject({
      outcome: 'sent',
    });
    await dispatcher.close?.();
    const rest = messages.filter((message) => message !== probe);
    await pump(
      dispatcher,
      rest.map((messageId) => ({ messageId, endpointId: id, due: 0 })),
      new Set([id]),
    );
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids)).toEqual(new Set(messages));
    expect(ids).toHaveLength(100);
  } finally {
    await dispatcher.close?.();
    await receiver.close();
  }
});
