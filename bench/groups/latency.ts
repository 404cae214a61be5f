/** From the commit of the application's transaction until the message's first byte is at the SMTP server. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { fillAndDrain, labels, recipientOf } from '../backlog.ts';
import { alone, quantile, short } from '../measure.ts';
import type { Child } from '../programs.ts';
import type { Metric } from '../rows.ts';
import { type Setting, share } from '../setting.ts';
import { shippedTemplate } from '../shipped.ts';
import { portOf } from '../sinks.ts';
import type { Group } from './group.ts';

/** Beyond those of a backlog, so that a message is told by its recipient. */
const firstNumber = 1_000_000;

export const latencyGroup: Group = {
  rows: ['latency.idle.p50', 'latency.idle.p99', 'latency.loaded.p99'],
  async run(setting, wanted) {
    const { url, pool } = await setting.database();
    const sink = await setting.start('smtp-sink', { times: true });
    const smtp = { host: '127.0.0.1', port: await portOf(sink), tls: 'none', maxConnections: 10 };
    const worker = await setting.start('worker', { url, smtp });
    const place = { pool, sink, numbers: { last: firstNumber } };
    await paced(place, { perSecond: 50, seconds: 1 });
    const metrics: Metric[] = [];
    if (wanted.has('latency.idle.p50') || wanted.has('latency.idle.p99')) {
      const idle = await paced(place, { perSecond: 40, seconds: setting.size.seconds });
      metrics.push(alone('latency.idle.p50', quantile(idle, 0.5), idle));
      metrics.push(alone('latency.idle.p99', quantile(idle, 0.99), idle));
    }
    if (wanted.has('latency.loaded.p99')) metrics.push(await loaded(setting, place, worker));
    return metrics.filter(({ name }) => wanted.has(name));
  },
};

interface Place {
  readonly pool: Pool;
  readonly sink: Child;
  /** Counts up over all measurements of a sink. */
  readonly numbers: { last: number };
}

async function loaded(setting: Setting, place: Place, worker: Child): Promise<Metric> {
  const rates: number[] = [];
  for (let i = 0; i < 2; i++)
    rates.push(await fillAndDrain({ pool: place.pool, method: 'smtp', workers: [worker] }, share(setting, 6000)));
  const most = Math.max(...rates);
  await place.sink.ask('arrivals');
  const samples = await paced(place, { perSecond: most / 2, seconds: setting.size.seconds });
  const [p50, p95] = [quantile(samples, 0.5), quantile(samples, 0.95)];
  setting.progress(`at ${short(most / 2)}/s of ${short(most)}/s: p50 ${short(p50)} ms, p95 ${short(p95)} ms`);
  return { ...alone('latency.loaded.p99', quantile(samples, 0.99), samples), note: `at ${short(most / 2)} messages/s` };
}

/**
 * Enqueues at fixed times whatever happens (an open loop: a system that stalls is not asked less), each message in a
 * transaction of its own. Returns milliseconds from the moment COMMIT was sent, one per message.
 */
async function paced(
  { pool, sink, numbers }: Place,
  { perSecond, seconds }: { perSecond: number; seconds: number },
): Promise<number[]> {
  const herald = createHerald();
  const count = Math.ceil(perSecond * seconds);
  const committed = new Map<number, number>();
  const open: Promise<unknown>[] = [];
  const startedAt = performance.now();
  for (let i = 0; i < count; i++) {
    const due = startedAt + (i * 1000) / perSecond - performance.now();
    if (due > 1) await sleep(due);
    const number = ++numbers.last;
    open.push(enqueueOne(herald, pool, number).then((at) => committed.set(number, at)));
  }
  await Promise.all(open);
  const arrived = new Map<number, number>();
  for (let looks = 0; arrived.size < count && looks < 600; looks++) {
    for (const [number, at] of await sink.ask<[number, number][]>('arrivals')) arrived.set(number, at);
    await sleep(50);
  }
  if (arrived.size < count) throw new Error(`${count - arrived.size} of ${count} messages did not arrive`);
  return [...committed].map(([number, at]) => (arrived.get(number) ?? Number.NaN) - at);
}

async function enqueueOne(herald: ReturnType<typeof createHerald>, pool: Pool, number: number): Promise<number> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await herald.enqueue(client, shippedTemplate, {
      to: recipientOf(number),
      labels,
      methods: ['smtp'],
    });
    const at = performance.timeOrigin + performance.now();
    await client.query('COMMIT');
    return at;
  } finally {
    client.release();
  }
}
