/** What comes back about messages that were sent. */
import { sql } from 'drizzle-orm';
import { check, index, integer, text, unique, uuid } from 'drizzle-orm/pg-core';
import { herald, moment } from './columns.ts';

/**
 * One report about a message that was sent. A report that names none of our messages, or not the recipient of the
 * message, changes nothing: `unmatched` says why, and the row has no address and no words of strangers.
 */
export const report = herald.table(
  'report',
  {
    id: uuid().primaryKey().defaultRandom(),
    messageId: uuid('message_id'),
    /** `other`: nothing that counts, for example the confirmation of a delivery. */
    kind: text().notNull(),
    /**
     * What it means: `dead` and `soft` are counted against the address, `ours` is our fault, `complaint` and
     * `unsubscribe` are the person's wish, `none` is only recorded.
     */
    effect: text().notNull(),
    /** Why it counts for no message; null if it counts. */
    unmatched: text(),
    /** RFC 3463 code, for example `5.1.1`. */
    statusCode: text('status_code'),
    /** Words of the server that returned the message, redacted. */
    replyText: text('reply_text'),
    /** Host name of the server that reports. */
    reporter: text(),
    /** Domain of the recipient, for metrics. */
    domain: text(),
    /** How it came: `mail`, or a provider such as `ses`. */
    source: text().notNull(),
    /** The source's own id of the report, or a hash: the same report counts once. */
    sourceId: text('source_id').notNull(),
    /** How often it came. */
    times: integer().notNull().default(1),
    at: moment('at').notNull().defaultNow(),
  },
  (t) => [
    check('report_kind', sql`${t.kind} in ('bounce', 'delay', 'complaint', 'unsubscribe', 'other')`),
    check('report_effect', sql`${t.effect} in ('dead', 'soft', 'ours', 'complaint', 'unsubscribe', 'none')`),
    check('report_unmatched', sql`(${t.messageId} is null) = (${t.unmatched} is not null)`),
    unique('report_source').on(t.source, t.sourceId),
    index('report_message').on(t.messageId).where(sql`${t.messageId} is not null`),
    index('report_times').on(t.at),
  ],
);
