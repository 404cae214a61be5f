/** Quiet hours: when messages may reach a person. */
import { sql } from 'drizzle-orm';
import { check, integer, jsonb, primaryKey, text } from 'drizzle-orm/pg-core';
import { herald, moment } from './columns.ts';

/**
 * The hours in which a recipient, the recipients of a tenant, or all recipients may be reached. The most specific row
 * decides. Written by `herald.set_hours`, which checks the windows and computes the seconds.
 */
export const hours = herald.table(
  'hours',
  {
    /** `recipient`, `tenant`, or `all` with an empty subject. */
    scope: text().notNull(),
    subject: text().notNull(),
    /** Time zone; null: the recipient's, then that of a less specific row, then UTC. */
    zone: text(),
    /** Open windows: `[{"days": "mon-fri", "from": "08:00", "to": "20:00"}]`. */
    windows: jsonb().notNull(),
    /** Seconds of the week, from Monday 00:00, at which a window begins: sorted, and without overlaps. */
    opens: integer().array().notNull(),
    /** Seconds of the week at which the same window ends. */
    closes: integer().array().notNull(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.scope, t.subject] }),
    check('hours_scope', sql`${t.scope} in ('recipient', 'tenant', 'all')`),
    check('hours_subject', sql`(${t.scope} = 'all') = (${t.subject} = '')`),
  ],
);
