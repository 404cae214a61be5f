/** The attempts of one method that are under way in this worker, and what ends those that take too long. */
import type { DispatchResult } from '../dispatch/dispatcher.ts';
import type { LeasedJob } from '../queue/queue.ts';
import type { OpenMessage } from './begin.ts';
import type { AttemptTelemetry } from './telemetry.ts';

/** A message whose attempt was opened. */
export interface OpenAttempt {
  readonly job: LeasedJob;
  readonly message: OpenMessage;
  /** Fences off every other lease of the message. */
  readonly token: string;
}

/** An attempt under way. */
export interface Attempt extends OpenAttempt {
  /** By `performance.now()`. */
  readonly startedAt: number;
  readonly telemetry: AttemptTelemetry;
  /** Aborted at the deadline, at the message's expiry, when the lease is lost and when the worker has to stop. */
  readonly signal: AbortSignal;
  /** Resolves when the dispatcher did not end long after its signal was aborted. */
  readonly timedOut: Promise<DispatchResult>;
  /** Frees the slot: the dispatch has ended, its result is not recorded yet. */
  dispatched(result: DispatchResult): void;
  /** Rendering and dispatch, in milliseconds; what passed until now while they go on. */
  readonly durationMs: number;
}

export interface InFlight {
  /** Attempts that are not settled. */
  readonly size: number;
  /** Of these, attempts whose dispatch has not ended. */
  readonly dispatching: number;
  /** Runs an attempt. Resolves when it is settled; `work` must not reject. */
  run(open: OpenAttempt, work: (attempt: Attempt) => Promise<void>): Promise<void>;
  jobs(): LeasedJob[];
  has(messageId: string): boolean;
  abortAll(reason: string): void;
  /** Aborts the attempts at these messages, whose leases were lost. */
  abortLost(messageIds: readonly string[]): void;
  /** Aborts what is beyond its deadline or expiry, and gives up on what still goes on long after that. */
  endOverdue(): void;
}

export interface InFlightOptions {
  readonly timeoutMs: number;
  readonly beginTelemetry: (message: OpenMessage) => AttemptTelemetry;
  /** A dispatch has ended. */
  readonly onDispatched: (result: DispatchResult) => void;
  /** An attempt is opened, or settled. */
  readonly onOpened: () => void;
  readonly onSettled: () => void;
}

interface Entry {
  readonly attempt: Attempt;
  /** By `performance.now()`, because the machine's clock may be wrong. */
  readonly expiresAt: number | null;
  readonly abort: (reason: string) => void;
  readonly giveUp: (result: DispatchResult) => void;
}

/** How long a dispatcher may go on after its signal was aborted. */
const abortGraceMs = 20_000;

const notEnded: DispatchResult = {
  outcome: 'unknown',
  reason: 'deadline',
  detail: 'the dispatcher did not end after its deadline; whether it was accepted is unknown',
};

export function createInFlight(options: InFlightOptions): InFlight {
  const entries = new Map<string, Entry>();
  let dispatching = 0;

  function add(open: OpenAttempt): Entry {
    const abort = new AbortController();
    const timedOut = Promise.withResolvers<DispatchResult>();
    const startedAt = performance.now();
    const { expiresInMs } = open.message;
    let endedAt: number | null = null;
    const attempt: Attempt = {
      ...open,
      startedAt,
      telemetry: options.beginTelemetry(open.message),
      signal: abort.signal,
      timedOut: timedOut.promise,
      get durationMs() {
        return (endedAt ?? performance.now()) - startedAt;
      },
      dispatched(result) {
        endedAt = performance.now();
        dispatching -= 1;
        options.onDispatched(result);
      },
    };
    const entry: Entry = {
      attempt,
      expiresAt: expiresInMs === null ? null : startedAt + expiresInMs,
      abort: (reason) => abort.abort(new Error(reason)),
      giveUp: timedOut.resolve,
    };
    entries.set(open.job.id, entry);
    return entry;
  }

  return {
    get size() {
      return entries.size;
    },
    get dispatching() {
      return dispatching;
    },
    async run(open, work) {
      const entry = add(open);
      dispatching += 1;
      options.onOpened();
      await work(entry.attempt);
      // An operator's retry may have brought the message back already, under a lease of its own.
      if (entries.get(open.job.id) === entry) entries.delete(open.job.id);
      options.onSettled();
    },
    jobs: () => [...entries.values()].map(({ attempt }) => attempt.job),
    has: (messageId) => entries.has(messageId),
    abortAll(reason) {
      for (const { abort } of entries.values()) abort(reason);
    },
    abortLost(messageIds) {
      for (const id of messageIds) entries.get(id)?.abort('lease lost');
    },
    endOverdue() {
      const now = performance.now();
      for (const { attempt, expiresAt, abort, giveUp } of entries.values()) {
        const elapsedMs = now - attempt.startedAt;
        if (elapsedMs > options.timeoutMs || (expiresAt !== null && expiresAt <= now)) abort('deadline');
        if (elapsedMs > options.timeoutMs + abortGraceMs) giveUp(notEnded);
      }
    },
  };
}
