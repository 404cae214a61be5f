/** Erases a person from the tables. What is counted stays. */
import * as v from 'valibot';
import type { Queryable } from '../database/pool.ts';
import { checkInput, fields, text } from './input.ts';

/** Whose data to erase: by the application's id, or by address. */
export type Person = { readonly recipientId: string } | { readonly address: string };

/** What `erase` did. */
export interface EraseReport {
  /** Number of messages that were erased. */
  readonly erased: number;
  /** How many of these were pending until now. */
  readonly cancelled: number;
  /** In flight at this moment and not erased. Erase again when their attempts have ended. */
  readonly inFlight: number;
}

const oneOf = 'must have a recipientId or an address, not empty';

/**
 * Erases the name, address, labels, data, files and replies of every message to a person, and their preferences; by
 * recipient id, their endpoints as well. Of a suppressed address a keyed hash is left, so that it stays suppressed.
 * Works in batches, each a transaction of its own, and is safe to repeat.
 */
export async function erase(
  client: Queryable,
  person: Person,
  onProgress?: (erased: number) => void,
): Promise<EraseReport> {
  checkInput('erasePerson', v.union([fields({ address: text }), fields({ recipientId: text })], oneOf), person);
  const [argument, value] = 'address' in person ? ['address', person.address] : ['recipient_id', person.recipientId];
  let erased = 0;
  let cancelled = 0;
  for (;;) {
    const { rows } = await client.query<{ erased: string; cancelled: string; in_flight: string }>(
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
