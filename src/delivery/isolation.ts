/**
 * A message that has outlived two workers is what killed them, or was only beside it. It is tried with nothing else in flight
 * in the whole worker: if the worker dies once more, it was this message, and no other is counted for it.
 */
export interface Solitude {
  /** Somebody is alone, or waits for it: lease nothing. */
  readonly closed: boolean;
  /** Something is in flight, or may be in a moment. */
  enter(): void;
  leave(): void;
  /** Runs the work as soon as nothing is in flight. False, without running it, where it is another's turn or nobody's yet. */
  alone(work: () => Promise<void>): Promise<boolean>;
}

/** Of the time, this share belongs to the ordinary traffic of the worker. */
const ordinaryShare = 0.8;

/** @param onOpen called whenever others may lease again */
export function createSolitude(onOpen: () => void): Solitude {
  let inFlight = 0;
  let closed = false;
  let nextTurn = 0;
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
    async alone(work) {
      const startedAt = performance.now();
      if (closed || startedAt < nextTurn) return false;
      closed = true;
      try {
        if (inFlight > 0) await new Promise<void>((resolve) => (onEmpty = resolve));
        onEmpty = null;
        await work();
      } finally {
        const now = performance.now();
        nextTurn = now + ((now - startedAt) * ordinaryShare) / (1 - ordinaryShare);
        closed = false;
        onOpen();
      }
      return true;
    },
  };
}
