/** The tenants of an application: what differs for the messages of each. */
import { sql } from 'drizzle-orm';
import { check, jsonb, text } from 'drizzle-orm/pg-core';
import { herald, moment } from './columns.ts';

/** A tenant that differs from the application. Messages may name tenants that have no row. */
export const tenant = herald.table(
  'tenant',
  {
    /** What `enqueue` gets as `tenant`. */
    id: text().primaryKey(),
    /** What replaces the brand of the worker, field by field: `{"appName": "...", "color": "#0b5cad"}`. */
    brand: jsonb().notNull().default({}),
    /** Name of the sender (see `smtp`'s `senders`), for templates that name none; null: the first. */
    sender: text(),
    /** Language tag for recipients without one. */
    locale: text(),
    /** IANA name of the time zone for recipients without one. */
    timeZone: text('time_zone'),
    createdAt: moment('created_at').notNull().defaultNow(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (t) => [
    check('tenant_id', sql`length(${t.id}) between 1 and 200`),
    check('tenant_brand', sql`jsonb_typeof(${t.brand}) = 'object'`),
    check('tenant_locale', sql`length(${t.locale}) <= 35`),
    check('tenant_time_zone', sql`length(${t.timeZone}) <= 64`),
  ],
);
