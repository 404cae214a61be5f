/** The endpoints that are rows: which messages may go to them now, how they are called, how they do. */
import type { Pool } from 'pg';
import type { Logger } from '../../../vocabulary.ts';
import type { SecretBox } from '../../../secrets.ts';
import type { Verdict } from '../classify-response.ts';
import type { Endpoint } from '../endpoint.ts';
import { createRateLimits } from '../../rate-limits.ts';
import { admit, bucketPrefix } from './endpoint-admission.ts';
import { createDirectory } from './endpoint-cache.ts';
import { createLanes } from './concurrency-limiter.ts';
import { type Announce, createLedger } from './health-recorder.ts';

export interface EndpointServices {
  readonly pool: Pool;
  readonly logger: Logger;
  readonly box: SecretBox;
  readonly announce: Announce | undefined;
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
  /** Sorts out the messages whose endpoint cannot take them now: when each shall be looked at again. Records that. */
  admit(messageIds: readonly string[]): Promise<ReadonlyMap<string, Date>>;
  /** Begins a call to the endpoint. */
  call(endpointId: string): Promise<Call | NoCall>;
  /** Writes down what is not yet. */
  close(): Promise<void>;
}

export function createEndpoints(services: EndpointServices): Endpoints {
  const { pool, concurrency } = services;
  const lanes = createLanes(concurrency);
  const ledger = createLedger(services);
  const directory = createDirectory(services);
  const rateLimits = createRateLimits(pool, bucketPrefix);
  return {
    admit: (messageIds) => admit(messageIds, { pool, directory, lanes, rateLimits }),
    async call(endpointId) {
      const row = await directory.find(endpointId);
      if (row === undefined) return 'deleted';
      if (row.disabledAt !== null) return 'disabled';
      const endpoint = directory.open(row);
      if (endpoint === null) return 'unreadable';
      const leave = lanes.enter(endpointId, new Date());
      return {
        endpoint,
        done(verdict, attempt) {
          leave(verdict.endpoint, new Date());
          ledger.record(endpointId, { effect: verdict.endpoint, count: 1, attempt }, row);
        },
      };
    },
    close: () => ledger.flush(),
  };
}
