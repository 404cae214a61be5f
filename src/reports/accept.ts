/** Takes one email that came back, as a mail server hands it over. */
import type { Queryable } from '../database/pool.ts';
import { createReturnAddresses } from '../return-address.ts';
import { claimsOfMail, mostBytes } from './mail.ts';
import { type RecordedReport, recordClaims } from './record.ts';

/** What `acceptReport` needs. */
export interface AcceptOptions {
  /** A pool or a connection. Its role has the rights of `herald_worker`. */
  readonly pool: Queryable;
  /** The keys of the return addresses, each the base64 text of 32 random bytes: those of `smtp`'s `envelopeKeys`. */
  readonly keys: readonly string[];
}

/**
 * Records what an email reports: a delivery status (RFC 3464) or a complaint (RFC 5965). Any other email is recorded as
 * unmatched and changes nothing. Resolves when it is committed; the same email counts once. Of the email, the first
 * megabyte and the first 50 parts are read.
 *
 * @param email the email as it came, header and body
 * @param recipients the addresses that the mail server delivers it to, if it says so; else its header has to
 * @throws {ConfigurationError} if a key is wrong.
 */
export async function acceptReport(
  { pool, keys }: AcceptOptions,
  email: Uint8Array,
  recipients: readonly string[] = [],
): Promise<RecordedReport[]> {
  const raw = Buffer.from(email.buffer, email.byteOffset, Math.min(email.byteLength, mostBytes));
  return recordClaims(pool, await claimsOfMail({ raw, recipients }, createReturnAddresses(keys)));
}
