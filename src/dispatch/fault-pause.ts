/**
 * Pauses after a fault: of a whole delivery method, or of one of its senders. The state is a row that all replicas
 * share. One replica at a time probes what is paused, with a single message, after waits that double from 5 s to 10
 * min, or to 30 s where messages were refused that may be at fault themselves.
 */
import type { Pool } from 'pg';
import type { Reason } from '../vocabulary.ts';

/** What is paused: a method, or with `sender` one sender of it. */
export interface PauseTarget {
  readonly method: string;
  readonly sender?: string;
}

/** Why it is paused. */
export interface PauseFault {
  readonly reason: Reason;
  /** For an operator; at most 500 characters are stored. */
  readonly detail: string;
  /** The first probe comes no sooner than this: a refused password is not tried again at once. */
  readonly atLeastSeconds: number;
  /** The worker that met the fault; shown to operators as the origin of a method's pause. */
  readonly worker?: string;
}

/** A pause as it was stored. */
export interface StoredPause {
  /** Whether this call began the pause. True for one replica, which then tells the operator. */
  readonly fresh: boolean;
  readonly probeSeconds: number;
}

/** Wait before the first probe, in seconds. */
export const firstProbeSeconds = 5;
const longestProbeSeconds = 600;
/** What a server says of messages, which may be at fault themselves: another message must not wait long to prove it. */
const saidOfMessages = ['refused', 'content_refused', 'deferred', 'throttled'] satisfies Reason[];
const longestIfSaidOfMessages = 30;

const backoff = (failures: string, reason: string) =>
  `least(${firstProbeSeconds} * 2 ^ least(${failures}, 10), CASE WHEN ${reason} IN ('${saidOfMessages.join("', '")}')
     THEN ${longestIfSaidOfMessages} ELSE ${longestProbeSeconds} END) * interval '1 second'`;

/** An operator can pause a method. Faults neither prolong nor end such a pause, hence `byFault`. */
function rowOf({ method, sender }: PauseTarget) {
  return sender === undefined
    ? { table: 'herald.method', where: 'name = $1', key: [method], byFault: `pause_kind = 'fault'` }
    : {
        table: 'herald.sender',
        where: 'method = $1 AND name = $2',
        key: [method, sender],
        byFault: 'paused_at IS NOT NULL',
      };
}

/** Begins a pause, or prolongs it. @returns null where an operator has paused the target: that pause stays as it is. */
export async function pauseForFault(pool: Pool, target: PauseTarget, fault: PauseFault): Promise<StoredPause | null> {
  const { table, where, key, byFault } = rowOf(target);
  const [reason, detail, atLeast, worker] = [1, 2, 3, 4].map((n) => `$${key.length + n}`);
  const columns =
    target.sender === undefined
      ? `pause_kind = 'fault', paused_by = coalesce(t.paused_by, ${worker})`
      : 'updated_at = now()';
  if (target.sender !== undefined)
    await pool.query('INSERT INTO herald.sender (method, name) VALUES ($1, $2) ON CONFLICT DO NOTHING', key);
  const { rows } = await pool.query<StoredPause>(
    `WITH before AS MATERIALIZED (SELECT paused_at AS was_paused_at FROM ${table} WHERE ${where} FOR UPDATE)
     UPDATE ${table} t SET paused_at = coalesce(t.paused_at, now()), pause_reason = ${reason}, pause_detail = ${detail},
       ${columns},
       probe_at = greatest(t.probe_at, now() +
         greatest(${backoff('t.probe_failures', reason ?? '')}, ${atLeast}::float8 * interval '1 second'))
     FROM before WHERE ${where} AND (t.paused_at IS NULL OR ${byFault})
     RETURNING before.was_paused_at IS NULL AS fresh, extract(epoch FROM t.probe_at - now())::float8 AS "probeSeconds"`,
    [
      ...key,
      fault.reason,
      fault.detail.slice(0, 500),
      fault.atLeastSeconds,
      ...(target.sender === undefined ? [fault.worker ?? null] : []),
    ],
  );
  return rows[0] ?? null;
}

/** Claims the probe that is due. @returns true for one replica, which then tries a single message. */
export async function claimProbe(pool: Pool, target: PauseTarget): Promise<boolean> {
  const { table, where, key, byFault } = rowOf(target);
  const { rowCount } = await pool.query(
    `UPDATE ${table} SET probe_failures = probe_failures + 1,
       probe_at = now() + ${backoff('probe_failures + 1', 'pause_reason')}
     WHERE ${where} AND ${byFault} AND probe_at <= now()`,
    key,
  );
  return rowCount === 1;
}

/** Ends a pause that a fault caused, after a probe that worked. @returns whether there was one. */
export async function resumeAfterProbe(pool: Pool, target: PauseTarget): Promise<boolean> {
  const { table, where, key, byFault } = rowOf(target);
  const columns = unpaused(target.sender === undefined ? 'method' : 'sender');
  const { rowCount } = await pool.query(
    `WITH resumed AS (
       UPDATE ${table} SET ${columns} WHERE ${where} AND ${byFault} RETURNING 1
     ) SELECT pg_notify('herald', $1) FROM resumed`,
    key,
  );
  return rowCount === 1;
}

/** The columns of a method or sender that is not paused, as assignments of an UPDATE. */
export function unpaused(table: 'method' | 'sender'): string {
  return `paused_at = NULL, pause_reason = NULL, pause_detail = NULL, probe_at = NULL, probe_failures = 0, ${
    table === 'method' ? 'paused_by = NULL, pause_kind = NULL' : 'updated_at = now()'
  }`;
}
