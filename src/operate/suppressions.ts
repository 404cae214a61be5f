/** Addresses that a method must not use. */
import * as v from 'valibot';
import type { Queryable } from '../database/pool.ts';
import { checkInput, fields, text } from './input.ts';

/** One address of one method. */
export interface Suppression {
  /** For example `smtp`. */
  readonly method: string;
  /** In lower case. */
  readonly address: string;
  /** Why the address is not used. */
  readonly reason: string;
  /** How often a receiver reported the address as dead. */
  readonly hits: number;
  /** When it was first reported. */
  readonly firstAt: Date;
  /** Null while a single report is not enough to suppress the address. */
  readonly suppressedAt: Date | null;
}

/** The newest 1,000, or those of one address. */
export async function listSuppressions(
  client: Queryable,
  options: { readonly address?: string } = {},
): Promise<Suppression[]> {
  checkInput('listSuppressions', fields({ address: v.optional(text) }), options);
  const { address } = options;
  const result = await client.query<Suppression>(
    `SELECT method, address, reason, hits, first_at AS "firstAt", suppressed_at AS "suppressedAt"
     FROM herald.suppression WHERE $1::text IS NULL OR address = lower($1 COLLATE "C") COLLATE "default"
     ORDER BY last_at DESC LIMIT 1000`,
    [address ?? null],
  );
  return result.rows;
}

/** Suppresses an address at once. */
export async function suppress(
  client: Queryable,
  suppression: { readonly method: string; readonly address: string; readonly reason: string },
): Promise<void> {
  checkInput('suppressAddress', fields({ method: text, address: text, reason: text }), suppression);
  const { method, address, reason } = suppression;
  await client.query(
    `INSERT INTO herald.suppression (method, address, reason, suppressed_at)
     VALUES ($1, lower($2 COLLATE "C") COLLATE "default", $3, now())
     ON CONFLICT (method, address) DO UPDATE SET reason = $3, suppressed_at = now(), last_at = now()`,
    [method, address, reason],
  );
}

/**
 * Counts a receiver's report that an address is permanently dead. The second one, a day or more after the first,
 * suppresses the address: a single report may be a passing fault of the receiver.
 */
export async function countAddressFault(
  client: Queryable,
  { method, address, reason }: { readonly method: string; readonly address: string; readonly reason: string },
): Promise<void> {
  await client.query(
    `INSERT INTO herald.suppression AS s (method, address, reason, hits)
     VALUES ($1, lower($2 COLLATE "C") COLLATE "default", $3, 1)
     ON CONFLICT (method, address) DO UPDATE SET hits = s.hits + 1, last_at = now(),
       suppressed_at = coalesce(s.suppressed_at, CASE WHEN s.first_at <= now() - interval '24 hours' THEN now() END)`,
    [method, address, reason],
  );
}

/** Allows an address again. Returns false if it was not suppressed. */
export async function unsuppress(
  client: Queryable,
  suppressed: { readonly method: string; readonly address: string },
): Promise<boolean> {
  checkInput('unsuppressAddress', fields({ method: text, address: text }), suppressed);
  const { method, address } = suppressed;
  const result = await client.query(
    'DELETE FROM herald.suppression WHERE method = $1 AND address = lower($2 COLLATE "C") COLLATE "default"',
    [method, address],
  );
  return result.rowCount === 1;
}
