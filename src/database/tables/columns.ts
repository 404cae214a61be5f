/** The Postgres schema of all tables, and the types of columns that drizzle-orm does not have. */
import { customType, pgSchema, timestamp } from 'drizzle-orm/pg-core';

/** The Postgres schema of all tables. */
export const herald = pgSchema('herald');

/** A column of bytes. */
export const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

/** A column of a moment in time, with its time zone. */
export const moment = (name: string) => timestamp(name, { withTimezone: true });

/** A column of a transaction's id, which is never used twice. */
export const transactionId = customType<{ data: string }>({ dataType: () => 'xid8' });
