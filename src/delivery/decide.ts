/**
 * What the result of an attempt means for its message. Pure. Two other places decide without a result: begin.ts for the
 * messages of a worker that died, and jobs/recover.ts for jobs that no worker could begin.
 */
import type { Dispatcher, DispatchResult, FailedDispatch } from '../dispatch/dispatcher.ts';
import type { Decision, OpenMessage } from './attempt.ts';
import {
  maxRetryAfterSeconds,
  maxUncountedDelaySeconds,
  maxUncountedSeconds,
  maxUnknownRetries,
  unknownDelaySeconds,
} from './limits.ts';

/** What the rules look at besides the result. */
export interface AttemptFacts
  extends Pick<OpenMessage, 'counted' | 'unknowns' | 'uncounted' | 'uncountedSeconds' | 'unknown'> {
  readonly maxAttempts: number;
  /** The dispatcher's waits between attempts, in seconds. */
  readonly retryDelaysSeconds: readonly number[];
  /** From 0 to 1: spreads the retries of a burst by 20 % either way. */
  readonly random: number;
}

/** Decides what becomes of a message after an attempt. */
export function decide(
  result: DispatchResult,
  message: OpenMessage,
  { dispatcher: { retryDelaysSeconds } }: { readonly dispatcher: Pick<Dispatcher, 'retryDelaysSeconds'> },
): Decision {
  const { counted, unknowns, uncounted, uncountedSeconds, unknown } = message;
  const maxAttempts = message.maxAttempts ?? retryDelaysSeconds.length + 1;
  const limits = { maxAttempts, retryDelaysSeconds, random: Math.random() };
  return decideBy(result, { counted, unknowns, uncounted, uncountedSeconds, unknown, ...limits });
}

/** The rules, as a pure function of the facts. */
export function decideBy(result: DispatchResult, facts: AttemptFacts): Decision {
  switch (result.outcome) {
    case 'sent':
    case 'failed':
      return { status: result.outcome, delaySeconds: 0, counted: true };
    case 'unknown':
      if (facts.unknown === 'hold') return { status: 'held', delaySeconds: 0, counted: true };
      if (facts.unknowns >= maxUnknownRetries) return { status: 'failed', delaySeconds: 0, counted: true };
      return retryOrFail(Math.max(unknownDelaySeconds, scheduledDelay(facts)), facts);
    case 'retry': {
      const askedFor = boundedDelay(result.retryAfterSeconds);
      const isTooOld = (facts.uncountedSeconds ?? 0) >= maxUncountedSeconds;
      if (isCounted(result) || isTooOld) return retryOrFail(Math.max(scheduledDelay(facts), askedFor), facts);
      return { status: 'pending', delaySeconds: Math.max(uncountedDelay(facts), askedFor), counted: false };
    }
    default:
      return result satisfies never;
  }
}

/** Whether a retry counts against the limit as far as its result says. */
export function isCounted({ outcome, countAttempt, pauseMethod }: FailedDispatch): boolean {
  return outcome !== 'retry' || (countAttempt !== false && pauseMethod !== true);
}

/** Whether a result blames the method or a sender. */
export function isFault(result: DispatchResult): boolean {
  return result.outcome === 'retry' && (result.pauseMethod === true || result.senderFault === true);
}

/**
 * The result as it counts for this message: one message is never evidence twice. If others were sent since it met a
 * fault of the method or a sender, a further one is its own. It is counted then, and pauses nothing.
 */
export function ownResult(result: DispatchResult, { faultIsOwn }: Pick<OpenMessage, 'faultIsOwn'>): DispatchResult {
  if (!faultIsOwn || result.outcome === 'sent' || !isFault(result)) return result;
  const { pauseMethod: _, countAttempt: __, senderFault: ___, ...own } = result;
  return own;
}

/**
 * A message that is retried without being counted waits longer each time. While its method is paused, nothing is
 * leased.
 */
function uncountedDelay({ uncounted }: AttemptFacts): number {
  return Math.min(2 ** Math.min(uncounted, 30), maxUncountedDelaySeconds);
}

/** A dispatcher may be anybody's: what is not a number would fail the batch. */
function boundedDelay(seconds: number | undefined): number {
  return seconds === undefined || !(seconds > 0) ? 0 : Math.min(seconds, maxRetryAfterSeconds);
}

function retryOrFail(delaySeconds: number, facts: AttemptFacts): Decision {
  if (facts.counted + 1 >= facts.maxAttempts) return { status: 'failed', delaySeconds: 0, counted: true };
  return { status: 'pending', delaySeconds, counted: true };
}

function scheduledDelay({ retryDelaysSeconds, counted, random }: AttemptFacts): number {
  const base = retryDelaysSeconds[Math.min(counted, retryDelaysSeconds.length - 1)] ?? 0;
  return base * (0.8 + 0.4 * random);
}
