/** What an attempt's outcome means for its message. Pure: the rules of retry in one place. */
import type { DispatchResult } from '../dispatch/dispatcher.ts';
import type { MessageStatus } from '../vocabulary.ts';

/** What the rules look at besides the result. */
export interface AttemptFacts {
  /** Charged attempts before this one. */
  readonly counted: number;
  readonly maxAttempts: number;
  /** Attempts before this one of which the receiver never said what came of them. */
  readonly unknowns: number;
  /** The template's policy for an outcome that nobody knows. */
  readonly unknown: 'retry' | 'hold';
  /** The dispatcher's waits between attempts, in seconds. */
  readonly retryDelaysSeconds: readonly number[];
  /** From 0 to 1: spreads the retries of a burst by 20 % either way. */
  readonly random: number;
}

/** The message's next state, and after how many seconds it is due again if that is `pending`. */
export interface Verdict {
  readonly status: Extract<MessageStatus, 'sent' | 'pending' | 'failed' | 'held'>;
  readonly delaySeconds: number;
  readonly counted: boolean;
}

/** Longest wait that a receiver may ask for, in seconds. */
const longestRetryAfterSeconds = 86_400;
/** First retry after an outcome that nobody knows: the receiver's own queue shall settle first. */
const unknownDelaySeconds = 300;
/** How often such a message is tried again: each time the receiver may get it once more. */
const unknownRetries = 2;
/** How soon a message that was given back without blame is due again. A paused method is not fetched from meanwhile. */
const returnDelaySeconds = 1;

export function verdictOf(result: DispatchResult, facts: AttemptFacts): Verdict {
  switch (result.outcome) {
    case 'sent':
      return { status: 'sent', delaySeconds: 0, counted: true };
    case 'failed':
      return { status: 'failed', delaySeconds: 0, counted: true };
    case 'unknown':
      if (facts.unknown === 'hold') return { status: 'held', delaySeconds: 0, counted: true };
      if (facts.unknowns >= unknownRetries) return { status: 'failed', delaySeconds: 0, counted: true };
      return retryOrFail(Math.max(unknownDelaySeconds, scheduledDelay(facts)), facts);
    case 'retry':
      if (!isCounted(result))
        return {
          status: 'pending',
          delaySeconds: Math.min(result.retryAfterSeconds ?? returnDelaySeconds, longestRetryAfterSeconds),
          counted: false,
        };
      return retryOrFail(
        Math.max(scheduledDelay(facts), Math.min(result.retryAfterSeconds ?? 0, longestRetryAfterSeconds)),
        facts,
      );
    default:
      return result satisfies never;
  }
}

/** Whether an attempt counts against its message's limit. */
function isCounted(result: DispatchResult): boolean {
  return result.outcome !== 'retry' || (result.countAttempt !== false && result.pauseMethod !== true);
}

function retryOrFail(delaySeconds: number, facts: AttemptFacts): Verdict {
  if (facts.counted + 1 >= facts.maxAttempts) return { status: 'failed', delaySeconds: 0, counted: true };
  return { status: 'pending', delaySeconds, counted: true };
}

function scheduledDelay(facts: AttemptFacts): number {
  const delays = facts.retryDelaysSeconds;
  const base = delays[Math.min(facts.counted, delays.length - 1)] ?? 0;
  return base * (0.8 + 0.4 * facts.random);
}
