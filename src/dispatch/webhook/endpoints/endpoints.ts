/** The endpoints that are rows: which messages may go to them now, how they are called, how they do. */
import type { Pool } from 'pg';
import type { Logger } from '../../../vocabulary.ts';
import type { SecretBox } from '../../../secrets.ts';
import type { Verdict } from '../classify-response.ts';
import type { Endpoint } from '../endpoint.ts';
import type { Deferral } from '../../dispatcher.ts';
import { createRateLimits } from '../../rate-limits.ts';
import { admit, bucketPrefix } from './endpoint-admission.ts';
import { createEndpointCache } from './endpoint-cache.ts';
import { createConcurrencyLimiter } from './concurrency-limiter.ts';
import { createHealthRecorder } from './health-recorder.ts';
import type { NotifyOwner } from './notify-owner.ts';

export interface EndpointServices {
  readonly pool: Pool;
  readonly logger: Logger;
  readonly box: SecretBox;
  readonly notifyOwner: NotifyOwner;
  /** Calls under way at once in this process. */
  readonly concurrency: number;
}

/** A call to an endpoint that may be made. `done` must be called once, with what came of it. */
export interface Call {
  readonly endpoint: Endpoint;
  done(verdict: Verdict, attempt: number): void;
}

/** Why a call may not be made: `deleted` for good, the others until somebody acts. */
export type NoCall = 'deleted' | 'disabled' | 'unreadable';

export interface Endpoints {
  /** Returns when to look again at each of the messages whose endpoint cannot take them now. */
  admit(messageIds: readonly string[]): Promise<ReadonlyMap<string, Deferral>>;
  /** Begins a call to the endpoint. */
  call(endpointId: string): Promise<Call | NoCall>;
  /** Writes down what is not yet. */
  close(): Promise<void>;
}

export function createEndpoints(services: EndpointServices): Endpoints {
  const { pool, concurrency } = services;
  const limiter = createConcurrencyLimiter(concurrency);
  const recorder = createHealthRecorder(services);
  const cache = createEndpointCache(services);
  const rateLimits = createRateLimits(pool, bucketPrefix);
  return {
    admit: (messageIds) => admit(messageIds, { pool, cache, limiter, rateLimits }),
    async call(endpointId) {
      const row = await cache.find(endpointId);
      if (row === undefined) return 'deleted';
      if (row.disabledAt !== null) return 'disabled';
      const endpoint = cache.open(row);
      if (endpoint === null) return 'unreadable';
      const leave = limiter.startCall(endpointId, new Date());
      return {
        endpoint,
        done(verdict, attempt) {
          leave(verdict.endpoint, new Date());
          recorder.record(endpointId, { effect: verdict.endpoint, count: 1, attempt }, row);
        },
      };
    },
    close: () => recorder.flush(),
  };
}
