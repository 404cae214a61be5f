/** Addresses that a method must not use. */
import * as v from 'valibot';
import type { Queryable } from '../database/pool.ts';
import { checkInput, fields, text } from './input.ts';

/** Why an address is not used: see `Suppression`. */
export type SuppressionCause = 'dead' | 'soft' | 'complaint' | 'operator';

/** One address of one method. */
export interface Suppression {
  /** For example `smtp`. */
  readonly method: string;
  /** In lower case. Null for what is left of an erased person: only a hash of the address. */
  readonly address: string | null;
  /**
   * `dead`: there is no such mailbox. `soft`: it takes nothing at present. `complaint`: the person reported spam;
   * mandatory messages still pass. `operator`: an operator decided it.
   */
  readonly cause: SuppressionCause;
  /** A reason code, or what an operator wrote. */
  readonly reason: string;
  /** How often a receiver reported the address as dead, since a message to it was last accepted. */
  readonly hits: number;
  /** When it was first reported. */
  readonly firstAt: Date;
  /** Null while a single report is not enough to suppress the address. */
  readonly suppressedAt: Date | null;
  /** When the address is used again; null: when the suppression is lifted. */
  readonly expiresAt: Date | null;
}

/** The newest 1,000, or those of one address. What has expired is left out. */
export async function listSuppressions(
  client: Queryable,
  options: { readonly address?: string } = {},
): Promise<Suppression[]> {
  checkInput('listSuppressions', fields({ address: v.optional(text) }), options);
  const { address } = options;
  const result = await client.query<Suppression>(
    `SELECT method, CASE WHEN address NOT LIKE 'erased:%' THEN address END AS address, cause, reason, hits,
       first_at AS "firstAt", suppressed_at AS "suppressedAt", expires_at AS "expiresAt"
     FROM herald.suppression
     WHERE ($1::text IS NULL OR address = ANY (herald.suppressed_forms($1)))
       AND (expires_at IS NULL OR expires_at > now())
     ORDER BY last_at DESC LIMIT 1000`,
    [address ?? null],
  );
  return result.rows;
}

/** Suppresses an address at once, with the cause `operator`. */
export async function suppress(
  client: Queryable,
  suppression: { readonly method: string; readonly address: string; readonly reason: string },
): Promise<void> {
  checkInput('suppressAddress', fields({ method: text, address: text, reason: text }), suppression);
  const { method, address, reason } = suppression;
  await client.query(
    `INSERT INTO herald.suppression (method, address, cause, reason, suppressed_at)
     VALUES ($1, lower($2 COLLATE "C") COLLATE "default", 'operator', $3, now())
     ON CONFLICT (method, address) DO UPDATE
       SET cause = 'operator', reason = $3, suppressed_at = now(), last_at = now(), expires_at = NULL`,
    [method, address, reason],
  );
}

/** An address that a receiver reports as dead. */
export interface AddressFault {
  readonly method: string;
  readonly address: string;
  readonly reason: string;
  /** The message that met it. */
  readonly messageId: string;
}

/**
 * Counts a receiver's report that an address is permanently dead. The second one, a day or more after the first and
 * without a message that was accepted between the two, suppresses the address: a single report may be a passing fault
 * of the receiver.
 */
export async function countAddressFault(client: Queryable, fault: AddressFault): Promise<void> {
  const { method, address, reason, messageId } = fault;
  await client.query('SELECT herald.count_dead($1, $2, $3, $4)', [method, address, reason, messageId]);
}

/** Allows an address again, also that of an erased person. Returns false if it was not suppressed. */
export async function unsuppress(
  client: Queryable,
  suppressed: { readonly method: string; readonly address: string },
): Promise<boolean> {
  checkInput('unsuppressAddress', fields({ method: text, address: text }), suppressed);
  const { method, address } = suppressed;
  const result = await client.query<{ lifted: boolean }>('SELECT herald.lift_suppression($1, $2, NULL) AS lifted', [
    method,
    address,
  ]);
  return result.rows[0]?.lifted === true;
}
