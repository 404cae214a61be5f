/** A message that is being dispatched, and what ends it when it takes too long. */
import type { DispatchResult } from '../dispatch/dispatcher.ts';
import type { LeasedJob } from '../queue/queue.ts';

export interface Flight {
  readonly job: LeasedJob;
  /** By `performance.now()`. */
  readonly startedAt: number;
  /** Never sent after this time, likewise: the clock on this machine's wall may be wrong. */
  readonly expiresAt: number | null;
  readonly abort: AbortController;
  /** Ends the flight for us when a dispatcher ignores its abort signal. */
  readonly giveUp: (result: DispatchResult) => void;
}

/** How long a dispatcher may go on after its signal was aborted. */
const abortGraceMs = 20_000;

/** Aborts what is beyond its deadline or its expiry, and gives up on what goes on all the same. */
export function endOverdue(flights: Iterable<Flight>, timeoutMs: number): void {
  for (const flight of flights) {
    const now = performance.now();
    const elapsed = now - flight.startedAt;
    if (elapsed > timeoutMs || (flight.expiresAt !== null && flight.expiresAt <= now))
      flight.abort.abort(new Error('deadline'));
    if (elapsed > timeoutMs + abortGraceMs)
      flight.giveUp({
        outcome: 'unknown',
        reason: 'deadline',
        detail: 'the dispatcher did not end after its deadline; whether it was accepted is unknown',
      });
  }
}
