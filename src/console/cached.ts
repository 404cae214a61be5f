/** A value that is slow to read, for many readers at once: the newest known one is shown while the next is being read. */

export interface Kept<T> {
  /** The newest known value; null where the first one is not there within `waitMs`. Never rejects. */
  get(): Promise<T | null>;
  /** Something was changed: the next `get` reads anew. */
  expire(): void;
}

export interface KeptOptions {
  /** A value older than this is read anew, in milliseconds; never more often than ten times the duration of the last reading. */
  readonly freshMs: number;
  /** How long a caller waits for a new value, in milliseconds. */
  readonly waitMs: number;
  readonly onError: (error: unknown) => void;
}

export function createKept<T>(read: () => Promise<T>, { freshMs, waitMs, onError }: KeptOptions): Kept<T> {
  let value: T | null = null;
  let staleAt = 0;
  let reading: Promise<void> | null = null;
  // A reading that began before something was changed must not pass for one after it.
  let changes = 0;

  async function renew(): Promise<void> {
    const startedAt = performance.now();
    const seen = changes;
    const next = await read().catch((error: unknown) => {
      onError(error);
      return value;
    });
    if (seen !== changes) return;
    const endedAt = performance.now();
    value = next;
    staleAt = endedAt + Math.max(freshMs, (endedAt - startedAt) * 10);
    reading = null;
  }

  return {
    expire() {
      changes += 1;
      staleAt = 0;
      reading = null;
    },
    async get() {
      if (performance.now() < staleAt) return value;
      reading ??= renew();
      const patience = new AbortController();
      await Promise.race([reading, elapsed(waitMs, patience.signal)]);
      patience.abort();
      return value;
    },
  };
}

function elapsed(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
