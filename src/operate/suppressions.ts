/** Addresses that a method must not use any more. */
import type { Pool } from 'pg';

export interface Suppression {
  readonly method: string;
  readonly address: string;
  readonly reason: string;
  readonly hits: number;
  readonly firstAt: Date;
  readonly suppressedAt: Date | null;
}

/** The newest 1,000; of one address if it is given. */
export async function listSuppressions(
  pool: Pool,
  { address }: { readonly address?: string } = {},
): Promise<Suppression[]> {
  const result = await pool.query<Suppression>(
    `SELECT method, address, reason, hits, first_at AS "firstAt", suppressed_at AS "suppressedAt" FROM herald.suppression
     WHERE $1::text IS NULL OR address = lower($1) ORDER BY last_at DESC LIMIT 1000`,
    [address ?? null],
  );
  return result.rows;
}

/** Suppresses at once, by an operator. */
export async function suppress(pool: Pool, entry: { method: string; address: string; reason: string }): Promise<void> {
  await pool.query(
    `INSERT INTO herald.suppression (method, address, reason, suppressed_at) VALUES ($1, lower($2), $3, now())
     ON CONFLICT (method, address) DO UPDATE SET reason = $3, suppressed_at = now(), last_at = now()`,
    [entry.method, entry.address, entry.reason],
  );
}

/**
 * Counts a receiver's verdict that an address is bad for good; the second one, a day or more after the first,
 * suppresses it: a single one may be a passing fault of the receiver.
 */
export async function countAddressFault(
  pool: Pool,
  entry: { method: string; address: string; reason: string },
): Promise<void> {
  await pool.query(
    `INSERT INTO herald.suppression AS s (method, address, reason, hits) VALUES ($1, lower($2), $3, 1)
     ON CONFLICT (method, address) DO UPDATE SET hits = s.hits + 1, last_at = now(),
       suppressed_at = coalesce(s.suppressed_at, CASE WHEN s.first_at <= now() - interval '24 hours' THEN now() END)`,
    [entry.method, entry.address, entry.reason],
  );
}

/** Answers whether there was one. */
export async function unsuppress(pool: Pool, entry: { method: string; address: string }): Promise<boolean> {
  const result = await pool.query('DELETE FROM herald.suppression WHERE method = $1 AND address = lower($2)', [
    entry.method,
    entry.address,
  ]);
  return result.rowCount === 1;
}
