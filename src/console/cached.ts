/** A cache for a value that is slow to read: readers get the newest known value while the next one is being read. */

/** The newest known value. */
export interface Cached<T> {
  /** Returns the newest known value, or null if the first one is not there within `waitMs`. Never rejects. */
  get(): Promise<T | null>;
  /** Something changed: the next `get` reads again. */
  expire(): void;
}

/** How old a value may be, and how long to wait for a newer one. */
export interface CachedOptions {
  /** An older value is read again. In milliseconds; at least ten times the duration of the last read. */
  readonly freshMs: number;
  /** How long a caller waits for a newer value, in milliseconds; twenty times as long after a change. */
  readonly waitMs: number;
  readonly onError: (error: unknown) => void;
}

/** Caches what `read` returns. Reads nothing before the first `get`. */
export function createCached<T>(read: () => Promise<T>, { freshMs, waitMs, onError }: CachedOptions): Cached<T> {
  let value: T | null = null;
  let staleAt = 0;
  let reading: Promise<void> | null = null;
  // The result of a read that began before a change must not count as newer than the change.
  let changes = 0;
  let changesRead = 0;

  async function refresh(): Promise<void> {
    const startedAt = performance.now();
    const changesAtStart = changes;
    const next = await read().catch((error: unknown) => {
      onError(error);
      return value;
    });
    if (changesAtStart !== changes) return;
    const endedAt = performance.now();
    value = next;
    changesRead = changesAtStart;
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
      reading ??= refresh();
      const waiting = new AbortController();
      // An operator who changed something must see the change.
      const maxWaitMs = changes === changesRead ? waitMs : waitMs * 20;
      await Promise.race([reading, elapsed(maxWaitMs, waiting.signal)]);
      waiting.abort();
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
