/** The message that shows whether a paused method works again. */
import type { Prefetch } from './prefetch.ts';
import type { Batch, MethodServices } from '../services.ts';

/** Jobs to choose from. */
const candidates = 20;

// One message is never evidence twice: a message that has met the fault is not the probe while another one is due,
// however many are due before that one.
const firstText = `
SELECT m.id FROM herald.message m
WHERE m.method = $1 AND m.settled_at IS NULL AND m.status = 'pending' AND m.fault_at IS NULL
  AND m.next_attempt_at <= now()
ORDER BY m.next_attempt_at LIMIT 1`;

// Where all have met it, the longest ago comes first.
const chooseText = `
SELECT m.id FROM herald.message m WHERE m.id = ANY ($1::uuid[])
ORDER BY m.fault_at NULLS FIRST, m.priority DESC, m.next_attempt_at LIMIT 1`;

/** Leases one message to probe with, one that has not met the fault if there is one. */
export async function leaseProbe(
  prefetch: Prefetch,
  { method, database, queue, requeue }: Pick<MethodServices, 'method' | 'database' | 'queue' | 'requeue'>,
): Promise<Batch & { readonly more: boolean }> {
  const [first] = (await database.pool.query<{ id: string }>(firstText, [method])).rows;
  if (first !== undefined) await queue.putFirst(method, first.id);
  const batch = await prefetch.take(candidates, { ahead: false });
  if (batch.jobs.length < 2) return batch;
  const { rows } = await database.pool.query<{ id: string }>(chooseText, [batch.jobs.map(({ id }) => id)]);
  const chosen = batch.jobs.filter(({ id }) => id === rows[0]?.id);
  await requeue.soon(batch.jobs.filter((job) => !chosen.includes(job)));
  return { ...batch, jobs: chosen };
}
