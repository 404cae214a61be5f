/** What the result of an attempt means for its message. Pure: the rules of retry in one place. */
import type { Dispatcher, DispatchResult } from '../dispatch/dispatcher.ts';
import type { Decision, OpenMessage } from './attempt.ts';

/** What the rules look at besides the result. */
export interface AttemptFacts {
  /** Attempts before this one that count against the limit. */
  readonly counted: number;
  readonly maxAttempts: number;
  /** Attempts before this one whose outcome is unknown. */
  readonly unknowns: number;
  /** The template's policy for an unknown outcome. */
  readonly unknown: 'retry' | 'hold';
  /** The dispatcher's waits between attempts, in seconds. */
  readonly retryDelaysSeconds: readonly number[];
  /** From 0 to 1: spreads the retries of a burst by 20 % either way. */
  readonly random: number;
}

/** Longest wait that a receiver may ask for, in seconds. */
const maxRetryAfterSeconds = 86_400;
/**
 * First retry after an unknown outcome, in seconds: the receiver's own queue needs time to deliver what it accepted.
 */
const unknownDelaySeconds = 300;
/** Retries after an unknown outcome. Each may give the receiver one more copy. */
const maxUnknownRetries = 2;
/** When an uncounted retry is due, in seconds. While its method is paused nothing is leased. */
const uncountedDelaySeconds = 1;

/** Decides what becomes of a message after an attempt. */
export function decide(
  result: DispatchResult,
  { counted, unknowns, unknown, maxAttempts }: OpenMessage,
  { dispatcher: { retryDelaysSeconds } }: { readonly dispatcher: Pick<Dispatcher, 'retryDelaysSeconds'> },
): Decision {
  return decideBy(result, {
    counted,
    unknowns,
    unknown,
    maxAttempts: maxAttempts ?? retryDelaysSeconds.length + 1,
    retryDelaysSeconds,
    random: Math.random(),
  });
}

/** The rules, as a pure function of the facts. */
export function decideBy(result: DispatchResult, facts: AttemptFacts): Decision {
  switch (result.outcome) {
    case 'sent':
      return { status: 'sent', delaySeconds: 0, counted: true };
    case 'failed':
      return { status: 'failed', delaySeconds: 0, counted: true };
    case 'unknown':
      if (facts.unknown === 'hold') return { status: 'held', delaySeconds: 0, counted: true };
      if (facts.unknowns >= maxUnknownRetries) return { status: 'failed', delaySeconds: 0, counted: true };
      return retryOrFail(Math.max(unknownDelaySeconds, scheduledDelay(facts)), facts);
    case 'retry': {
      const askedFor = Math.min(result.retryAfterSeconds ?? 0, maxRetryAfterSeconds);
      if (isCounted(result)) return retryOrFail(Math.max(scheduledDelay(facts), askedFor), facts);
      const delaySeconds = result.retryAfterSeconds === undefined ? uncountedDelaySeconds : askedFor;
      return { status: 'pending', delaySeconds, counted: false };
    }
    default:
      return result satisfies never;
  }
}

function isCounted({ countAttempt, pauseMethod }: Exclude<DispatchResult, { outcome: 'sent' }>): boolean {
  return countAttempt !== false && pauseMethod !== true;
}

function retryOrFail(delaySeconds: number, facts: AttemptFacts): Decision {
  if (facts.counted + 1 >= facts.maxAttempts) return { status: 'failed', delaySeconds: 0, counted: true };
  return { status: 'pending', delaySeconds, counted: true };
}

function scheduledDelay({ retryDelaysSeconds, counted, random }: AttemptFacts): number {
  const base = retryDelaysSeconds[Math.min(counted, retryDelaysSeconds.length - 1)] ?? 0;
  return base * (0.8 + 0.4 * random);
}
