/** A dispatcher that sends nothing. */
import type { Delivery, Dispatcher, DispatchResult } from '../dispatch/dispatcher.ts';

export interface CollectingDispatcher extends Dispatcher {
  /** What was handed over so far, oldest first. */
  readonly deliveries: readonly Delivery[];
}

/**
 * Keeps what it is given, for tests that run a real worker or `drain`. Accepts everything, unless `answer` says what came
 * of a delivery, for example a retry the first time.
 */
export function collectingDispatcher(
  answer: (delivery: Delivery) => DispatchResult = () => ({ outcome: 'sent' }),
): CollectingDispatcher {
  const deliveries: Delivery[] = [];
  return {
    concurrency: 10,
    timeoutSeconds: 30,
    retryDelaysSeconds: [1],
    deliveries,
    dispatch(delivery) {
      deliveries.push(delivery);
      return Promise.resolve(answer(delivery));
    },
  };
}
