/** Bounds the bytes of attached files that one worker holds in memory, whatever the number of its slots. */

/** Bytes of files that may be in memory at once. */
export interface FileBudget {
  /**
   * Resolves when so many bytes fit, first come, first served; a message whose files exceed the whole budget goes
   * alone. Call the function that it resolves with once, when the files are not needed any more. Resolves with null if
   * the signal is aborted first.
   */
  take(bytes: number, signal: AbortSignal): Promise<(() => void) | null>;
}

/** Four messages with the most that a message may carry. Each needs some five times as much while it is written. */
export const maxFileBytes = 40_000_000;

interface Waiting {
  readonly bytes: number;
  readonly go: () => void;
}

/** Creates a budget of which nothing is taken. */
export function createFileBudget(max: number = maxFileBytes): FileBudget {
  const waiting: Waiting[] = [];
  let taken = 0;

  function admit(): void {
    for (let next = waiting[0]; next !== undefined && fits(next.bytes); next = waiting[0]) {
      waiting.shift();
      taken += next.bytes;
      next.go();
    }
  }

  function fits(bytes: number): boolean {
    return taken === 0 || taken + bytes <= max;
  }

  return {
    take(bytes, signal) {
      if (bytes === 0) return Promise.resolve(() => undefined);
      if (signal.aborted) return Promise.resolve(null);
      return new Promise((resolve) => {
        const release = () => {
          taken -= bytes;
          admit();
        };
        const entry = {
          bytes,
          go: () => {
            signal.removeEventListener('abort', onAbort);
            resolve(release);
          },
        };
        const onAbort = () => {
          waiting.splice(waiting.indexOf(entry), 1);
          resolve(null);
          admit();
        };
        signal.addEventListener('abort', onAbort, { once: true });
        waiting.push(entry);
        admit();
      });
    },
  };
}
