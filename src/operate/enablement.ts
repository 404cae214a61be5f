/**
 * Which templates and methods are enabled, and by which methods a template is sent. A template sync never changes
 * these.
 */
import type { Queryable } from '../database/pool.ts';

/**
 * Enables or disables a template. Pending messages of a disabled template become `inhibited` when they are due. Returns
 * false if there is no such template.
 */
export async function setTemplateEnabled(client: Queryable, name: string, enabled: boolean): Promise<boolean> {
  const result = await client.query('UPDATE herald.template SET enabled = $2, updated_at = now() WHERE name = $1', [
    name,
    enabled,
  ]);
  return result.rowCount === 1;
}

/**
 * Overrides the methods of a template, both its own and those that callers name; null removes the override. Applies
 * to what is enqueued from now on. Returns the methods that do not exist (then nothing is stored), or null if there
 * is no such template.
 */
export async function setTemplateMethods(
  client: Queryable,
  name: string,
  methods: readonly string[] | null,
): Promise<string[] | null> {
  const known = await client.query<{ name: string }>(`SELECT name FROM herald.method WHERE name <> '*'`);
  const unknown = (methods ?? []).filter((method) => !known.rows.some((row) => row.name === method));
  if (unknown.length > 0) return unknown;
  const result = await client.query(
    'UPDATE herald.template SET methods_override = $2, updated_at = now() WHERE name = $1',
    [name, methods],
  );
  return result.rowCount === 1 ? [] : null;
}

/**
 * Enables or disables a method. Pending messages of a disabled method become `inhibited` when they are due. Returns
 * false if there is no such method.
 */
export async function setMethodEnabled(client: Queryable, name: string, enabled: boolean): Promise<boolean> {
  const result = await client.query(`UPDATE herald.method SET enabled = $2 WHERE name = $1 AND name <> '*'`, [
    name,
    enabled,
  ]);
  return result.rowCount === 1;
}
