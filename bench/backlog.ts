/** Messages that wait, and how fast they go. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Child } from './programs.ts';

export const templateName = 'workspace-deleted';

/** Labels of `templateName`, of ordinary length. */
export const labels = {
  workspace: 'Analytics (Staging)',
  reason: 'it was inactive for 90 days',
  initiator: 'autobuild',
} as const;

export const recipientOf = (n: number) => ({
  id: `u${n}`,
  email: `user${n}@example.com`,
  name: `Customer Number ${n}`,
});

/** The same recipients made by the server, as jsonb. */
export const recipientsSql = `(SELECT jsonb_agg(jsonb_build_object('id', 'u' || i, 'email', 'user' || i || '@example.com', 'name', 'Customer Number ' || i))
  FROM generate_series($1::int, $2::int) i)`;

const chunk = 20_000;

/** Writes messages as an application would, through herald.enqueue. */
export async function enqueueMany(pool: Pool, method: string, count: number): Promise<void> {
  for (let from = 1; from <= count; from += chunk) {
    await pool.query(
      `SELECT count(*) FROM herald.enqueue(jsonb_build_object('template', $3::text, 'to', ${recipientsSql}, 'labels', $4::jsonb, 'methods', jsonb_build_array($5::text)))`,
      [from, Math.min(from + chunk - 1, count), templateName, JSON.stringify(labels), method],
    );
  }
}

/** Holds a method, or lets it go, for all workers: what an operator's pause does. */
export async function setPaused(pool: Pool, method: string, paused: boolean): Promise<void> {
  await pool.query(
    `UPDATE herald.method SET paused_at = CASE WHEN $2 THEN now() END, pause_kind = CASE WHEN $2 THEN 'operator' END WHERE name = $1`,
    [method, paused],
  );
  await pool.query(`SELECT pg_notify('herald', '*')`);
  // Until the workers have looked, and what they had leased is under way.
  if (paused) await sleep(300);
}

export interface Drain {
  readonly pool: Pool;
  readonly method: string;
  readonly workers: readonly Child[];
}

/** Enqueues while the method is held, lets go, and returns messages per second until the last is settled. */
export async function fillAndDrain(drain: Drain, count: number): Promise<number> {
  await setPaused(drain.pool, drain.method, true);
  await enqueueMany(drain.pool, drain.method, count);
  await drain.pool.query('CHECKPOINT');
  const before = await dispatchedBy(drain.workers);
  await setPaused(drain.pool, drain.method, false);
  await untilDispatched(drain.workers, before + count);
  return settledRate(drain, count);
}

/** Between the first attempt and the last, by the clock of the database, of the last `count` messages. */
async function settledRate({ pool, method }: Drain, count: number): Promise<number> {
  await untilSettled(pool, method);
  const { rows } = await pool.query<{ seconds: number }>(
    `SELECT extract(epoch FROM max(a.finished_at) - min(a.started_at))::float8 AS seconds
     FROM (SELECT id FROM herald.message WHERE method = $1 ORDER BY created_at DESC, id DESC LIMIT $2) m
     JOIN herald.attempt a ON a.message_id = m.id`,
    [method, count],
  );
  return count / (rows[0]?.seconds ?? Number.NaN);
}

async function untilSettled(pool: Pool, method: string): Promise<void> {
  for (let looks = 0; looks < 3000; looks++) {
    const { rows } = await pool.query<{ open: boolean }>(
      'SELECT EXISTS (SELECT FROM herald.message WHERE method = $1 AND settled_at IS NULL) AS open',
      [method],
    );
    if (rows[0]?.open === false) return;
    await sleep(20);
  }
  throw new Error(`messages by ${method} did not settle within a minute`);
}

export async function dispatchedBy(workers: readonly Child[]): Promise<number> {
  const counts = await Promise.all(workers.map((worker) => worker.ask<number>('dispatched')));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Waits until the workers have dispatched so many in all; 5 minutes at most. Looks 50 times a second. */
export async function untilDispatched(
  workers: readonly Child[],
  count: number,
  look?: () => Promise<void>,
): Promise<void> {
  const deadline = performance.now() + 300_000;
  while ((await dispatchedBy(workers)) < count) {
    await look?.();
    if (performance.now() > deadline) throw new Error(`fewer than ${count} messages were dispatched within 5 minutes`);
    await sleep(20);
  }
}
