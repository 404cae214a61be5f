/**
 * Which templates and methods are enabled, and by which methods a template is sent. A template sync never changes
 * these.
 */
import * as v from 'valibot';
import type { Queryable } from '../database/pool.ts';
import { checkInput, fields, text } from './input.ts';

const switching = fields({ name: text, enabled: v.boolean('must be true or false') });

/**
 * Enables or disables a template. Pending messages of a disabled template become `inhibited` when they are due. Returns
 * false if there is no such template.
 */
export async function setTemplateEnabled(client: Queryable, name: string, enabled: boolean): Promise<boolean> {
  checkInput('setTemplateEnabled', switching, { name, enabled });
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
  checkInput('setTemplateMethods', fields({ name: text, methods: v.nullable(v.array(text)) }), { name, methods });
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
  checkInput('setMethodEnabled', switching, { name, enabled });
  const result = await client.query(`UPDATE herald.method SET enabled = $2 WHERE name = $1 AND name <> '*'`, [
    name,
    enabled,
  ]);
  return result.rowCount === 1;
}
