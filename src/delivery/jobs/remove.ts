/**
 * Removes the jobs of messages that were sent: the first at once, and what comes in the next moment in one statement.
 * Nothing waits for it, since the message row decides and a job that outlives it is harmless.
 */
import { createBatcher } from '../../batcher.ts';
import type { LeasedJob, Queue } from '../../queue/queue.ts';
import type { ErrorReporter, Removals } from '../services.ts';

interface RemovalServices {
  readonly method: string;
  readonly queue: Pick<Queue, 'remove'>;
  readonly errors: ErrorReporter;
}

const gatherMs = 50;
const maxBatch = 500;

/** Removes in batches of 500 jobs at most, 50 ms apart. */
export function createRemovals({ method, queue, errors }: RemovalServices): Removals {
  const batcher = createBatcher<LeasedJob>({
    gatherMs,
    maxItems: maxBatch,
    write: (jobs) =>
      queue
        .remove(method, jobs)
        .catch((error: unknown) => errors.report(error, 'jobs not removed, their leases will run out', { method })),
  });
  return {
    add: (jobs) => void batcher.add(jobs),
    flush: () => batcher.flush(),
  };
}
