/** How long settled messages are kept, by group of templates. Workers delete older ones automatically. */
import * as v from 'valibot';
import type { Queryable } from '../database/pool.ts';
import { checkInput, fields, text } from './input.ts';

/** Days by group; `*` is every group that is not named; null is forever. An empty policy keeps everything. */
export type RetentionPolicy = Readonly<Record<string, number | null>>;

const key = 'retention';

/** The policy in force. */
export async function readRetention(client: Queryable): Promise<RetentionPolicy> {
  const { rows } = await client.query<{ value: RetentionPolicy }>('SELECT value FROM herald.setting WHERE key = $1', [
    key,
  ]);
  return rows[0]?.value ?? {};
}

const numberOfDays = v.pipe(v.number('must be a number'), v.finite('must be finite'), v.minValue(0, 'is negative'));

/**
 * Sets how many days the messages of a group (or `*`) are kept: null is forever, undefined removes the group's own
 * rule. Returns the whole policy.
 */
export async function setRetention(
  client: Queryable,
  rule: { readonly group: string; readonly days: number | null | undefined; readonly by: string },
): Promise<RetentionPolicy> {
  checkInput('setRetention', fields({ group: text, days: v.nullish(numberOfDays), by: text }), rule);
  const { group, days, by } = rule;
  const { rows } = await client.query<{ value: RetentionPolicy }>(
    `INSERT INTO herald.setting AS s (key, value, updated_by) VALUES ($1, $2::jsonb, $4)
     ON CONFLICT (key) DO UPDATE SET value = (s.value - $3::text) || $2::jsonb, updated_by = $4, updated_at = now()
     RETURNING value`,
    [key, JSON.stringify(days === undefined ? {} : { [group]: days }), group, by],
  );
  return rows[0]?.value ?? {};
}

const itemsKey = 'inbox_retention';
/** How long inboxes keep items unless an operator says otherwise. */
const defaultItemDays = 90;

/** Returns for how many days inboxes keep items, whose messages stay; null is forever. Default 90. */
export async function readInboxRetention(client: Queryable): Promise<number | null> {
  const { rows } = await client.query<{ value: number | null }>('SELECT value FROM herald.setting WHERE key = $1', [
    itemsKey,
  ]);
  return rows.length === 0 ? defaultItemDays : (rows[0]?.value ?? null);
}

const itemDays = v.pipe(numberOfDays, v.maxValue(36_500, 'is more than 36500'));

/** Sets for how many days inboxes keep items, 0 to 36,500: null is forever, undefined the default. */
export async function setInboxRetention(
  client: Queryable,
  rule: { readonly days: number | null | undefined; readonly by: string },
): Promise<void> {
  checkInput('setInboxRetention', fields({ days: v.nullish(itemDays), by: text }), rule);
  if (rule.days === undefined) {
    await client.query('DELETE FROM herald.setting WHERE key = $1', [itemsKey]);
    return;
  }
  await client.query(
    `INSERT INTO herald.setting AS s (key, value, updated_by) VALUES ($1, $2::jsonb, $3)
     ON CONFLICT (key) DO UPDATE SET value = $2::jsonb, updated_by = $3, updated_at = now()`,
    [itemsKey, JSON.stringify(rule.days), rule.by],
  );
}

/**
 * Deletes one batch of messages and items that are no longer kept, and returns how many. 0 while another worker does
 * it.
 */
export async function applyRetention(client: Queryable): Promise<number> {
  const { rows } = await client.query<{ n: string }>('SELECT herald.apply_retention() AS n');
  return Number(rows[0]?.n ?? 0);
}
