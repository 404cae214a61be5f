/** The tables of the example's host application: an ordinary Drizzle schema that knows nothing of pg-herald. */
import { pgSchema, text, timestamp } from 'drizzle-orm/pg-core';

export const application = pgSchema('example');

export const owner = application.table('owner', {
  id: text().primaryKey(),
  name: text().notNull(),
  email: text().notNull(),
});

export const workspace = application.table('workspace', {
  id: text().primaryKey(),
  name: text().notNull(),
  ownerId: text('owner_id')
    .notNull()
    .references(() => owner.id),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
});
