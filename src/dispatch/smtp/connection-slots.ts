/**
 * How many connections to a relay one process uses: as many as configured, fewer after the relay reported too many, and
 * one more again after ten minutes without such a report. Messages wait for a connection here rather than in
 * nodemailer's pool, so that a wrong password found by one connection is not tried by the others.
 */
import type { FailedDispatch } from '../dispatcher.ts';

/** The connections of one sender. */
export interface Connections {
  /**
   * Resolves with null when a connection may be used; then call `leave`. Resolves with a failure if the wait was
   * stopped.
   */
  enter(signal: AbortSignal): Promise<FailedDispatch | null>;
  leave(): void;
  /** Reports a too-many-connections reply. Lowers `allowed` by one and returns true if other connections are open. */
  crowded(now: number): boolean;
  /** Reports an accepted message. @returns true if one more connection is allowed from now on. */
  worked(now: number): boolean;
  /** Ends every wait with this failure. */
  stop(why: FailedDispatch): void;
  /** Sets a limit that an earlier process found. */
  limit(stored: number, now: number): void;
  readonly allowed: number;
}

/** How long without a refusal until one more connection is allowed. */
const growMs = 600_000;

/** The result of a message whose wait for a connection was cut off. */
export const stoppedWaiting: FailedDispatch = {
  outcome: 'retry',
  reason: 'shutdown',
  detail: 'stopped while waiting for a connection',
  countAttempt: false,
};

/** @param most connections at once, at least 1. Times are in milliseconds of one monotonic clock. */
export function createConnections(most: number): Connections {
  let allowed = most;
  let busy = 0;
  let changedAt = 0;
  const waiting = new Set<(stopped: FailedDispatch | null) => void>();

  function admit(): void {
    for (const go of waiting) {
      if (busy >= allowed) return;
      waiting.delete(go);
      busy += 1;
      go(null);
    }
  }

  return {
    enter(signal) {
      if (signal.aborted) return Promise.resolve(stoppedWaiting);
      if (busy < allowed) {
        busy += 1;
        return Promise.resolve(null);
      }
      return waitIn(waiting, signal);
    },
    leave() {
      busy -= 1;
      admit();
    },
    crowded(now) {
      changedAt = now;
      // `busy` still counts the refused connection. If it was the only one, other programs use the relay's whole limit.
      if (busy <= 1) return false;
      allowed = Math.max(1, Math.min(allowed, busy) - 1);
      return true;
    },
    worked(now) {
      if (allowed >= most || now - changedAt < growMs) return false;
      allowed += 1;
      changedAt = now;
      admit();
      return true;
    },
    stop(why) {
      const all = [...waiting];
      waiting.clear();
      for (const go of all) go(why);
    },
    limit(stored, now) {
      allowed = Math.max(1, Math.min(most, stored));
      changedAt = now;
    },
    get allowed() {
      return allowed;
    },
  };
}

function waitIn(
  waiting: Set<(stopped: FailedDispatch | null) => void>,
  signal: AbortSignal,
): Promise<FailedDispatch | null> {
  return new Promise((resolve) => {
    const go = (stopped: FailedDispatch | null) => {
      signal.removeEventListener('abort', onAbort);
      resolve(stopped);
    };
    const onAbort = () => {
      waiting.delete(go);
      resolve(stoppedWaiting);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    waiting.add(go);
  });
}
