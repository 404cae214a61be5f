/** The stored endpoints of one worker: which messages may go to them now, and their calls. */
import type { Pool } from 'pg';
import type { Logger } from '../../../vocabulary.ts';
import type { SecretBox } from '../../../secrets.ts';
import type { Classification } from '../classify-response.ts';
import type { Endpoint } from '../endpoint.ts';
import type { Deferral } from '../../dispatcher.ts';
import { createRateLimits } from '../../rate-limits.ts';
import { admit, bucketPrefix } from './endpoint-admission.ts';
import { isPristine } from './circuit.ts';
import { createEndpointCache, type EndpointCache } from './endpoint-cache.ts';
import { type ConcurrencyLimiter, createConcurrencyLimiter } from './concurrency-limiter.ts';
import { createHealthRecorder, type HealthRecorder } from './health-recorder.ts';
import type { NotifyOwner } from './notify-owner.ts';

/** What stored endpoints need. */
export interface EndpointServices {
  readonly pool: Pool;
  readonly logger: Logger;
  readonly box: SecretBox;
  readonly notifyOwner: NotifyOwner;
  /** Concurrent calls in this process. */
  readonly concurrency: number;
}

/** A call that may be made. `done` must be called once with its result. */
export interface Call {
  readonly endpoint: Endpoint;
  /** The endpoint has refused nothing since its last success, as far as is known. */
  readonly flawless: boolean;
  done(classification: Classification, attempt: number): void;
}

/** Why a call cannot be made: `deleted` for good, the others until the owner or an operator acts. */
export type NoCall = 'deleted' | 'disabled' | 'unreadable';

/** The stored endpoints as the dispatcher uses them. */
export interface Endpoints {
  /** Returns when to look again at each of the messages whose endpoint cannot take them now. */
  admit(messageIds: readonly string[]): Promise<ReadonlyMap<string, Deferral>>;
  /** Starts a call to an endpoint. */
  call(endpointId: string): Promise<Call | NoCall>;
  /** Writes the results that are not yet written. */
  close(): Promise<void>;
}

/** Creates the stored endpoints of one dispatcher. */
export function createEndpoints(services: EndpointServices): Endpoints {
  const { pool, concurrency } = services;
  const limiter = createConcurrencyLimiter(concurrency);
  const recorder = createHealthRecorder(services);
  const cache = createEndpointCache(services);
  const rateLimits = createRateLimits(pool, bucketPrefix);
  return {
    admit: (messageIds) => admit(messageIds, { pool, cache, limiter, rateLimits }),
    call: (endpointId) => startCall(endpointId, { cache, limiter, recorder }),
    close: () => recorder.flush(),
  };
}

interface CallServices {
  readonly cache: EndpointCache;
  readonly limiter: ConcurrencyLimiter;
  readonly recorder: HealthRecorder;
}

async function startCall(endpointId: string, { cache, limiter, recorder }: CallServices): Promise<Call | NoCall> {
  const row = await cache.find(endpointId);
  if (row === undefined) return 'deleted';
  if (row.disabledAt !== null) return 'disabled';
  const endpoint = cache.open(row);
  if (endpoint === null) return 'unreadable';
  const leave = limiter.startCall(endpointId, new Date());
  return {
    endpoint,
    flawless: isPristine(row),
    done(classification, attempt) {
      leave(classification.endpoint, new Date());
      recorder.record(endpointId, { effect: classification.endpoint, count: 1, attempt }, row);
    },
  };
}
