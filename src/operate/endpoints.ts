/** The rows of endpoints as an operator or an application keeps them: add, list, rotate, switch, send again. */
import { randomUUID } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import * as v from 'valibot';
import { parseAddress } from '../email-address.ts';
import { ConfigurationError } from '../errors.ts';
import type { SecretBox } from '../secrets.ts';
import type { Egress } from '../dispatch/egress/egress.ts';
import { requirementOf } from '../dispatch/settings.ts';
import { type EndpointSettings, parseEndpoint } from '../dispatch/webhook/endpoint.ts';
import { generateSecret } from '../dispatch/webhook/signature.ts';
import type { DisabledReason } from '../dispatch/webhook/endpoints/circuit.ts';
import {
  endpointOf,
  type EndpointRow,
  endpointColumns,
  openSettings,
  rotateSecret,
  sealSettings,
} from '../dispatch/webhook/endpoints/stored-endpoint.ts';

type Client = Pick<Pool | PoolClient, 'query'>;

/** An endpoint to be. Its owner is a recipient, a tenant, or nobody: then it gets everything that selects no other. */
export interface NewEndpoint extends EndpointSettings {
  /** Shown to people; one line of 200 characters at most. */
  readonly name: string;
  readonly tenant?: string;
  readonly recipientId?: string;
  /** Template groups that it wants; default all. */
  readonly groups?: readonly string[];
  /** Calls under way at once in one worker process, 1 to 1,000. Default 10. */
  readonly maxConcurrency?: number;
  /** Over all workers. Default: what the format allows. */
  readonly requestsPerSecond?: number;
  /** Mail address that hears when the endpoint is switched off. */
  readonly contact?: string;
}

/** What may be shown of an endpoint: no path, no secret, no header. */
export interface EndpointLine {
  readonly id: string;
  readonly name: string;
  readonly tenant: string | null;
  readonly recipientId: string | null;
  readonly groups: readonly string[];
  readonly urlHost: string;
  readonly format: string;
  readonly state: 'healthy' | 'failing' | 'open' | 'disabled';
  readonly disabledReason: DisabledReason | null;
  readonly failingSince: Date | null;
  readonly probeAt: Date | null;
  /** Messages that wait for it, held ones included. */
  readonly waiting: number;
  readonly createdAt: Date;
}

/** One endpoint with its limits. Its URL beyond the host, its secrets and its headers stay sealed. */
export interface EndpointDetails extends EndpointLine {
  readonly httpMethod: string;
  readonly timeoutSeconds: number;
  readonly retry: 'all' | 'transient';
  /** In one worker. */
  readonly maxConcurrency: number;
  /** Over all workers; null: what the format allows. */
  readonly requestsPerSecond: number | null;
  /** In a row. */
  readonly failures: number;
  readonly disabledAt: Date | null;
  /** Of the settings. */
  readonly updatedAt: Date;
}

export interface Keeping {
  readonly pool: Client;
  readonly box: SecretBox;
}

const line = (most: number) =>
  v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(most), v.regex(/^\P{Cc}+$/u, 'must be one line'));
const ownSchema = v.object({
  name: line(200),
  tenant: v.optional(line(200)),
  recipientId: v.optional(line(200)),
  groups: v.optional(v.pipe(v.array(line(200)), v.maxLength(100)), []),
  maxConcurrency: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000)), 10),
  requestsPerSecond: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(100_000))),
  contact: v.optional(
    v.pipe(
      v.string(),
      v.check((text) => 'address' in parseAddress(text), 'is no mail address'),
    ),
  ),
});

/**
 * Stores an endpoint. A `standard` one without a secret gets a new one, which is answered here and shown nowhere else.
 *
 * @throws {ConfigurationError} for the first setting that is wrong, and where the URL may not be called.
 */
export async function addEndpoint(
  input: NewEndpoint,
  { pool, box, egress }: Keeping & { readonly egress: Pick<Egress, 'refusal'> },
): Promise<{ readonly id: string; readonly secret: string | null }> {
  const { name, tenant, recipientId, groups, maxConcurrency, requestsPerSecond, contact, ...rest } = input;
  const own = parseOwn({ name, tenant, recipientId, groups, maxConcurrency, requestsPerSecond, contact });
  const made = (rest.format ?? 'standard') === 'standard' && rest.secret === undefined ? generateSecret() : null;
  const settings: EndpointSettings = made === null ? rest : { ...rest, secret: made };
  const endpoint = parseEndpoint('endpoint', null, settings);
  const refusal = egress.refusal(endpoint.url);
  if (refusal !== null)
    throw new ConfigurationError('endpoint.url', `may not be called: ${refusal}; use a public https: URL, or allow it`);
  const id = randomUUID();
  const { url, secret, signingKey, headers, tls } = settings;
  const sealed = sealSettings(box, id, {
    ...(url !== undefined && { url }),
    ...(secret !== undefined && { secret }),
    ...(signingKey !== undefined && { signingKey }),
    ...(headers !== undefined && { headers }),
    ...(tls !== undefined && { tls }),
    ...(own.contact !== undefined && { contact: own.contact }),
  });
  await pool.query(
    `INSERT INTO herald.endpoint (id, name, tenant, recipient_id, groups, url_host, sealed, format, http_method, timeout_seconds, retry,
       max_concurrency, requests_per_second) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [
      id,
      own.name,
      own.tenant ?? null,
      own.recipientId ?? null,
      own.groups,
      new URL(endpoint.url).host,
      sealed,
      endpoint.format,
      endpoint.httpMethod,
      endpoint.timeoutSeconds,
      endpoint.retry,
      own.maxConcurrency,
      own.requestsPerSecond ?? null,
    ],
  );
  return { id, secret: made };
}

function parseOwn(input: object): v.InferOutput<typeof ownSchema> {
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
  const parsed = v.safeParse(ownSchema, given);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new ConfigurationError(`endpoint.${v.getDotPath(issue) ?? ''}`, requirementOf(issue));
}

const lineColumns = `e.id, e.name, e.tenant, e.recipient_id AS "recipientId", e.groups, e.url_host AS "urlHost", e.format,
  CASE WHEN e.disabled_at IS NOT NULL THEN 'disabled' WHEN e.opened_at IS NOT NULL THEN 'open' WHEN e.failing_since IS NOT NULL THEN 'failing' ELSE 'healthy' END AS state,
  e.disabled_reason AS "disabledReason", e.failing_since AS "failingSince", CASE WHEN e.opened_at IS NOT NULL THEN e.probe_at END AS "probeAt",
  (SELECT count(*)::int FROM (SELECT FROM herald.message m WHERE m.endpoint_id = e.id AND m.settled_at IS NULL LIMIT 10000) w) AS waiting,
  e.created_at AS "createdAt"`;

/** At most 1,000, oldest first. `waiting` counts to 10,000. */
export async function listEndpoints(pool: Client): Promise<EndpointLine[]> {
  const result = await pool.query<EndpointLine>(
    `SELECT ${lineColumns} FROM herald.endpoint e ORDER BY e.created_at, e.id LIMIT 1000`,
  );
  return result.rows;
}

/** Null: there is none. */
export async function showEndpoint(pool: Client, id: string): Promise<EndpointDetails | null> {
  const { rows } = await pool.query<EndpointDetails>(
    `SELECT ${lineColumns}, e.http_method AS "httpMethod", e.timeout_seconds AS "timeoutSeconds", e.retry, e.max_concurrency AS "maxConcurrency",
       e.requests_per_second AS "requestsPerSecond", e.updated_at AS "updatedAt", e.failures, e.disabled_at AS "disabledAt"
     FROM herald.endpoint e WHERE e.id = $1`,
    [id],
  );
  return rows[0] ?? null;
}

/** Deletes it with its secrets; what waits for it is cancelled. Answers how many messages are; null: there is no such endpoint. */
export async function removeEndpoint(pool: Client, id: string): Promise<number | null> {
  // Deleted last: a message that is enqueued in between fails, because its endpoint is gone.
  const { rows } = await pool.query<{ cancelled: number; removed: number }>(
    `WITH stopped AS (
       SELECT c.answer FROM herald.cancel(message_ids => ARRAY(SELECT m.id FROM herald.message m WHERE m.endpoint_id = $1 AND m.settled_at IS NULL)) c
     ), gone AS (DELETE FROM herald.endpoint WHERE id = $1 RETURNING 1)
     SELECT (SELECT count(*) FROM stopped WHERE answer = 'cancelled')::int AS cancelled, (SELECT count(*) FROM gone)::int AS removed`,
    [id],
  );
  return rows[0]?.removed ? rows[0].cancelled : null;
}

export async function endpointExists(pool: Client, id: string): Promise<boolean> {
  return (await pool.query('SELECT FROM herald.endpoint WHERE id = $1', [id])).rowCount === 1;
}

/** The endpoint, opened, for a test call; null: there is none. @throws {ConfigurationError} without its key. */
export async function openEndpoint(id: string, { pool, box }: Keeping) {
  const { rows } = await pool.query<EndpointRow>(`SELECT ${endpointColumns} FROM herald.endpoint WHERE id = $1`, [id]);
  const [row] = rows;
  return row === undefined ? null : endpointOf(row, box, new Date());
}

/**
 * Gives a `standard` endpoint a new secret and answers with it; the one before stays valid for `overlapSeconds` (default a day;
 * 0 ends it at once). Null: there is no such endpoint.
 */
export async function rotateEndpoint(
  id: string,
  { pool, box, overlapSeconds }: Keeping & { readonly overlapSeconds?: number },
): Promise<string | null> {
  const { rows } = await pool.query<{ sealed: string; format: string }>(
    'SELECT sealed, format FROM herald.endpoint WHERE id = $1',
    [id],
  );
  const [row] = rows;
  if (row === undefined) return null;
  if (row.format !== 'standard')
    throw new ConfigurationError(
      'endpoint',
      `is of format ${row.format}, whose credential its service issues; add a new endpoint`,
    );
  const secret = generateSecret();
  const settings = rotateSecret(openSettings(box, id, row.sealed), secret, {
    now: new Date(),
    ...(overlapSeconds !== undefined && { overlapSeconds }),
  });
  // Another rotation in between would lose its secret: the row must be the one that was read.
  const written = await pool.query(
    'UPDATE herald.endpoint SET sealed = $2, updated_at = now() WHERE id = $1 AND sealed = $3',
    [id, sealSettings(box, id, settings), row.sealed],
  );
  if (written.rowCount === 0) throw new ConfigurationError('endpoint', 'was changed at the same time; try again');
  return secret;
}

/** Switches it off; what waits for it is held. Answers how many messages are; null: there is no such endpoint. */
export async function disableEndpoint(pool: Client, id: string): Promise<number | null> {
  const { rows } = await pool.query<{ found: boolean; held: number }>(
    `WITH off AS (
       UPDATE herald.endpoint SET disabled_at = coalesce(disabled_at, now()), disabled_reason = 'operator', updated_at = now() WHERE id = $1 RETURNING id
     ), held AS (
       UPDATE herald.message m SET status = 'held', next_attempt_at = 'infinity', reason = 'endpoint_disabled', detail = 'endpoint disabled'
       FROM off WHERE m.endpoint_id = off.id AND m.status = 'pending' RETURNING 1
     ) SELECT EXISTS (SELECT FROM off) AS found, (SELECT count(*)::int FROM held) AS held`,
    [id],
  );
  return rows[0]?.found ? rows[0].held : null;
}

/**
 * Switches it on with a clean record. With `since`, what was not sent to it since then (held, failed, or never tried because it was
 * switched off) goes out now; without, only what is held. Answers how many; null: there is no such endpoint.
 */
export async function enableEndpoint(pool: Client, id: string, since?: Date): Promise<number | null> {
  const on = await pool.query(
    `UPDATE herald.endpoint SET disabled_at = NULL, disabled_reason = NULL, updated_at = now(), failures = 0, faults = 0, failing_since = NULL,
       warned_at = NULL, opened_at = NULL, probe_at = NULL, probing = false, probes = 0, window_at = NULL, window_calls = 0, window_faults = 0
     WHERE id = $1`,
    [id],
  );
  if (on.rowCount === 0) return null;
  const which =
    since === undefined ? `status = 'held'` : `status = ANY ('{held,failed,expired}') OR reason = 'endpoint_disabled'`;
  const { rows } = await pool.query<{ n: number }>(
    `SELECT count(*) FILTER (WHERE r.retried)::int AS n
     FROM herald.retry(ARRAY(SELECT id FROM herald.message WHERE endpoint_id = $1 AND created_at >= $2 AND (${which}))) r`,
    [id, since ?? new Date(0)],
  );
  return rows[0]?.n ?? 0;
}

/** Sends again what went to an endpoint since a time, under the same ids: sent ones, too. Answers how many. */
export async function replayEndpoint(pool: Client, id: string, since: Date): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(
    `SELECT count(*) FILTER (WHERE r.retried)::int AS n
     FROM herald.replay(ARRAY(SELECT id FROM herald.message WHERE endpoint_id = $1 AND created_at >= $2)) r`,
    [id, since],
  );
  return rows[0]?.n ?? 0;
}

/** Sends one message again, whatever became of it. Answers its status, null: there is none with this id. */
export async function replayMessage(pool: Client, id: string): Promise<{ retried: boolean; status: string } | null> {
  const { rows } = await pool.query<{ retried: boolean; status: string }>(
    'SELECT retried, status FROM herald.replay(ARRAY[$1::uuid])',
    [id],
  );
  return rows[0] ?? null;
}
