/** What may be shown of endpoints: settings and health, never the URL beyond its host, a secret or a header. */
import type { DisabledReason } from '../dispatch/webhook/endpoints/circuit.ts';
import type { FormatName } from '../dispatch/webhook/formats/formats.ts';
import type { Queryable } from '../database/pool.ts';

/** An endpoint in a list. */
export interface EndpointSummary {
  /** Id of the endpoint, a UUID. */
  readonly id: string;
  /** Name for operators. */
  readonly name: string;
  /** Tenant that it belongs to; null: none. */
  readonly tenant: string | null;
  /** Recipient that it belongs to; null: none. */
  readonly recipientId: string | null;
  /** Template groups that it gets; empty: all. */
  readonly groups: readonly string[];
  /** Host and port of its URL. */
  readonly urlHost: string;
  /** How messages are written. */
  readonly format: FormatName;
  /** `open`: its circuit is open, so only one probe at a time is sent. */
  readonly state: 'healthy' | 'failing' | 'open' | 'disabled';
  /** Why it is disabled; null: it is enabled. */
  readonly disabledReason: DisabledReason | null;
  /** Time of the first call without success since the last one with success. */
  readonly failingSince: Date | null;
  /** With `open`: time of the next probe. */
  readonly probeAt: Date | null;
  /** Messages that wait for it, held ones included; counted up to 10,000. */
  readonly waiting: number;
  /** When it was added. */
  readonly createdAt: Date;
}

/** One endpoint with its limits. */
export interface EndpointDetails extends EndpointSummary {
  /** Default `POST`. */
  readonly httpMethod: 'POST' | 'PUT' | 'PATCH';
  /** For the whole call. */
  readonly timeoutSeconds: number;
  /** Which refusals are retried; see `EndpointSettings`. */
  readonly retry: 'all' | 'transient';
  /** Concurrent calls from one worker process. */
  readonly maxConcurrency: number;
  /** Calls per second over all workers; null: the limit of the format, if it has one. */
  readonly requestsPerSecond: number | null;
  /** Calls without success in a row. */
  readonly failures: number;
  /** When it was disabled; null: it is enabled. */
  readonly disabledAt: Date | null;
  /** When its settings changed last. */
  readonly updatedAt: Date;
}

/** Whose endpoints; without any of these, all. */
export interface EndpointFilter {
  /** Only those of this tenant. */
  readonly tenant?: string;
  /** Only those of this recipient. */
  readonly recipientId?: string;
}

const summaryColumns = `e.id, e.name, e.tenant, e.recipient_id AS "recipientId", e.groups,
  e.url_host AS "urlHost", e.format,
  CASE WHEN e.disabled_at IS NOT NULL THEN 'disabled' WHEN e.opened_at IS NOT NULL THEN 'open'
    WHEN e.failing_since IS NOT NULL THEN 'failing' ELSE 'healthy' END AS state,
  e.disabled_reason AS "disabledReason", e.failing_since AS "failingSince",
  CASE WHEN e.opened_at IS NOT NULL THEN e.probe_at END AS "probeAt",
  (SELECT count(*)::int FROM (
    SELECT FROM herald.message m WHERE m.endpoint_id = e.id AND m.settled_at IS NULL LIMIT 10000) w) AS waiting,
  e.created_at AS "createdAt"`;

const listStatement = `SELECT ${summaryColumns} FROM herald.endpoint e
WHERE ($1::text IS NULL OR e.tenant = $1) AND ($2::text IS NULL OR e.recipient_id = $2)
ORDER BY e.created_at, e.id LIMIT 1000`;

const showStatement = `SELECT ${summaryColumns}, e.http_method AS "httpMethod", e.timeout_seconds AS "timeoutSeconds",
  e.retry, e.max_concurrency AS "maxConcurrency", e.requests_per_second AS "requestsPerSecond",
  e.updated_at AS "updatedAt", e.failures, e.disabled_at AS "disabledAt"
FROM herald.endpoint e WHERE e.id = $1`;

/** Returns at most 1,000 endpoints, oldest first. */
export async function listEndpoints(pool: Queryable, filter: EndpointFilter = {}): Promise<EndpointSummary[]> {
  const { tenant = null, recipientId = null } = filter;
  return (await pool.query<EndpointSummary>(listStatement, [tenant, recipientId])).rows;
}

/** Returns one endpoint; null if there is none. */
export async function showEndpoint(pool: Queryable, id: string): Promise<EndpointDetails | null> {
  return (await pool.query<EndpointDetails>(showStatement, [id])).rows[0] ?? null;
}
