/**
 * Isolation of a message that has outlived two workers: it is what ended them, or was only in flight beside it. It is
 * delivered with nothing else in flight in the whole worker. If the worker dies once more, it was this message, and no
 * other one pays for it.
 */
import type { LeasedJob, RequeuedJob } from '../queue/queue.ts';
import type { ErrorReporter, Isolation, Requeue } from './services.ts';

/** Share of the time in which messages that are not isolated may be in flight. */
const ordinaryShare = 0.8;

/** @param onOpen called when messages may be leased again */
export function createIsolation(onOpen: () => void): Isolation {
  let inFlight = 0;
  let closed = false;
  let notBefore = 0;
  let onEmpty: (() => void) | null = null;
  return {
    get closed() {
      return closed;
    },
    enter() {
      inFlight += 1;
    },
    leave() {
      inFlight -= 1;
      if (inFlight === 0) onEmpty?.();
    },
    async run(work) {
      const startedAt = performance.now();
      if (closed || startedAt < notBefore) return false;
      closed = true;
      try {
        if (inFlight > 0) await new Promise<void>((resolve) => (onEmpty = resolve));
        onEmpty = null;
        await work();
      } finally {
        const now = performance.now();
        notBefore = now + ((now - startedAt) * ordinaryShare) / (1 - ordinaryShare);
        closed = false;
        onOpen();
      }
      return true;
    },
  };
}

/** The one job of a method that waits for isolation or is delivered in it. */
export interface IsolatedJob {
  /** The job, while it waits or is in flight. */
  readonly job: LeasedJob | null;
  /** Isolates the first job and requeues the others; all of them while there is one already. */
  start(jobs: readonly RequeuedJob[], options: IsolatedRun): Promise<void>;
  /** The lease was lost while the job waited. */
  markLost(): void;
}

/** How a job is delivered in isolation. */
export interface IsolatedRun {
  /** Asked when nothing else is in flight. If it returns false, the job is requeued. */
  readonly mayRun: () => boolean;
  readonly run: (job: LeasedJob) => Promise<void>;
  readonly onEnd: () => void;
}

interface IsolatedJobServices {
  readonly method: string;
  readonly isolation: Isolation;
  readonly requeue: Requeue;
  readonly errors: ErrorReporter;
}

/** Creates the isolation of one method's jobs, of which at most one is isolated at a time. */
export function createIsolatedJob({ method, isolation, requeue, errors }: IsolatedJobServices): IsolatedJob {
  let current: { readonly job: RequeuedJob; lost: boolean } | null = null;

  async function runIsolated(entry: { readonly job: RequeuedJob; lost: boolean }, { mayRun, run }: IsolatedRun) {
    const ran = await isolation.run(async () => {
      if (entry.lost) return;
      await (mayRun() ? run(entry.job) : requeue([entry.job]));
    });
    if (!ran) await requeue([entry.job]);
  }

  return {
    get job() {
      return current?.job ?? null;
    },
    async start([first, ...others], options) {
      if (first === undefined) return;
      await requeue(current === null ? others : [first, ...others]);
      if (current !== null) return;
      const entry = { job: first, lost: false };
      current = entry;
      void runIsolated(entry, options)
        .catch((error: unknown) => errors.report(error, 'cannot deliver a message in isolation', { method }))
        .finally(() => {
          current = null;
          options.onEnd();
        });
    },
    markLost() {
      if (current !== null) current.lost = true;
    },
  };
}
