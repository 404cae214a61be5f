/** An operator's switches: which templates and methods are in use, and by which methods a template travels. */
import type { Pool } from 'pg';

/** Answers false if there is no such template. Messages that wait are settled as `inhibited` when they are due. */
export async function switchTemplate(pool: Pool, name: string, enabled: boolean): Promise<boolean> {
  const result = await pool.query('UPDATE herald.template SET enabled = $2, updated_at = now() WHERE name = $1', [
    name,
    enabled,
  ]);
  return result.rowCount === 1;
}

/**
 * Methods of a template in place of its own and the callers'; null goes back to them. Counts for what is enqueued from now
 * on. Answers with the methods that do not exist (nothing is stored then), or null if there is no such template.
 */
export async function overrideMethods(
  pool: Pool,
  name: string,
  methods: readonly string[] | null,
): Promise<string[] | null> {
  const known = await pool.query<{ name: string }>(`SELECT name FROM herald.method WHERE name <> '*'`);
  const unknown = (methods ?? []).filter((method) => !known.rows.some((row) => row.name === method));
  if (unknown.length > 0) return unknown;
  const result = await pool.query(
    'UPDATE herald.template SET methods_override = $2, updated_at = now() WHERE name = $1',
    [name, methods],
  );
  return result.rowCount === 1 ? [] : null;
}

/** Answers false if there is no such method. Messages that wait are settled as `inhibited` when they are due. */
export async function switchMethod(pool: Pool, name: string, enabled: boolean): Promise<boolean> {
  const result = await pool.query(`UPDATE herald.method SET enabled = $2 WHERE name = $1 AND name <> '*'`, [
    name,
    enabled,
  ]);
  return result.rowCount === 1;
}
