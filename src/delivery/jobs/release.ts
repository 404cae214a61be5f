/** Gives up the leases of jobs whose messages were just written: after the message, never before. */
import type { LeasedJob, Queue, RequeuedJob } from '../../queue/queue.ts';
import type { ErrorReporter, Requeue } from '../services.ts';

interface ReleaseServices {
  readonly method: string;
  readonly queue: Pick<Queue, 'remove'>;
  readonly requeue: Requeue;
  readonly errors: ErrorReporter;
}

/** Removes the jobs of messages that have ended, and requeues those of messages that wait. Never rejects. */
export async function releaseJobs(
  { ended, again }: { readonly ended: readonly LeasedJob[]; readonly again: readonly RequeuedJob[] },
  { method, queue, requeue, errors }: ReleaseServices,
): Promise<void> {
  try {
    await Promise.all([queue.remove(method, ended), requeue(again)]);
  } catch (error) {
    // The leases run out, and the message rows then tell the next worker that there is nothing to do yet.
    errors.report(error, 'jobs not released, their leases will run out', { method });
  }
}
