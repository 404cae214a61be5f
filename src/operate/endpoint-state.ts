/** Switching endpoints on and off, deleting them, and sending messages to them again. */
import type { Queryable } from '../database/pool.ts';
import { evidenceNameOf } from '../dispatch/webhook/weigh-refusal.ts';

// Deleted last: a message that is enqueued in between fails, because its endpoint is gone.
const removeStatement = `
WITH stopped AS (
  SELECT c.answer FROM herald.cancel(message_ids => ARRAY(
    SELECT m.id FROM herald.message m WHERE m.endpoint_id = $1 AND m.settled_at IS NULL)) c
), gone AS (DELETE FROM herald.endpoint WHERE id = $1 RETURNING 1)
SELECT (SELECT count(*) FROM stopped WHERE answer = 'cancelled')::int AS cancelled,
  (SELECT count(*) FROM gone)::int AS removed`;

const disableStatement = `
WITH off AS (
  UPDATE herald.endpoint
  SET disabled_at = coalesce(disabled_at, now()), disabled_reason = 'operator', updated_at = now()
  WHERE id = $1 RETURNING id
), held AS (
  UPDATE herald.message m
  SET status = 'held', next_attempt_at = 'infinity', reason = 'endpoint_disabled', detail = 'endpoint disabled'
  FROM off WHERE m.endpoint_id = off.id AND m.status = 'pending' RETURNING 1
) SELECT EXISTS (SELECT FROM off) AS found, (SELECT count(*)::int FROM held) AS held`;

const enableStatement = `
UPDATE herald.endpoint SET disabled_at = NULL, disabled_reason = NULL, updated_at = now(), failures = 0, faults = 0,
  failing_since = NULL, warned_at = NULL, opened_at = NULL, probe_at = NULL, probing = false, probes = 0,
  window_at = NULL, window_calls = 0, window_faults = 0
WHERE id = $1 RETURNING method`;

/** Deletes an endpoint; returns how many messages were cancelled, or null if there is no such endpoint. */
export async function removeEndpoint(pool: Queryable, id: string): Promise<number | null> {
  const { rows } = await pool.query<{ cancelled: number; removed: number }>(removeStatement, [id]);
  return rows[0]?.removed ? rows[0].cancelled : null;
}

/** Switches an endpoint off; returns how many messages are held, or null if there is no such endpoint. */
export async function disableEndpoint(pool: Queryable, id: string): Promise<number | null> {
  const { rows } = await pool.query<{ found: boolean; held: number }>(disableStatement, [id]);
  return rows[0]?.found ? rows[0].held : null;
}

/** Switches an endpoint on; returns how many messages are sent now, or null if there is no such endpoint. */
export async function enableEndpoint(pool: Queryable, id: string, since?: Date): Promise<number | null> {
  const [on] = (await pool.query<{ method: string }>(enableStatement, [id])).rows;
  if (on === undefined) return null;
  await pool.query('SELECT herald.release_refused($1, $2)', [on.method, evidenceNameOf(id)]);
  const which =
    since === undefined ? `status = 'held'` : `status = ANY ('{held,failed,expired}') OR reason = 'endpoint_disabled'`;
  const { rows } = await pool.query<{ n: number }>(
    `SELECT count(*) FILTER (WHERE r.retried)::int AS n
     FROM herald.retry(ARRAY(
       SELECT id FROM herald.message WHERE endpoint_id = $1 AND created_at >= $2 AND (${which}))) r`,
    [id, since ?? new Date(0)],
  );
  return rows[0]?.n ?? 0;
}

/** Sends everything since a time again; returns how many messages, or null if there is no such endpoint. */
export async function replayEndpoint(pool: Queryable, id: string, since: Date): Promise<number | null> {
  const { rows } = await pool.query<{ found: boolean; n: number }>(
    `SELECT EXISTS (SELECT FROM herald.endpoint WHERE id = $1) AS found, count(*) FILTER (WHERE r.retried)::int AS n
     FROM herald.replay(ARRAY(SELECT id FROM herald.message WHERE endpoint_id = $1 AND created_at >= $2)) r`,
    [id, since],
  );
  return rows[0]?.found ? rows[0].n : null;
}

/** Sends one message again; returns its status, or null if there is no such message. */
export async function replayMessage(pool: Queryable, id: string): Promise<{ retried: boolean; status: string } | null> {
  const { rows } = await pool.query<{ retried: boolean; status: string }>(
    'SELECT retried, status FROM herald.replay(ARRAY[$1::uuid])',
    [id],
  );
  return rows[0] ?? null;
}
