/**
 * Leases jobs ahead of the free slots, so that one statement serves several of their turns. No attempt is open for
 * them: they are requeued when they are not needed soon.
 */
import type { LeasedJob, Queue } from '../../queue/queue.ts';
import type { Batch, ErrorReporter, Requeue } from '../services.ts';

/** How long a lease is used. This process stood still if it is older, and other workers may have its jobs. */
export const freshMs = 10_000;

/** Whether the leases of a batch can still be used. */
export function isFresh({ leasedAt }: Pick<Batch, 'leasedAt'>): boolean {
  return performance.now() - leasedAt < freshMs;
}

/** Leases jobs, and holds those that were leased ahead. */
export interface Prefetch {
  /**
   * Returns up to `limit` jobs, leased now or a moment ago, and whether more may be due. With `ahead`, it leases more
   * jobs than are asked for while many are taken.
   */
  take(limit: number, options: { readonly ahead: boolean }): Promise<Batch & { readonly more: boolean }>;
  /**
   * Requeues jobs that were leased at least so long ago, after what is being requeued already. Never rejects: what
   * cannot be requeued is due again when its lease has run out. May take long, because another transaction may have
   * locked a job.
   */
  giveBack(olderThanMs: number): Promise<void>;
}

interface PrefetchServices {
  readonly method: string;
  readonly queue: Pick<Queue, 'lease'>;
  readonly requeue: Requeue;
  readonly errors: ErrorReporter;
}

/** Jobs in one lease: while one half of a large worker's slots is being filled, the other half works. */
const maxLease = 500;
/**
 * Prefetches at most what the last rate would start in this time: other workers may have free slots, and urgent
 * messages wait behind what was prefetched.
 */
const aheadMs = 25;

/** Creates a prefetch that holds nothing. */
export function createPrefetch({ method, queue, requeue, errors }: PrefetchServices): Prefetch {
  let jobs: LeasedJob[] = [];
  let leasedAt = 0;
  /** The last lease was as large as was asked for. */
  let full = false;
  let size = 0;
  let givingBack: Promise<void> = Promise.resolve();

  async function lease(limit: number, ahead: boolean): Promise<void> {
    const now = performance.now();
    const fitting = ahead && full ? (size * aheadMs) / Math.max(now - leasedAt, 1) : 0;
    size = Math.min(Math.max(limit, Math.min(Math.floor(fitting), size * 4)), maxLease);
    leasedAt = now;
    jobs = await queue.lease(method, size);
    full = jobs.length === size;
  }

  async function giveBackNow(olderThanMs: number): Promise<void> {
    if (jobs.length === 0 || performance.now() - leasedAt < olderThanMs) return;
    const back = jobs.splice(0);
    if (!isFresh({ leasedAt })) return;
    try {
      await requeue.soon(back);
    } catch (error) {
      errors.report(error, 'cannot requeue jobs that were leased ahead', { method });
    }
  }

  return {
    async take(limit, { ahead }) {
      if (!isFresh({ leasedAt })) jobs = [];
      if (jobs.length === 0) await lease(limit, ahead);
      return { jobs: jobs.splice(0, limit), leasedAt, more: jobs.length > 0 || full };
    },
    giveBack(olderThanMs) {
      givingBack = givingBack.then(() => giveBackNow(olderThanMs));
      return givingBack;
    },
  };
}
