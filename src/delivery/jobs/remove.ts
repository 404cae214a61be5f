/**
 * Removes the jobs of messages that are sent: the first at once, and what comes in the next moment in one statement. Nothing waits for
 * it, since the message row decides and a job that outlives it is harmless.
 */
import type { LeasedJob, Queue } from '../../queue/queue.ts';
import type { Outage } from '../database-errors.ts';

export interface Releases {
  add(jobs: readonly LeasedJob[]): void;
  /** Resolves when everything that was added is released, or was tried to be. */
  flush(): Promise<void>;
}

const gatherMs = 50;
const batchLimit = 500;

export function createReleases({
  method,
  queue,
  outage,
}: {
  readonly method: string;
  readonly queue: Queue;
  readonly outage: Outage;
}): Releases {
  let waiting: LeasedJob[] = [];
  let releasing: Promise<void> | null = null;
  let flushing = false;
  let hurry: () => void = () => undefined;

  async function release(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, batchLimit);
      try {
        await queue.finish(method, batch);
      } catch (error) {
        outage.report(error, 'jobs not released, their leases will run out', { method });
      }
      if (waiting.length < batchLimit && !flushing) await moment();
    }
    releasing = null;
  }

  function moment(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, gatherMs);
      hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  return {
    add(jobs) {
      waiting = waiting.concat(jobs);
      if (waiting.length > 0) releasing ??= release();
    },
    async flush() {
      flushing = true;
      hurry();
      await releasing;
    },
  };
}
