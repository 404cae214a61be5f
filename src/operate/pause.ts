/**
 * Pauses a delivery method for every worker: the state is a row of herald.method. An operator's pause lasts until
 * someone resumes the method. A pause after a fault of the method itself ends automatically
 * (`dispatch/fault-pause.ts`).
 */
import { unpaused } from '../dispatch/fault-pause.ts';
import type { Queryable } from '../database/pool.ts';
import { anyText, checkInput, fields, text } from './input.ts';

/** A pause in force. */
export interface PauseState {
  /** Name of the method; `*` is every method. */
  readonly method: string;
  /** Whether an operator paused it, or a fault of the method did. */
  readonly kind: 'operator' | 'fault';
  /** The operator, or the worker that found the fault. */
  readonly by: string | null;
  /** When the pause began. */
  readonly since: Date;
  /** What is wrong with the method; null for an operator's pause. */
  readonly reason: string | null;
  /** The operator's explanation, or what the method answered. */
  readonly detail: string | null;
  /** When the next probe is due; null for an operator's pause. */
  readonly probeAt: Date | null;
}

/**
 * Pauses a method on behalf of an operator; `*` pauses every method. Messages wait, and no attempt is counted.
 * Workers stop at once. Returns false if there is no such method.
 */
export async function pauseMethod(
  client: Queryable,
  pause: { readonly method: string; readonly by: string; readonly why: string },
): Promise<boolean> {
  checkInput('pauseMethod', fields({ method: text, by: text, why: anyText }), pause);
  const { method, by, why } = pause;
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
 * Ends the pause of a method, whatever its kind, and those of its senders, and makes the messages due that met the
 * fault. `*` ends every pause there is. Returns the methods that were paused.
 */
export async function resumeMethod(client: Queryable, paused: { readonly method: string }): Promise<string[]> {
  checkInput('resumeMethod', fields({ method: text }), paused);
  const { method } = paused;
  const result = await client.query<{ name: string }>(
    `WITH resumed AS (
       UPDATE herald.method SET ${unpaused('method')} 
       WHERE paused_at IS NOT NULL AND (name = $1 OR $1 = '*') RETURNING name
     ), senders AS (
       UPDATE herald.sender SET ${unpaused('sender')} WHERE paused_at IS NOT NULL AND (method = $1 OR $1 = '*')
     ) SELECT name, pg_notify('herald', name) FROM resumed`,
    [method],
  );
  await client.query('SELECT herald.bring_forward($1)', [method]);
  return result.rows.map((row) => row.name);
}

/** Ends an operator's pause of everything. A method that is paused on its own stays paused. */
export async function resumeEverything(client: Queryable): Promise<void> {
  await client.query(`UPDATE herald.method SET ${unpaused('method')} WHERE name = '*'`);
  await client.query(`SELECT pg_notify('herald', '*')`);
}

/** Every pause in force, by name of the method. */
export async function listPauses(client: Queryable): Promise<PauseState[]> {
  const result = await client.query<PauseState>(
    `SELECT name AS method, pause_kind AS kind, paused_by AS by, paused_at AS since, pause_reason AS reason,
       pause_detail AS detail, probe_at AS "probeAt"
     FROM herald.method WHERE paused_at IS NOT NULL ORDER BY name`,
  );
  return result.rows;
}
