/**
 * Pauses a delivery method for every worker: the state is a row of herald.method. An operator's pause lasts until someone
 * resumes the method. A pause after a fault of the method itself ends automatically, once a probe with one message succeeds.
 */
import type { Reason } from '../vocabulary.ts';
import type { Client } from './client.ts';

/** A pause in force. */
export interface PauseState {
  /** Name of the method; `*` is every method. */
  readonly method: string;
  readonly kind: 'operator' | 'fault';
  /** The operator, or the worker that found the fault. */
  readonly by: string | null;
  readonly since: Date;
  /** What is wrong with the method; null for an operator's pause. */
  readonly reason: string | null;
  /** The operator's explanation, or what the method answered. */
  readonly detail: string | null;
  /** When the next probe is due; null for an operator's pause. */
  readonly probeAt: Date | null;
}

/** First probe after a fault, and the longest wait between probes, in seconds. */
const firstProbeSeconds = 5;
const longestProbeSeconds = 600;

/** Columns of herald.method and herald.sender that a pause sets. */
const clearPause = 'paused_at = NULL, pause_reason = NULL, pause_detail = NULL, probe_at = NULL, probe_failures = 0';
const clearMethodPause = `${clearPause}, paused_by = NULL, pause_kind = NULL`;

/**
 * Pauses a method on behalf of an operator; `*` pauses every method. Messages wait, and no attempt is counted. Workers are
 * told at once. Returns false if there is no such method.
 */
export async function pauseMethod(
  client: Client,
  { method, by, why }: { readonly method: string; readonly by: string; readonly why: string },
): Promise<boolean> {
  const result = await client.query(
    `INSERT INTO herald.method AS m (name, paused_at, paused_by, pause_kind, pause_detail)
     SELECT $1, now(), $2, 'operator', $3 WHERE $1 = '*' OR EXISTS (SELECT FROM herald.method WHERE name = $1)
     ON CONFLICT (name) DO UPDATE SET paused_at = now(), paused_by = $2, pause_kind = 'operator', pause_reason = NULL,
       pause_detail = $3, probe_at = NULL, probe_failures = 0`,
    [method, by, why],
  );
  await client.query(`SELECT pg_notify('herald', '*')`);
  return result.rowCount === 1;
}

/**
 * Ends the pause of a method, whatever its kind, and those of its senders. `*` ends every pause there is. Returns the
 * methods that were paused.
 */
export async function resumeMethod(client: Client, { method }: { readonly method: string }): Promise<string[]> {
  const result = await client.query<{ name: string }>(
    `WITH resumed AS (
       UPDATE herald.method SET ${clearMethodPause} WHERE paused_at IS NOT NULL AND (name = $1 OR $1 = '*') RETURNING name
     ), senders AS (
       UPDATE herald.sender SET ${clearPause}, updated_at = now() WHERE paused_at IS NOT NULL AND (method = $1 OR $1 = '*')
     ) SELECT name, pg_notify('herald', name) FROM resumed`,
    [method],
  );
  return result.rows.map((row) => row.name);
}

/** Ends an operator's pause of everything. A method that is paused on its own stays paused. */
export async function resumeEverything(client: Client): Promise<void> {
  await client.query(`UPDATE herald.method SET ${clearMethodPause} WHERE name = '*'`);
  await client.query(`SELECT pg_notify('herald', '*')`);
}

/** Every pause in force, by name of the method. */
export async function listPauses(client: Client): Promise<PauseState[]> {
  const result = await client.query<PauseState>(
    `SELECT name AS method, pause_kind AS kind, paused_by AS by, paused_at AS since, pause_reason AS reason,
       pause_detail AS detail, probe_at AS "probeAt"
     FROM herald.method WHERE paused_at IS NOT NULL ORDER BY name`,
  );
  return result.rows;
}

/**
 * Pauses a method after a fault of its own. Returns true to the one caller that started the pause, so that a single replica
 * reports it. `atLeastSeconds` delays the first probe: a rejected password is not tried again at once.
 */
export async function pauseForFault(
  client: Client,
  fault: {
    readonly method: string;
    readonly worker: string;
    readonly reason: Reason;
    readonly detail: string;
    readonly atLeastSeconds: number;
  },
): Promise<boolean> {
  const { method, worker, reason, detail, atLeastSeconds } = fault;
  const result = await client.query<{ fresh: boolean }>(
    `UPDATE herald.method m
     SET paused_at = coalesce(m.paused_at, now()), paused_by = coalesce(m.paused_by, $2), pause_kind = 'fault',
       pause_reason = $3, pause_detail = $4, probe_at = greatest(m.probe_at,
         now() + greatest(least($5 * 2 ^ least(m.probe_failures, 10), $6), $7) * interval '1 second')
     FROM (SELECT name, paused_at FROM herald.method WHERE name = $1 FOR UPDATE) before
     WHERE m.name = before.name AND m.pause_kind IS DISTINCT FROM 'operator'
     RETURNING before.paused_at IS NULL AS fresh`,
    [method, worker, reason, detail.slice(0, 500), firstProbeSeconds, longestProbeSeconds, atLeastSeconds],
  );
  return result.rows[0]?.fresh === true;
}

/** Claims the probe that is due. Returns true to one replica, which then tries a single message. */
export async function claimProbe(client: Client, method: string): Promise<boolean> {
  const result = await client.query(
    `UPDATE herald.method SET probe_failures = probe_failures + 1,
       probe_at = now() + least($2 * 2 ^ least(probe_failures + 1, 10), $3) * interval '1 second'
     WHERE name = $1 AND pause_kind = 'fault' AND probe_at <= now()`,
    [method, firstProbeSeconds, longestProbeSeconds],
  );
  return result.rowCount === 1;
}

/** Ends a pause after a fault, because a probe succeeded. Does not touch an operator's pause. */
export async function resumeAfterProbe(client: Client, method: string): Promise<boolean> {
  const result = await client.query(
    `WITH resumed AS (
       UPDATE herald.method SET ${clearMethodPause} WHERE name = $1 AND pause_kind = 'fault' RETURNING name
     ) SELECT pg_notify('herald', name) FROM resumed`,
    [method],
  );
  return result.rowCount === 1;
}
