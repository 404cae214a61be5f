/**
 * Makes Drizzle's SQL objects for callers who pass a Drizzle transaction. Drizzle is an optional peer, and its entry
 * alone costs more memory than the rest of the library, so only its `sql` is loaded, when it is needed.
 */
import { optionalPackage } from '../optional-package.ts';

/** Drizzle's `sql` or a query of its builder. */
export interface DrizzleQuery {
  /** Drizzle's own representation of the query. */
  getSQL(): unknown;
}

/** A text that is part of a statement, a value to bind, or a whole query. */
export type SqlPart = { readonly text: string } | { readonly value: string | null } | DrizzleQuery;

/**
 * Joins the parts, so that Drizzle numbers and binds the values.
 * @throws {ConfigurationError} if drizzle-orm is not installed.
 */
export async function joinSql(parts: readonly SqlPart[]): Promise<DrizzleQuery> {
  const { sql } = await optionalPackage(() => import('drizzle-orm/sql'), 'drizzle-orm', 'a Drizzle transaction');
  const chunks = parts.map((part) => {
    if ('text' in part) return sql.raw(part.text);
    return 'value' in part ? sql`${part.value}` : sql`${part}`;
  });
  return sql.join(chunks, sql.raw(''));
}
