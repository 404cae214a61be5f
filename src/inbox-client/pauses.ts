/** How long to wait after a failure, and when not to wait any longer. */

const firstMs = 1000;
const mostMs = 600_000;

/** Twice as long after each failure, ten minutes at most; half of it is random, so that clients return one by one. */
export function backOffMs(failures: number, random = Math.random()): number {
  return Math.min(mostMs, firstMs * 2 ** Math.max(0, failures - 1)) * (0.5 + random / 2);
}

/** Ends pauses: when the browser is online again, and when `wake` is called. */
export interface Alarm {
  /** Resolves after a time, when it is woken, or when the signal aborts; it never rejects. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly wake: () => void;
}

/** An alarm that nobody has woken yet. */
export function createAlarm(): Alarm {
  const bell = new EventTarget();
  const pause = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const ended = new AbortController();
      const end = () => {
        clearTimeout(timer);
        ended.abort();
        resolve();
      };
      const timer = setTimeout(end, ms);
      const options = { signal: ended.signal };
      signal.addEventListener('abort', end, options);
      bell.addEventListener('wake', end, options);
      globalThis.addEventListener?.('online', end, options);
      if (signal.aborted) end();
    });
  return { pause, wake: () => void bell.dispatchEvent(new Event('wake')) };
}
