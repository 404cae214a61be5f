/** Takes a person out of the tables; what is counted stays. */
import type { Pool } from 'pg';

export type Person = { readonly recipientId: string } | { readonly address: string };

export interface EraseReport {
  readonly erased: number;
  /** Of them, waiting until now. */
  readonly cancelled: number;
  /** On their way at this moment and left alone: erase again when they have ended. */
  readonly inFlight: number;
}

/**
 * Erases names, addresses, labels, data, files and replies of every message to this person, with their preferences and
 * suppressions, and by recipient id their endpoints.
 * Batch by batch, each a transaction of its own. Safe to repeat.
 */
export async function erase(pool: Pool, person: Person, onProgress?: (erased: number) => void): Promise<EraseReport> {
  const [argument, value] = 'address' in person ? ['address', person.address] : ['recipient_id', person.recipientId];
  let erased = 0;
  let cancelled = 0;
  for (;;) {
    const { rows } = await pool.query<{ erased: string; cancelled: string; in_flight: string }>(
      `SELECT * FROM herald.erase(${argument} => $1)`,
      [value],
    );
    const batch = rows[0];
    erased += Number(batch?.erased ?? 0);
    cancelled += Number(batch?.cancelled ?? 0);
    onProgress?.(erased);
    if (batch === undefined || batch.erased === '0')
      return { erased, cancelled, inFlight: Number(batch?.in_flight ?? 0) };
  }
}
