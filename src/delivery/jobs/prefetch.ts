/**
 * Jobs that are leased ahead of the free slots, so that one statement serves several of their turns. No attempt is open for
 * them: they are given back when they are not needed soon.
 */
import type { Database } from '../../database/statements.ts';
import type { LeasedJob, Queue } from '../../queue/queue.ts';
import type { Outage } from '../database-errors.ts';
import { readPlaces } from './requeue.ts';

export interface Lot {
  readonly jobs: readonly LeasedJob[];
  /** When they were leased, by `performance.now()`. */
  readonly leasedAt: number;
  /** Whether more may be due. */
  readonly more: boolean;
}

export interface Reserve {
  /** Up to `limit` jobs, leased now or a moment ago; with `ahead`, more are leased than are asked for while many are taken. */
  take(limit: number, options: { readonly ahead: boolean }): Promise<Lot>;
  /**
   * Gives back what has waited for so long, after what is being given back already. Never rejects: what cannot be given back is due
   * again when its lease has run out. May take long: somebody may have locked one of the jobs.
   */
  giveBack(olderThanMs: number): Promise<void>;
}

/** Jobs leased at once: while one half of a large worker's slots is being filled, the other half works. */
const largestLease = 500;
/** What is leased ahead takes no longer than this, as things went last: others may have free slots, and what is urgent comes behind it. */
const aheadMs = 25;

interface ReserveServices {
  readonly method: string;
  readonly queue: Queue;
  readonly database: Database;
  readonly outage: Outage;
  /** How old a lease may be that is still used; a process that stood still for longer leaves its leases alone. */
  readonly staleMs: number;
}

export function createReserve({ method, queue, database, outage, staleMs }: ReserveServices): Reserve {
  let kept: LeasedJob[] = [];
  let leasedAt = 0;
  /** Whether the last lease was as large as was asked for. */
  let full = false;
  let size = 0;
  let givingBack: Promise<void> = Promise.resolve();

  async function lease(limit: number, ahead: boolean): Promise<void> {
    const now = performance.now();
    const fitting = ahead && full ? (size * aheadMs) / Math.max(now - leasedAt, 1) : 0;
    size = Math.min(Math.max(limit, Math.min(Math.floor(fitting), size * 4)), largestLease);
    leasedAt = now;
    kept = await queue.lease(method, size);
    full = kept.length === size;
  }

  async function giveBackNow(olderThanMs: number): Promise<void> {
    const age = performance.now() - leasedAt;
    if (kept.length === 0 || age < olderThanMs) return;
    const jobs = kept.splice(0);
    if (age > staleMs) return;
    try {
      const { priorities, soon } = await readPlaces(
        database,
        jobs.map(({ id }) => id),
      );
      await queue.postpone(
        method,
        jobs.map((job) => ({ ...job, priority: priorities.get(job.id) ?? 0, startAfter: soon })),
      );
    } catch (error) {
      outage.report(error, 'cannot give back leases', { method });
    }
  }

  return {
    async take(limit, { ahead }) {
      if (performance.now() - leasedAt > staleMs) kept = [];
      if (kept.length === 0) await lease(limit, ahead);
      const jobs = kept.splice(0, limit);
      return { jobs, leasedAt, more: kept.length > 0 || full };
    },
    giveBack(olderThanMs) {
      givingBack = givingBack.then(() => giveBackNow(olderThanMs));
      return givingBack;
    },
  };
}
