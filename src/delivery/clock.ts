/** Waiting by the clock. */

/** Whether it settles in this time. */
export async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const result = await Promise.race([promise.then(() => true as const), timeout]);
  clearTimeout(timer);
  return result;
}

/** Repeats work at an interval, never two at a time; errors are reported and the beat goes on. */
export function every(ms: number, work: () => Promise<unknown>, report: (error: unknown) => void): { stop(): void } {
  let stopped = false;
  let timer: NodeJS.Timeout;
  const schedule = () => {
    timer = setTimeout(() => {
      work()
        .catch((error: unknown) => {
          if (!stopped) report(error);
        })
        .finally(() => {
          if (!stopped) schedule();
        });
    }, ms);
  };
  schedule();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
