/**
 * Asks a dispatcher which leased messages its receivers can take now, and requeues or holds the others: the message row
 * and the job change in one transaction.
 */
import { transaction } from '../database/pool.ts';
import type { Database } from '../database/database.ts';
import type { Deferral, Dispatcher } from '../dispatch/dispatcher.ts';
import type { LeasedJob, Queue } from '../queue/queue.ts';
import { isFresh } from './jobs/prefetch.ts';
import type { Admission, Batch, DeliveryServices } from './services.ts';

interface AdmissionServices {
  readonly method: string;
  readonly dispatcher: Pick<Dispatcher, 'admit'>;
  readonly database: Pick<Database, 'pool'>;
  readonly queue: Pick<Queue, 'requeue' | 'remove'>;
}

const maxLeaseFactor = 16;

// What was admitted and found no slot keeps its row; its job comes again in a second of the database's clock. A message
// whose worker died is not held: `begin` has to record its lost attempt first.
const deferText = `
WITH deferred AS MATERIALIZED (
  SELECT d.id, d.at, d.held, d.reason, d.detail
  FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, at timestamptz, held boolean, reason text, detail text)
), changed AS (
  UPDATE herald.message m
  SET status = CASE WHEN d.held THEN 'held' ELSE m.status END,
    reason = CASE WHEN d.held THEN d.reason ELSE m.reason END,
    detail = d.detail, next_attempt_at = CASE WHEN d.held THEN 'infinity' ELSE d.at END
  FROM deferred d
  WHERE m.id = d.id AND m.status = 'pending' AND (d.held OR d.at IS NOT NULL)
)
SELECT d.id, m.priority, CASE WHEN NOT d.held THEN coalesce(d.at, now() + interval '1 second') END AS "startAfter"
FROM deferred d JOIN herald.message m USING (id)
WHERE NOT (d.held AND m.status = 'sending')`;

/**
 * Returns the batch without the jobs that cannot go now. No job is left if asking took so long that others may have the
 * leases.
 */
export async function admit(batch: Batch, { admission, inFlight, dispatcher }: DeliveryServices): Promise<Batch> {
  if (batch.jobs.length === 0) return batch;
  const jobs = await admission.admit(batch.jobs, dispatcher.concurrency - inFlight.dispatching);
  return { ...batch, jobs: isFresh(batch) ? jobs : [] };
}

/** Creates the admission of one method. It remembers how many jobs were deferred of the last batch. */
export function createAdmission(services: AdmissionServices): Admission {
  const { dispatcher } = services;
  let leaseFactor = 1;
  return {
    get leaseFactor() {
      return leaseFactor;
    },
    async admit(jobs, free) {
      const deferrals = await dispatcher.admit?.(jobs.map((job) => job.id));
      if (deferrals === undefined || (deferrals.size === 0 && leaseFactor === 1)) return jobs;
      const fitting = new Set(jobs.filter((job) => !deferrals.has(job.id)).slice(0, free));
      const others = jobs.filter((job) => !fitting.has(job));
      const admitted = [...fitting, ...(others.length > 0 ? await defer(others, deferrals, services) : [])];
      // Where most are deferred, the next lease is larger: the backlog of a dead receiver must not hold up what is
      // behind it.
      leaseFactor = admitted.length * 2 < jobs.length ? Math.min(leaseFactor * 2, maxLeaseFactor) : 1;
      return admitted;
    },
  };
}

interface DeferredRow {
  readonly id: string;
  readonly priority: number;
  /** Null: the message is held. */
  readonly startAfter: Date | null;
}

/** Requeues or holds the jobs. Returns those that have to go all the same. */
async function defer(
  jobs: readonly LeasedJob[],
  deferrals: ReadonlyMap<string, Deferral>,
  { method, database, queue }: AdmissionServices,
): Promise<readonly LeasedJob[]> {
  const input = jobs.map(({ id }) => rowOf(id, deferrals.get(id))).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return transaction(database.pool, async (tx) => {
    const { rows } = await tx.query<DeferredRow>(deferText, [JSON.stringify(input)]);
    const deferred = new Map(rows.map((row) => [row.id, row]));
    const requeued = jobs.flatMap((job) => {
      const { priority, startAfter } = deferred.get(job.id) ?? { priority: 0, startAfter: null };
      return startAfter === null ? [] : [{ ...job, priority, startAfter }];
    });
    const held = jobs.filter((job) => deferred.get(job.id)?.startAfter === null);
    await queue.requeue(method, requeued, tx);
    await queue.remove(method, held, tx);
    return jobs.filter((job) => !deferred.has(job.id));
  });
}

function rowOf(id: string, deferral: Deferral | undefined) {
  if (deferral === undefined) return { id, held: false };
  const { at, detail } = deferral;
  return { id, at, detail, held: at === null, reason: 'reason' in deferral ? deferral.reason : null };
}
