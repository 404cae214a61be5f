/**
 * Append-only records of the world outside the database: a line of JSON per event, written before the event is answered, so
 * that they survive any process that is killed. The kernel keeps what was written; only the machine's own crash could lose it.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';

/** A receiver accepted a message. */
export interface Acceptance {
  readonly id: string;
  /** When, in milliseconds since 1970. */
  readonly at: number;
}

/** What an application knows of a transaction: written when its messages have ids, and again when its end is confirmed. */
export interface TransactionRecord {
  readonly ids: readonly string[];
  /** `open`: its end is not known yet. `committed`: the database has confirmed it. */
  readonly state: 'open' | 'committed' | 'rolled back';
}

export function append(file: string, entry: Acceptance | TransactionRecord): void {
  appendFileSync(file, `${JSON.stringify(entry)}\n`);
}

/** The last line may have been cut off by a kill; it was not answered then. */
export function readJournal<Entry>(file: string): Entry[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Entry);
}
