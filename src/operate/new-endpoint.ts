/** Checks and stores a new endpoint. */
import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { Egress } from '../dispatch/egress/egress.ts';
import { parseSettings } from '../dispatch/settings.ts';
import { type EndpointSettings, parseEndpoint } from '../dispatch/webhook/endpoint.ts';
import { rotationOverlapSeconds, sealSettings } from '../dispatch/webhook/endpoints/stored-endpoint.ts';
import { generateSecret } from '../dispatch/webhook/signature.ts';
import { parseAddress } from '../email-address.ts';
import { ConfigurationError } from '../errors.ts';
import type { SecretBox } from '../secrets.ts';
import type { Queryable } from '../database/pool.ts';

/**
 * An endpoint to add. Its owner is a recipient, a tenant or no one; one without an owner gets the messages of every
 * recipient and tenant that has no endpoint of its own.
 */
export interface NewEndpoint extends EndpointSettings {
  /** `standard`: secrets that receivers may still verify with during the next 24 hours; at most 10. */
  readonly previousSecrets?: readonly string[];
  /** Shown to operators; one line of at most 200 characters. Default: the host of the URL. */
  readonly name?: string;
  /** Tenant of the application, at most 200 characters. */
  readonly tenant?: string;
  /** Id of the recipient, at most 200 characters. */
  readonly recipientId?: string;
  /** Template groups that it gets, at most 100. Default: all. */
  readonly groups?: readonly string[];
  /** Concurrent calls from one worker process, 1 to 1,000. Default 10. */
  readonly maxConcurrency?: number;
  /** Calls per second over all workers, at most 100,000. Default: the limit of the format, if it has one. */
  readonly requestsPerSecond?: number;
  /** Email address that is told when the endpoint is switched off. */
  readonly contact?: string;
}

/** An endpoint that was stored. */
export interface AddedEndpoint {
  /** Id of the endpoint, a UUID. */
  readonly id: string;
  /**
   * The signing secret that was generated; null if one was given, and for formats that sign nothing. Not shown again.
   */
  readonly secret: string | null;
}

const line = (max: number) =>
  v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(max), v.regex(/^\P{Cc}+$/u, 'must be one line'));
const ownerSchema = v.object({
  name: line(200),
  tenant: v.optional(line(200)),
  recipientId: v.optional(line(200)),
  groups: v.optional(v.pipe(v.array(line(200)), v.maxLength(100)), []),
  maxConcurrency: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000)), 10),
  requestsPerSecond: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(100_000))),
  contact: v.optional(
    v.pipe(
      v.string(),
      v.check((text) => 'address' in parseAddress(text), 'must be one email address'),
    ),
  ),
});

const insertStatement = `
INSERT INTO herald.endpoint (id, name, tenant, recipient_id, groups, url_host, sealed, format, http_method,
  timeout_seconds, retry, max_concurrency, requests_per_second)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`;

interface AddServices {
  readonly pool: Queryable;
  readonly box: SecretBox;
  readonly egress: Pick<Egress, 'refusal'>;
}

/**
 * Stores an endpoint. One of format `standard` without a secret gets a new one.
 *
 * @throws {ConfigurationError} for the first setting that is wrong, and if the URL may not be called.
 */
export async function addEndpoint(input: NewEndpoint, { pool, box, egress }: AddServices): Promise<AddedEndpoint> {
  const { name, tenant, recipientId, groups, maxConcurrency, requestsPerSecond, contact, ...rest } = input;
  const generated = (rest.format ?? 'standard') === 'standard' && rest.secret === undefined ? generateSecret() : null;
  const settings: EndpointSettings = generated === null ? rest : { ...rest, secret: generated };
  const endpoint = parseEndpoint('endpoint', null, settings);
  requireAllowed(endpoint.url, egress);
  const { host } = new URL(endpoint.url);
  const own = parseSettings(
    'endpoint',
    ownerSchema,
    definedOnly({ name: name ?? host, tenant, recipientId, groups, maxConcurrency, requestsPerSecond, contact }),
  );
  const id = randomUUID();
  const { url, secret, signingKey, headers, tls } = settings;
  const expiresAt = new Date(Date.now() + rotationOverlapSeconds * 1_000).toISOString();
  const previousSecrets = settings.previousSecrets?.map((previous) => ({ secret: previous, expiresAt }));
  const { contact: contactAddress } = own;
  const sealed = sealSettings(
    box,
    id,
    definedOnly({ url, secret, previousSecrets, signingKey, headers, tls, contact: contactAddress }),
  );
  await pool.query(insertStatement, [
    id,
    own.name,
    own.tenant ?? null,
    own.recipientId ?? null,
    own.groups,
    host,
    sealed,
    endpoint.format,
    endpoint.httpMethod,
    endpoint.timeoutSeconds,
    endpoint.retry,
    own.maxConcurrency,
    own.requestsPerSecond ?? null,
  ]);
  return { id, secret: generated };
}

function requireAllowed(url: string, egress: Pick<Egress, 'refusal'>): void {
  const refusal = egress.refusal(url);
  if (refusal === null) return;
  throw new ConfigurationError(
    'endpoint.url',
    `may not be called: ${refusal}; use a public https: URL, or allow it with egress.allowHosts or egress.allowCidrs ` +
      '(HERALD_WEBHOOK_ALLOW_HOSTS, HERALD_WEBHOOK_ALLOW_CIDRS)',
  );
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function definedOnly<T extends object>(input: T): Defined<T> {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined)) as Defined<T>;
}
