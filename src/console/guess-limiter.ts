/**
 * Limits guesses of the token. An address that failed too often must wait, and its guesses are not even compared. All
 * addresses together have a limit too, but the right token always passes it, so that a flood of wrong ones does
 * not lock an operator out.
 */
import { LruCache } from '../lru.ts';

const windowMs = 60_000;
const maxFailuresPerAddress = 10;
const maxFailures = 20;
/** Addresses that are remembered; the least recently used one is forgotten first. */
const maxAddresses = 10_000;

interface Counter {
  failures: number;
  startedAt: number;
}

/** Counts failed guesses. */
export interface GuessLimiter {
  /** Whether the address must wait. An unknown address never does. */
  isBlocked(address: string | undefined): boolean;
  /** Whether there were too many failures from anywhere. */
  isBusy(): boolean;
  /** Counts a failure. */
  recordFailure(address: string | undefined): void;
}

/** Creates a limiter without failures. `now` is the clock, in milliseconds. */
export function createGuessLimiter(now: () => number = Date.now): GuessLimiter {
  const addresses = new LruCache<Counter>(maxAddresses);
  const everyone: Counter = { failures: 0, startedAt: 0 };
  const current = (counter: Counter): Counter => {
    if (counter.startedAt <= now() - windowMs) Object.assign(counter, { failures: 0, startedAt: now() });
    return counter;
  };
  const counterOf = (address: string) =>
    current(addresses.get(networkOf(address), () => ({ failures: 0, startedAt: now() })));
  return {
    isBlocked: (address) => address !== undefined && counterOf(address).failures >= maxFailuresPerAddress,
    isBusy: () => current(everyone).failures >= maxFailures,
    recordFailure(address) {
      current(everyone).failures += 1;
      if (address !== undefined) counterOf(address).failures += 1;
    },
  };
}

/** One customer usually has a whole /64 of IPv6 addresses, so they count as one. */
function networkOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address.replace(/^::ffff:/i, '');
  const [head = '', tail] = address.split('::');
  const groups = (text: string | undefined) => (text ? text.split(':') : []);
  const [before, after] = [groups(head), groups(tail)];
  const zeros = tail === undefined ? [] : Array<string>(Math.max(8 - before.length - after.length, 0)).fill('0');
  return [...before, ...zeros, ...after].slice(0, 4).join(':');
}
