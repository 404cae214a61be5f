/** How long settled messages are kept, by group of templates; workers delete what is older by themselves. */
import type { Pool } from 'pg';

/** Days by group; `*` for every group that is not named, null for ever. Empty: everything is kept. */
export type RetentionPolicy = Readonly<Record<string, number | null>>;

const key = 'retention';

export async function readRetention(pool: Pool): Promise<RetentionPolicy> {
  const { rows } = await pool.query<{ value: RetentionPolicy }>('SELECT value FROM herald.setting WHERE key = $1', [
    key,
  ]);
  return rows[0]?.value ?? {};
}

/** Keeps a group (or `*`) for so many days, null for ever; undefined takes the group's own rule away. Answers with the whole policy. */
export async function setRetention(
  pool: Pool,
  { group, days, by }: { readonly group: string; readonly days: number | null | undefined; readonly by: string },
): Promise<RetentionPolicy> {
  const { rows } = await pool.query<{ value: RetentionPolicy }>(
    `INSERT INTO herald.setting AS s (key, value, updated_by) VALUES ($1, $2::jsonb, $4)
     ON CONFLICT (key) DO UPDATE SET value = (s.value - $3::text) || $2::jsonb, updated_by = $4, updated_at = now() RETURNING value`,
    [key, JSON.stringify(days === undefined ? {} : { [group]: days }), group, by],
  );
  return rows[0]?.value ?? {};
}

/** Deletes one batch of what the policy does not keep; answers how many. 0 where another worker is at it. */
export async function applyRetention(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ n: string }>('SELECT herald.apply_retention() AS n');
  return Number(rows[0]?.n ?? 0);
}
