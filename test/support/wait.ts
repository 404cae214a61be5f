/** Waiting for a condition instead of sleeping. */
import { setTimeout as pause } from 'node:timers/promises';

export interface WaitOptions {
  /** Milliseconds until it gives up; 10,000 by default. */
  readonly timeoutMs?: number;
  /** Milliseconds between two looks; 10 by default. */
  readonly intervalMs?: number;
  /** Completes the sentence "waited 10000 ms for ..." of the error. */
  readonly what?: string;
}

/** What a condition may return to say "not yet". */
type NotYet = false | null | undefined | 0 | '';

/**
 * Looks until the condition returns something true, and returns that. A condition that throws (an `expect`, a query) is
 * looked at again. When time is up it throws what was waited for and what the last look returned or threw.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 10_000, intervalMs = 10, what }: WaitOptions = {},
): Promise<Exclude<T, NotYet>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let seen: unknown;
    try {
      const value = await condition();
      if (value) return value as Exclude<T, NotYet>;
      seen = value;
    } catch (error) {
      seen = error;
    }
    if (performance.now() >= deadline) {
      const last = seen instanceof Error ? seen.message : String(seen);
      throw new Error(`waited ${timeoutMs} ms for ${what ?? condition.toString()}; last: ${last}`, { cause: seen });
    }
    await pause(intervalMs);
  }
}
