/**
 * Endpoints of webhooks and chat posts, managed from code: an application whose tenants add their own, the CLI, the
 * console.
 */
import type { Queryable } from '../database/pool.ts';
import { createEgress } from '../dispatch/egress/egress.ts';
import { type EgressOptions, parseEgress } from '../dispatch/egress/egress-options.ts';
import { ConfigurationError } from '../errors.ts';
import type { SecretBox } from '../secrets.ts';
import { isUuid } from '../vocabulary.ts';
import {
  type EndpointDetails,
  type EndpointFilter,
  type EndpointSummary,
  listEndpoints,
  showEndpoint,
} from './endpoint-details.ts';
import { openEndpoint, type ResealReport, resealEndpoints, rotateEndpoint } from './endpoint-secrets.ts';
import { disableEndpoint, enableEndpoint, removeEndpoint, replayEndpoint, replayMessage } from './endpoint-state.ts';
import { addEndpoint, type AddedEndpoint, type NewEndpoint } from './new-endpoint.ts';
import { pingEndpoint, type PingResult } from './ping-endpoint.ts';

/** Options of `endpoints`. */
export interface EndpointsOptions {
  /**
   * Encrypts and decrypts URLs, secrets and headers: `createSecretBox(keys)`. Needed by `add`, `rotate`, `ping` and
   * `reseal`.
   */
  readonly secrets?: SecretBox;
  /** What may be called; give the workers the same. Default: public `https:` addresses. */
  readonly egress?: EgressOptions;
}

/**
 * The endpoints in the database. An id that is unknown or not a UUID gives null. Every method is one statement or a few
 * short ones, so they also work inside a transaction.
 */
export interface Endpoints {
  /**
   * Stores an endpoint and returns its id. One of format `standard` without a secret gets a new one, which is returned
   * here and never shown again.
   *
   * @throws {ConfigurationError} if a setting is wrong, if the URL may not be called, and without
   * `secrets`.
   */
  add(endpoint: NewEndpoint): Promise<AddedEndpoint>;
  /** Returns at most 1,000 endpoints, oldest first; those of one tenant or recipient if one is given. */
  list(filter?: EndpointFilter): Promise<EndpointSummary[]>;
  /** Returns one endpoint with its limits; what is encrypted is not shown. */
  show(id: string): Promise<EndpointDetails | null>;
  /**
   * Gives an endpoint of format `standard` a new signing secret and returns it. Receivers may verify with the one
   * before for `overlapSeconds`; default 86,400 (a day), 0 ends it at once, for example after a leak.
   *
   * @throws {ConfigurationError} if the format is another one, if `secrets` is missing, and if the endpoint is
   * changed at the same time.
   */
  rotate(id: string, options?: { readonly overlapSeconds?: number }): Promise<string | null>;
  /**
   * Switches an endpoint on with a clean record and returns how many messages are sent now: the held ones, and with
   * `since` also what failed or was not sent to it from then on.
   */
  enable(id: string, options?: { readonly since?: Date }): Promise<number | null>;
  /** Switches an endpoint off and returns how many messages are held until it is enabled. Nothing is lost. */
  disable(id: string): Promise<number | null>;
  /** Deletes an endpoint with its secrets and returns how many waiting messages were cancelled. */
  remove(id: string): Promise<number | null>;
  /** Sends everything since a time again under the same ids, also what was accepted. Returns how many messages. */
  replay(id: string, options: { readonly since: Date }): Promise<number | null>;
  /** Sends one message again. Returns whether it is sent, and its status. */
  replayMessage(messageId: string): Promise<{ readonly retried: boolean; readonly status: string } | null>;
  /**
   * Sends a signed test call and explains the answer.
   *
   * @throws {ConfigurationError} if the endpoint cannot be decrypted, and without `secrets`.
   */
  ping(id: string, options: { readonly appName: string }): Promise<PingResult | null>;
  /**
   * Decrypts an endpoint without calling it. Returns false if there is none.
   *
   * @throws {ConfigurationError} if its key is missing or a setting is not valid any more, and without `secrets`.
   */
  verify(id: string): Promise<boolean>;
  /**
   * Encrypts the settings of all endpoints with the current key, so that an older key can be retired.
   *
   * @throws {ConfigurationError} if `secrets` is missing.
   */
  reseal(): Promise<ResealReport>;
}

/**
 * The endpoints in the database of `pool`, which may also be a client inside a transaction.
 *
 * @throws {ConfigurationError} if `egress` is not valid.
 */
export function endpoints(pool: Queryable, { secrets, egress: egressOptions = {} }: EndpointsOptions = {}): Endpoints {
  // Opens nothing until it is called.
  const egress = createEgress(parseEgress(egressOptions));
  const box = (): SecretBox => {
    if (secrets) return secrets;
    throw new ConfigurationError('secrets', 'is missing; give createSecretBox(keys) with the key of the endpoints');
  };
  return {
    add: async (endpoint) => addEndpoint(endpoint, { pool, box: box(), egress }),
    list: (filter) => listEndpoints(pool, filter),
    show: async (id) => (isUuid(id) ? showEndpoint(pool, id) : null),
    rotate: async (id, options) => (isUuid(id) ? rotateEndpoint(id, { pool, box: box(), ...options }) : null),
    enable: async (id, options) => (isUuid(id) ? enableEndpoint(pool, id, options?.since) : null),
    disable: async (id) => (isUuid(id) ? disableEndpoint(pool, id) : null),
    remove: async (id) => (isUuid(id) ? removeEndpoint(pool, id) : null),
    replay: async (id, { since }) => (isUuid(id) ? replayEndpoint(pool, id, since) : null),
    replayMessage: async (id) => (isUuid(id) ? replayMessage(pool, id) : null),
    async ping(id, { appName }) {
      const endpoint = isUuid(id) ? await openEndpoint(id, { pool, box: box() }) : null;
      if (endpoint === null) return null;
      try {
        return await pingEndpoint(endpoint, { egress, appName });
      } finally {
        egress.close();
      }
    },
    verify: async (id) => isUuid(id) && (await openEndpoint(id, { pool, box: box() })) !== null,
    reseal: async () => resealEndpoints({ pool, box: box() }),
  };
}
