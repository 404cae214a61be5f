/** Timeouts and intervals. */

/** Returns whether the promise resolves within `ms`. Rejects as the promise does. */
export async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const result = await Promise.race([promise.then(() => true as const), timeout]);
  clearTimeout(timer);
  return result;
}

/**
 * Repeats work at an interval, never two runs at a time. An error is reported and doubles the interval, up to
 * `longestMs`, until a run succeeds.
 */
export function every(
  ms: number,
  work: () => Promise<unknown>,
  report: (error: unknown) => void,
  longestMs = ms,
): { stop(): void } {
  let stopped = false;
  let timer: NodeJS.Timeout;
  let wait = ms;
  const schedule = () => {
    timer = setTimeout(() => {
      work()
        .then(
          () => {
            wait = ms;
          },
          (error: unknown) => {
            wait = Math.min(wait * 2, Math.max(longestMs, ms));
            if (!stopped) report(error);
          },
        )
        .finally(() => {
          if (!stopped) schedule();
        });
    }, wait);
  };
  schedule();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/**
 * Runs work when called, but never two runs at a time and none sooner than `ms` after the last one started. Calls
 * meanwhile make one more run. `work` must not reject.
 */
export function throttled(ms: number, work: () => Promise<unknown>): { call(): void; stop(): void } {
  let running = false;
  let asked = false;
  let timer: NodeJS.Timeout | undefined;
  let notBefore = Number.NEGATIVE_INFINITY;

  function run(): void {
    timer = undefined;
    asked = false;
    running = true;
    notBefore = performance.now() + ms;
    void work().finally(() => {
      running = false;
      if (asked) call();
    });
  }

  function call(): void {
    asked = true;
    if (running || timer !== undefined) return;
    const waitMs = notBefore - performance.now();
    if (waitMs <= 0) run();
    else timer = setTimeout(run, waitMs);
  }

  return {
    call,
    stop() {
      clearTimeout(timer);
      timer = undefined;
      asked = false;
    },
  };
}
