/** A dispatcher that sends nothing. */
import type { Delivery, Dispatcher, DispatchResult } from '../dispatch/dispatcher.ts';

/** A dispatcher that sends nothing and records what it receives. See `collectingDispatcher`. */
export interface CollectingDispatcher extends Dispatcher {
  /** The deliveries received so far, oldest first. */
  readonly deliveries: readonly Delivery[];
}

/**
 * Creates a dispatcher that records its deliveries, for tests that run a real worker or `drain`. It allows 10
 * deliveries at a time and 30 seconds for each, and retries after 1 second.
 *
 * @param answer returns the result of a delivery, for example a retry the first time. Default: every delivery is sent.
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
