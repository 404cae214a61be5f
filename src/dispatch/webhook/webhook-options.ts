/** The options of `webhook(...)`. */
import * as v from 'valibot';
import { ConfigurationError } from '../../errors.ts';
import { egressSchema, type EgressOptions, type EgressSettings } from '../egress/egress-options.ts';
import { parseSettings } from '../settings.ts';
import type { SecretBox } from '../../secrets.ts';
import type { NotifyOwner } from './endpoints/notify-owner.ts';
import { parseEndpoint, type Endpoint, type EndpointSettings } from './endpoint.ts';

/** Options of `webhook`. */
export interface WebhookOptions {
  /** Receives the messages that are not addressed to a stored endpoint. Needed unless `endpoints` is given. */
  readonly endpoint?: EndpointSettings;
  /** Calls the endpoints that are stored in the database (see `endpoints`). */
  readonly endpoints?: WebhookEndpointsOptions;
  /** What may be called. Default: public `https:` addresses. */
  readonly egress?: EgressOptions;
  /** Concurrent calls in this process, 1 to 1,000. Default 50. */
  readonly concurrency?: number;
  /**
   * Whether receivers see labels that templates declare secret (one-time codes, reset links). Default false: masked.
   */
  readonly includeSecrets?: boolean;
  /** Whether receivers get `traceparent` and `tracestate`, to continue the trace of the enqueue. Default false. */
  readonly sendTraceContext?: boolean;
  /** The `user-agent` header, for example `acme/1.0`; printable ASCII, at most 200 characters. Default `pg-herald`. */
  readonly userAgent?: string;
}

/** How stored endpoints are decrypted, and how their owners hear about faults. */
export interface WebhookEndpointsOptions {
  /** Decrypts the stored settings: `createSecretBox(keys)`. */
  readonly secrets: SecretBox;
  /**
   * Tells the owner of an endpoint that it fails, works again or was switched off. Default: when it is switched off,
   * the template `endpoint-disabled` is enqueued for its contact, if both exist; `shippedTemplatesFolder` has the
   * template.
   */
  readonly notifyOwner?: NotifyOwner;
}

/** `WebhookOptions`, checked and with defaults. */
export interface WebhookSettings {
  readonly endpoint: Endpoint | null;
  readonly endpoints: WebhookEndpointsOptions | null;
  readonly egress: EgressSettings;
  readonly concurrency: number;
  readonly includeSecrets: boolean;
  readonly sendTraceContext: boolean;
  readonly userAgent: string;
}

const optionsSchema = v.strictObject({
  endpoint: v.optional(v.custom<EndpointSettings>((input) => typeof input === 'object' && input !== null)),
  endpoints: v.optional(v.custom<WebhookEndpointsOptions>((input) => typeof input === 'object' && input !== null)),
  egress: v.optional(egressSchema, {}),
  concurrency: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1_000)), 50),
  includeSecrets: v.optional(v.boolean(), false),
  sendTraceContext: v.optional(v.boolean(), false),
  userAgent: v.optional(v.pipe(v.string(), v.regex(/^[\x21-\x7e][\x20-\x7e]{0,199}$/)), 'pg-herald'),
});

/** @throws {ConfigurationError} for the first option that is missing or wrong, named `webhook.<path>`. */
export function parseWebhookOptions(options: WebhookOptions): WebhookSettings {
  const { endpoint, endpoints = null, ...rest } = parseSettings('webhook', optionsSchema, options);
  if (endpoint === undefined && endpoints === null)
    throw new ConfigurationError('webhook.endpoint', 'is missing; give a default endpoint, or endpoints, or both');
  return {
    ...rest,
    endpoints,
    endpoint: endpoint === undefined ? null : parseEndpoint('webhook.endpoint', null, endpoint),
  };
}
