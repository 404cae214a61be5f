/** The message that shows whether a paused method works again. */
import type { Prefetch } from './prefetch.ts';
import type { Batch, MethodServices } from '../services.ts';

/** Jobs to choose from. */
const candidates = 20;

// One message is never evidence twice: a message that has met the fault is not the probe while another one is due,
// however many are due before that one. Messages of its notification say the same and may be refused for it.
const firstText = `
SELECT m.id FROM herald.message m
WHERE m.method = $1 AND m.settled_at IS NULL AND m.status = 'pending' AND m.fault_at IS NULL
  AND m.next_attempt_at <= now() AND m.notification_id <> ALL ($2::uuid[])
ORDER BY m.next_attempt_at LIMIT 1`;

const metFaultText = `
SELECT DISTINCT m.notification_id AS id FROM herald.message m
WHERE m.uncounted_since IS NOT NULL AND m.settled_at IS NULL AND m.status = 'pending' AND m.method = $1
  AND m.fault_at IS NOT NULL LIMIT 100`;

// Where all have met it, the longest ago comes first.
const chooseText = `
SELECT m.id FROM herald.message m WHERE m.id = ANY ($1::uuid[])
ORDER BY m.fault_at NULLS FIRST, m.priority DESC, m.next_attempt_at LIMIT 1`;

/** Leases one message to probe with, one that has not met the fault if there is one. */
export async function leaseProbe(
  prefetch: Prefetch,
  { method, database, queue, requeue }: Pick<MethodServices, 'method' | 'database' | 'queue' | 'requeue'>,
): Promise<Batch & { readonly more: boolean }> {
  const first = await findUntried(database, method);
  if (first !== null) await queue.putFirst(method, first);
  const batch = await prefetch.take(candidates, { ahead: false });
  if (batch.jobs.length < 2) return batch;
  const ids = batch.jobs.map(({ id }) => id);
  const best = first !== null && ids.includes(first) ? first : await chooseAmong(database, ids);
  const chosen = batch.jobs.filter(({ id }) => id === best);
  await requeue.soon(batch.jobs.filter((job) => !chosen.includes(job)));
  return { ...batch, jobs: chosen };
}

/** Returns a due message that has not met the fault, if possible of a notification that has not; null if all have. */
async function findUntried({ pool }: MethodServices['database'], method: string): Promise<string | null> {
  const query = async (text: string, values: unknown[]) => (await pool.query<{ id: string }>(text, values)).rows;
  const met = (await query(metFaultText, [method])).map(({ id }) => id);
  const [other] = await query(firstText, [method, met]);
  const [any] = other === undefined && met.length > 0 ? await query(firstText, [method, []]) : [other];
  return any?.id ?? null;
}

async function chooseAmong({ pool }: MethodServices['database'], ids: readonly string[]): Promise<string | undefined> {
  return (await pool.query<{ id: string }>(chooseText, [ids])).rows[0]?.id;
}
