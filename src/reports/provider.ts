/** The contract of a provider's webhook: it is verified first, and then read as claims. */
import type { ReturnAddresses } from '../return-address.ts';
import type { Claim, Unmatched } from './claim.ts';

/** A request as it came. */
export interface ProviderRequest {
  readonly headers: Headers;
  readonly body: Buffer;
  readonly now: Date;
}

/** Who sent it is not proven, or it came from somewhere else. */
export interface Refused {
  readonly refused: Extract<Unmatched, 'signature' | 'topic' | 'replay'>;
}

/** One provider. */
export interface Provider {
  /** Its name, the last part of the path. */
  readonly name: string;
  /**
   * Verifies a request and reads it. Empty where it reports nothing that came back, for example an opened email.
   * Rejects if it cannot be verified now.
   */
  read(request: ProviderRequest): Promise<readonly Claim[] | Refused>;
}

/** Reads the tokens of return addresses; null without keys. */
export type Returns = Pick<ReturnAddresses, 'messageIn'> | null;

/** Longer than any of the providers repeats a request that was not answered. What came before is a repetition. */
export const mostAgeSeconds = 24 * 60 * 60;
/** Clocks differ. */
export const mostAheadSeconds = 5 * 60;

/** Whether a time is neither older than `mostAge` nor later than now. */
export function isFresh(time: number, now: Date, mostAge = mostAgeSeconds): boolean {
  const age = (now.getTime() - time) / 1000;
  return age <= mostAge && age >= -mostAheadSeconds;
}

/** A JSON object whose fields are read with `at`; null for anything else. */
export type Json = Readonly<Record<string, unknown>>;

/** Parses JSON; null if it is none. */
export function parseJson(body: Buffer | string): unknown {
  try {
    return JSON.parse(typeof body === 'string' ? body : body.toString('utf8'));
  } catch {
    return null;
  }
}

/** The value at a path of fields; undefined if there is none. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let found = value;
  for (const name of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
    found = (found as Json)[name];
  }
  return found;
}

/** A text at a path; an empty text if there is none. */
export function textAt(value: unknown, ...path: readonly string[]): string {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : typeof found === 'number' ? String(found) : '';
}

/** The items of a list at a path; a bounded number of them. */
export function listAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found.slice(0, 1000) : [];
}
