/** The attempts of one method that are under way in this worker, and what ends those that take too long. */
import type { DispatchResult } from '../dispatch/dispatcher.ts';
import type { Attempt, AttemptTelemetry, OpenAttempt, OpenMessage } from './attempt.ts';
import type { InFlight } from './services.ts';

interface InFlightOptions {
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

const stopped: DispatchResult = {
  outcome: 'unknown',
  reason: 'shutdown',
  detail: 'the worker had to stop before there was a reply; whether it was accepted is unknown',
};

const notEnded: DispatchResult = {
  outcome: 'unknown',
  reason: 'deadline',
  detail: 'the dispatcher did not end after its deadline; whether it was accepted is unknown',
};

/** Creates an empty set of attempts. */
export function createInFlight(options: InFlightOptions): InFlight {
  const entries = new Map<string, Entry>();
  let dispatching = 0;
  return {
    get size() {
      return entries.size;
    },
    get dispatching() {
      return dispatching;
    },
    async run(open, work) {
      const entry = createEntry(open, options.beginTelemetry(open.message), (result) => {
        dispatching -= 1;
        options.onDispatched(result);
      });
      entries.set(open.job.id, entry);
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
    giveUpAll() {
      for (const { giveUp } of entries.values()) giveUp(stopped);
    },
    abortLost(messageIds) {
      for (const id of messageIds) entries.get(id)?.abort('lease lost');
    },
    endOverdue() {
      for (const entry of entries.values()) endIfOverdue(entry, options.timeoutMs);
    },
  };
}

function createEntry(
  open: OpenAttempt,
  telemetry: AttemptTelemetry,
  onDispatched: (result: DispatchResult) => void,
): Entry {
  const abort = new AbortController();
  const timedOut = Promise.withResolvers<DispatchResult>();
  const startedAt = performance.now();
  let endedAt: number | null = null;
  const attempt: Attempt = {
    ...open,
    startedAt,
    telemetry,
    signal: abort.signal,
    timedOut: timedOut.promise,
    get durationMs() {
      return (endedAt ?? performance.now()) - startedAt;
    },
    dispatched(result) {
      endedAt = performance.now();
      onDispatched(result);
    },
  };
  const { expiresInMs } = open.message;
  return {
    attempt,
    expiresAt: expiresInMs === null ? null : startedAt + expiresInMs,
    abort: (reason) => abort.abort(new Error(reason)),
    giveUp: timedOut.resolve,
  };
}

function endIfOverdue({ attempt, expiresAt, abort, giveUp }: Entry, timeoutMs: number): void {
  const now = performance.now();
  const elapsedMs = now - attempt.startedAt;
  if (elapsedMs > timeoutMs || (expiresAt !== null && expiresAt <= now)) abort('deadline');
  if (elapsedMs > timeoutMs + abortGraceMs) giveUp(notEnded);
}
