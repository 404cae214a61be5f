/**
 * Pausing a delivery method, for all replicas: the state is a row of herald.method. An operator's pause lasts until
 * resumed; one that a fault of the method itself caused is probed with a single message and ends by itself.
 */
import type { Pool } from 'pg';
import type { Reason } from '../vocabulary.ts';

export interface PauseState {
  readonly method: string;
  readonly kind: 'operator' | 'fault';
  readonly by: string | null;
  readonly since: Date;
  readonly reason: string | null;
  readonly detail: string | null;
  readonly probeAt: Date | null;
}

/** First probe after a fault, and the longest wait between probes, in seconds. */
const firstProbeSeconds = 5;
const longestProbeSeconds = 600;

/** Pauses by an operator. `*` pauses every method. Answers false if there is no such method. */
export async function pause(pool: Pool, options: { method: string; by: string; why: string }): Promise<boolean> {
  const result = await pool.query(
    `INSERT INTO herald.method AS m (name, paused_at, paused_by, pause_kind, pause_detail)
     SELECT $1, now(), $2, 'operator', $3 WHERE $1 = '*' OR EXISTS (SELECT FROM herald.method WHERE name = $1)
     ON CONFLICT (name) DO UPDATE SET paused_at = now(), paused_by = $2, pause_kind = 'operator', pause_reason = NULL, pause_detail = $3,
       probe_at = NULL, probe_failures = 0`,
    [options.method, options.by, options.why],
  );
  await pool.query(`SELECT pg_notify('herald', '*')`);
  return result.rowCount === 1;
}

/** Ends a pause of either kind, and the rest of senders. `*` ends the pause of everything and those of every method. Answers with the methods resumed. */
export async function resume(pool: Pool, method: string): Promise<string[]> {
  const result = await pool.query<{ name: string }>(
    `WITH resumed AS (
       UPDATE herald.method SET paused_at = NULL, paused_by = NULL, pause_kind = NULL, pause_reason = NULL, pause_detail = NULL, probe_at = NULL, probe_failures = 0
       WHERE paused_at IS NOT NULL AND (name = $1 OR $1 = '*') RETURNING name
     ), rested AS (
       UPDATE herald.sender SET paused_at = NULL, pause_reason = NULL, pause_detail = NULL, probe_at = NULL, probe_failures = 0, updated_at = now()
       WHERE paused_at IS NOT NULL AND (method = $1 OR $1 = '*')
     ) SELECT name, pg_notify('herald', name) FROM resumed`,
    [method],
  );
  return result.rows.map((row) => row.name);
}

/**
 * Pauses after a fault of the method itself. Answers true for the caller that paused it, so that one replica tells the
 * operator, once. `atLeastSeconds` puts off the first probe (a refused password is not tried again at once).
 */
export async function pauseForFault(
  pool: Pool,
  fault: { method: string; worker: string; reason: Reason; detail: string; atLeastSeconds: number },
): Promise<boolean> {
  const result = await pool.query<{ fresh: boolean }>(
    `UPDATE herald.method m
     SET paused_at = coalesce(m.paused_at, now()), paused_by = coalesce(m.paused_by, $2), pause_kind = 'fault', pause_reason = $3, pause_detail = $4,
       probe_at = greatest(m.probe_at, now() + greatest(least($5 * 2 ^ least(m.probe_failures, 10), $6), $7) * interval '1 second')
     FROM (SELECT name, paused_at FROM herald.method WHERE name = $1 FOR UPDATE) before
     WHERE m.name = before.name AND m.pause_kind IS DISTINCT FROM 'operator'
     RETURNING before.paused_at IS NULL AS fresh`,
    [
      fault.method,
      fault.worker,
      fault.reason,
      fault.detail.slice(0, 500),
      firstProbeSeconds,
      longestProbeSeconds,
      fault.atLeastSeconds,
    ],
  );
  return result.rows[0]?.fresh === true;
}

/** Claims the probe that is due: true for one replica, which then tries a single message. */
export async function claimProbe(pool: Pool, method: string): Promise<boolean> {
  const result = await pool.query(
    `UPDATE herald.method
     SET probe_failures = probe_failures + 1, probe_at = now() + least($2 * 2 ^ least(probe_failures + 1, 10), $3) * interval '1 second'
     WHERE name = $1 AND pause_kind = 'fault' AND probe_at <= now()`,
    [method, firstProbeSeconds, longestProbeSeconds],
  );
  return result.rowCount === 1;
}

/** Ends the pause that a fault caused, after a probe that found the method well. Leaves an operator's pause alone. */
export async function resumeAfterProbe(pool: Pool, method: string): Promise<boolean> {
  const result = await pool.query(
    `WITH resumed AS (
       UPDATE herald.method SET paused_at = NULL, paused_by = NULL, pause_kind = NULL, pause_reason = NULL, pause_detail = NULL, probe_at = NULL, probe_failures = 0
       WHERE name = $1 AND pause_kind = 'fault' RETURNING name
     ) SELECT pg_notify('herald', name) FROM resumed`,
    [method],
  );
  return result.rowCount === 1;
}

/** Every pause in force. */
export async function pauses(pool: Pool): Promise<PauseState[]> {
  const result = await pool.query<PauseState>(
    `SELECT name AS method, pause_kind AS kind, paused_by AS by, paused_at AS since, pause_reason AS reason, pause_detail AS detail, probe_at AS "probeAt"
     FROM herald.method WHERE paused_at IS NOT NULL ORDER BY name`,
  );
  return result.rows;
}
