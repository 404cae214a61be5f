/** Every change of a preference: what applied when, and who changed it. */
import { sql } from 'drizzle-orm';
import { bigint, boolean, check, index, text } from 'drizzle-orm/pg-core';
import { herald, moment } from './columns.ts';

/** One change. A trigger on `preference` adds the rows; nothing changes them, and only `erase` deletes them. */
export const preferenceHistory = herald.table(
  'preference_history',
  {
    /** In the order of the changes. */
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    recipientId: text('recipient_id').notNull(),
    scope: text().notNull(),
    subject: text().notNull(),
    method: text().notNull(),
    /** Null: the choice was removed, so that the default applied from then on. */
    enabled: boolean(),
    /**
     * `link`: the recipient, by a link in a message. `inbox`: the recipient, signed in. `api`: the application.
     * `operator`: the console or the command line. `report`: a complaint. `import`, and `sql` for everything else.
     */
    changedBy: text('changed_by').notNull(),
    /** Login role of the connection that changed it: `changed_by` is only a claim of whoever called the function. */
    databaseUser: text('database_user').notNull().default(sql`SESSION_USER`),
    at: moment('at').notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    check(
      'preference_history_changed_by',
      sql`${t.changedBy} in ('link', 'inbox', 'api', 'operator', 'report', 'import', 'sql')`,
    ),
    index('preference_history_recipient').on(t.recipientId, t.id),
  ],
);
