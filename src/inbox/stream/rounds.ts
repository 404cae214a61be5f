/** When the streams ask the database: soon after a wake-up, and now and then without one. */

/** Rounds of work, one at a time. */
export interface Rounds {
  /** Something may have changed: the next round begins as soon as it may. */
  wake(): void;
  /** Ends the rounds; one that runs is finished. */
  stop(): void;
}

/** What rounds need. */
export interface RoundsOptions {
  /** Shortest time between the beginnings of two rounds, in milliseconds. */
  readonly leastMs: number;
  /** The longest, in milliseconds. */
  readonly pollMs: number;
  /** Whether there is anything to do; asked before each round is planned. */
  readonly isNeeded: () => boolean;
  readonly work: () => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/** Creates rounds. The first one begins with the first wake-up. */
export function createRounds({ leastMs, pollMs, isNeeded, work, onError }: RoundsOptions): Rounds {
  let stopped = false;
  let running = false;
  let woken = false;
  let ranAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | null = null;

  function plan(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (stopped || running || !isNeeded()) return;
    const waitMs = (woken ? leastMs : pollMs) - (performance.now() - ranAt);
    timer = setTimeout(() => void run(), Math.max(waitMs, 0));
  }

  async function run(): Promise<void> {
    running = true;
    woken = false;
    ranAt = performance.now();
    await work().catch(onError);
    running = false;
    plan();
  }

  return {
    wake() {
      woken = true;
      plan();
    },
    stop() {
      stopped = true;
      plan();
    },
  };
}
