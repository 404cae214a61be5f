/** Reads an inbox within a test's transaction. */
import type { Connection } from '../database/caller-transaction.ts';
import type { ItemPage, ItemQuery } from '../inbox/requests.ts';
import { createItems } from '../inbox/items.ts';
import type { Brand } from '../vocabulary.ts';
import { testBrand } from './written.ts';

/**
 * Returns the newest items of a recipient's inbox and the exact counts, as the recipient sees them in this transaction.
 * Scheduled items come into it with `drain(tx, { scheduled: true })`.
 *
 * @throws {InvalidNotificationError} if the query is wrong.
 */
export function inboxOf(
  tx: Connection,
  { brand = testBrand, ...query }: ItemQuery & { readonly brand?: Brand },
): Promise<ItemPage> {
  return createItems({ brand }).list(tx, query);
}
