/**
 * How many connections to a server one process uses: as many as are configured, fewer where the server says that they are too many, and
 * one more again after a while without that. What waits for one waits here rather than in nodemailer's pool, so that a wrong
 * password found by one connection is not tried by those behind it.
 */
import type { DispatchResult } from '../dispatcher.ts';

export type Failure = Exclude<DispatchResult, { outcome: 'sent' }>;

export interface Connections {
  /** Resolves with null when a connection may be used, then call `leave`; with what stopped the wait otherwise. */
  enter(signal: AbortSignal): Promise<Failure | null>;
  leave(): void;
  /** The server does not take so many. True: other connections work, and from now on there are fewer. */
  crowded(now: number): boolean;
  /** The server took a message. True: there is one connection more from now on. */
  worked(now: number): boolean;
  /** What waits cannot go either. */
  stop(why: Failure): void;
  /** Begins with what was learned before. */
  limit(allowed: number, now: number): void;
  readonly allowed: number;
}

/** How long without a refusal until one more connection is tried. */
const growMs = 600_000;

export const stoppedWaiting: Failure = {
  outcome: 'retry',
  reason: 'shutdown',
  detail: 'stopped while waiting for a connection',
  fault: 'message-uncharged',
};

/** @param most connections at once, from 1. Times are in milliseconds of any one clock. */
export function createConnections(most: number): Connections {
  let allowed = most;
  let busy = 0;
  let changedAt = 0;
  const waiting = new Set<(stopped: Failure | null) => void>();

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
      return new Promise((resolve) => {
        const go = (stopped: Failure | null) => {
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
    },
    leave() {
      busy -= 1;
      admit();
    },
    crowded(now) {
      changedAt = now;
      // The refused one is still counted; if it was alone, other programs use up what the server allows.
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
    limit(learned, now) {
      allowed = Math.max(1, Math.min(most, learned));
      changedAt = now;
    },
    get allowed() {
      return allowed;
    },
  };
}
