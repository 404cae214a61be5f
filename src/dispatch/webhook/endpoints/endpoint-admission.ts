/**
 * Decides which of the leased messages may go to their endpoints now. The others get a time to look at them again;
 * messages to disabled endpoints are held. A few statements for a whole batch.
 */
import type { Pool } from 'pg';
import type { Deferral } from '../../dispatcher.ts';
import type { RateLimits } from '../../rate-limits.ts';
import { formats } from '../formats/formats.ts';
import type { EndpointCache } from './endpoint-cache.ts';
import type { CapacityRequest, ConcurrencyLimiter } from './concurrency-limiter.ts';
import type { StoredEndpoint } from './stored-endpoint.ts';

/** What admission needs. */
export interface AdmissionServices {
  readonly pool: Pool;
  readonly cache: EndpointCache;
  readonly limiter: ConcurrencyLimiter;
  readonly rateLimits: RateLimits;
}

interface Addressed {
  readonly id: string;
  readonly endpointId: string;
  readonly now: Date;
  /** It was refused when the endpoint was found at fault, and waits until the endpoint works again. */
  readonly metFault: boolean;
}

interface Admission {
  readonly request: CapacityRequest;
  /** How many of its messages may go. */
  readonly capacity: number;
}

/** The prefix of the keys of endpoints' token buckets. */
export const bucketPrefix = 'endpoint/';
/** A probe without a result after this time is lost, and another worker may send one. Longer than any call. */
const probeLeaseSeconds = 90;

const hasMetFault = `EXISTS (
  SELECT FROM herald.refusal r WHERE r.method = m.method AND r.sender = 'endpoint/' || m.endpoint_id
    AND r.kind = 'refused' AND r.message_id = m.id AND r.waiting)`;

const addressedStatement = `
SELECT m.id, m.endpoint_id AS "endpointId", now() AS now, ${hasMetFault} AS "metFault"
FROM herald.message m WHERE m.id = ANY ($1::uuid[]) AND m.endpoint_id IS NOT NULL
ORDER BY "metFault", array_position($1::uuid[], m.id)`;

const othersStatement = `
SELECT DISTINCT m.endpoint_id AS id FROM herald.message m
WHERE m.endpoint_id = ANY ($1::uuid[]) AND m.settled_at IS NULL AND m.status = 'pending'
  AND m.next_attempt_at < now() + interval '20 minutes' AND NOT ${hasMetFault}`;

const claimStatement = `
UPDATE herald.endpoint SET probing = true, probe_at = now() + make_interval(secs => ${probeLeaseSeconds})
WHERE id = ANY ($1::uuid[]) AND opened_at IS NOT NULL AND probe_at <= now() RETURNING id`;

const held: Deferral = { at: null, reason: 'gone', detail: 'endpoint disabled' };

/** Returns when to look again at each of the messages that cannot go now. */
export async function admit(
  messageIds: readonly string[],
  { pool, cache, limiter, rateLimits }: AdmissionServices,
): Promise<ReadonlyMap<string, Deferral>> {
  const addressed = await pool.query<Addressed>(addressedStatement, [messageIds]);
  // The times of circuits are by the database's clock, which may differ from this machine's.
  const now = addressed.rows[0]?.now;
  if (now === undefined) return new Map();
  const wanted = Map.groupBy(addressed.rows, ({ endpointId }) => endpointId);
  const rows = [...(await cache.read([...wanted.keys()])).values()];
  const messagesOf = ({ id }: StoredEndpoint) => (wanted.get(id) ?? []).map((message) => message.id);
  const { disabled = [], enabled = [] } = Object.groupBy(rows, stateOf);
  const due = enabled.filter((row) => row.openedAt !== null && (row.probeAt ?? row.openedAt) <= now);
  const ours = await claimProbes(pool, await withoutHeldBack(pool, due, wanted));
  const requests = enabled.map((row) => requestOf(row, messagesOf(row), ours));
  const admissions = await takeTokens(rateLimits, requests, limiter);
  return new Map([
    ...disabled.flatMap(messagesOf).map((id) => [id, held] as const),
    ...admissions.flatMap((capacity) => deferralsOf(capacity, limiter, now)),
  ]);
}

function stateOf({ disabledAt }: StoredEndpoint): 'disabled' | 'enabled' {
  return disabledAt === null ? 'enabled' : 'disabled';
}

function deferralsOf(
  { request, capacity }: Admission,
  limiter: ConcurrencyLimiter,
  now: Date,
): (readonly [string, Deferral])[] {
  const detail = request.open ? 'waits: the circuit of its endpoint is open' : 'waits for capacity of its endpoint';
  return [...limiter.schedule(request, capacity, now)].map(([id, at]) => [id, { at, detail }] as const);
}

function requestOf(row: StoredEndpoint, messageIds: readonly string[], ours: ReadonlySet<string>): CapacityRequest {
  return {
    endpointId: row.id,
    messageIds,
    maxConcurrency: row.maxConcurrency,
    requestsPerSecond: row.requestsPerSecond ?? formats[row.format].requestsPerSecond,
    open: row.openedAt === null ? null : { probeAt: row.probeAt ?? row.openedAt, probeIsOurs: ours.has(row.id) },
  };
}

/** A message that met the endpoint's fault is not the probe while another one waits: it might be at fault itself. */
async function withoutHeldBack(
  pool: Pool,
  due: readonly StoredEndpoint[],
  wanted: ReadonlyMap<string, readonly Addressed[]>,
): Promise<readonly string[]> {
  const ids = due.map(({ id }) => id);
  const doubtful = ids.filter((id) => wanted.get(id)?.every(({ metFault }) => metFault));
  if (doubtful.length === 0) return ids;
  const { rows } = await pool.query<{ id: string }>(othersStatement, [doubtful]);
  const heldBack = new Set(rows.map(({ id }) => id));
  return ids.filter((id) => !heldBack.has(id));
}

/** Claims the probes that are due and returns the endpoints whose probe is ours: one replica wins each. */
async function claimProbes(pool: Pool, due: readonly string[]): Promise<ReadonlySet<string>> {
  if (due.length === 0) return new Set();
  const { rows: claimed } = await pool.query<{ id: string }>(claimStatement, [due]);
  return new Set(claimed.map(({ id }) => id));
}

/** Limits endpoints that have a rate to the tokens that all replicas share. */
async function takeTokens(
  rateLimits: RateLimits,
  requests: readonly CapacityRequest[],
  limiter: ConcurrencyLimiter,
): Promise<readonly Admission[]> {
  const admissions = requests.map((request) => ({ request, capacity: limiter.capacity(request) }));
  const limited = admissions.flatMap(
    ({ request: { endpointId: key, requestsPerSecond: perSecond }, capacity: wanted }) =>
      perSecond !== null && wanted > 0 ? [{ key: `${bucketPrefix}${key}`, perSecond, wanted }] : [],
  );
  const granted = await rateLimits.grant(limited);
  return admissions.map(({ request, capacity }) => ({
    request,
    capacity: Math.min(capacity, granted.get(`${bucketPrefix}${request.endpointId}`) ?? capacity),
  }));
}
