/**
 * Batched writing: while one batch is being written the next one gathers, so that a single item is written at once and
 * a burst in few statements.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** What a batcher writes with, and when. */
export interface BatcherOptions<Item> {
  /** Writes one batch. Batches never overlap. If it rejects, the calls of `add` behind the batch reject. */
  readonly write: (batch: readonly Item[]) => Promise<void>;
  /** A batch takes no further list once it has so many items. Default: no limit. */
  readonly maxItems?: number;
  /** Pause after a batch that was not full, in which more can gather, in milliseconds. Default 0. */
  readonly gatherMs?: number;
}

/** Gathers items and writes them in batches. */
export interface Batcher<Item> {
  /** Adds items to one batch. Resolves when it has been written. */
  add(items: readonly Item[]): Promise<void>;
  /** Resolves when everything that was added has been written, or could not be. Ends the pause. */
  flush(): Promise<void>;
}

/** Creates a batcher. It holds no timer while nothing waits. */
export function createBatcher<Item>({ write, maxItems, gatherMs = 0 }: BatcherOptions<Item>): Batcher<Item> {
  const waiting: { readonly items: readonly Item[]; readonly done: PromiseWithResolvers<void> }[] = [];
  const limit = maxItems ?? Number.POSITIVE_INFINITY;
  let running: Promise<void> | null = null;
  let flushing = false;
  let endPause: () => void = () => undefined;

  function take() {
    let count = 0;
    const end = waiting.findIndex(({ items }) => {
      count += items.length;
      return count >= limit;
    });
    return waiting.splice(0, end === -1 ? waiting.length : end + 1);
  }

  const countWaiting = () => waiting.reduce((sum, { items }) => sum + items.length, 0);

  async function run(): Promise<void> {
    // Everything that is added in this turn of the event loop goes into one batch.
    await nextTurn();
    while (waiting.length > 0) {
      const entries = take();
      const written = write(entries.flatMap(({ items }) => items));
      await written.then(
        () => entries.forEach(({ done }) => done.resolve()),
        (error: unknown) => entries.forEach(({ done }) => done.reject(error)),
      );
      if (gatherMs > 0 && !flushing && countWaiting() < limit) await pause();
    }
    running = null;
  }

  function pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, gatherMs);
      endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  return {
    add(items) {
      if (items.length === 0) return Promise.resolve();
      const done = Promise.withResolvers<void>();
      waiting.push({ items, done });
      running ??= run();
      return done.promise;
    },
    async flush() {
      flushing = true;
      endPause();
      while (running !== null) await running;
      flushing = false;
    },
  };
}
