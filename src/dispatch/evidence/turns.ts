/** Work of one kind, one after the other in the order in which it comes. */

/** What takes its turn. */
export interface Turns {
  /** Runs after everything that took its turn before. */
  take<T>(work: () => Promise<T>): Promise<T>;
  /** Takes a turn after this time, or when it closes. */
  later(ms: number, work: () => Promise<void>): void;
  /** Nothing is under way, and nothing will take a turn later. */
  isIdle(): boolean;
  close(): Promise<void>;
}

/** Creates turns; nothing is under way. */
export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  const timers = new Map<NodeJS.Timeout, () => Promise<void>>();
  let open = 0;

  function take<T>(work: () => Promise<T>): Promise<T> {
    open += 1;
    const turn = last.then(work).finally(() => {
      open -= 1;
    });
    last = turn.catch(() => undefined);
    return turn;
  }

  return {
    take,
    later(ms, work) {
      const timer = setTimeout(
        () => {
          timers.delete(timer);
          void take(work);
        },
        Math.max(0, ms),
      ).unref();
      timers.set(timer, work);
    },
    isIdle: () => open === 0 && timers.size === 0,
    async close() {
      for (const [timer, work] of timers) {
        clearTimeout(timer);
        void take(work);
      }
      timers.clear();
      await last;
    },
  };
}
