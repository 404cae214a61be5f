/** The items of inboxes. */
import { sql } from 'drizzle-orm';
import { index, text, uuid } from 'drizzle-orm/pg-core';
import { herald, moment, transactionId } from './columns.ts';

/**
 * One message by the method `inbox`, as its reader has it. No text is stored here: an item is rendered from the
 * message and its template version when it is read. A read item is a seen one as well.
 */
export const inbox = herald.table(
  'inbox',
  {
    messageId: uuid('message_id').primaryKey(),
    recipientId: text('recipient_id').notNull(),
    tenant: text(),
    /** When it came into the inbox: a scheduled message does so when it is due. */
    addedAt: moment('added_at').notNull().defaultNow(),
    seenAt: moment('seen_at'),
    readAt: moment('read_at'),
    archivedAt: moment('archived_at'),
    /**
     * The transaction that added it. What a reader has not seen is told by snapshots, not by times or ids: a
     * transaction that began earlier may commit later.
     */
    addedXid: transactionId('added_xid').notNull().default(sql`pg_current_xact_id()`),
    /** The transaction that added or marked it last. */
    changedXid: transactionId('changed_xid').notNull().default(sql`pg_current_xact_id()`),
  },
  (t) => [
    index('inbox_items').on(t.recipientId, t.addedAt, t.messageId),
    // Both counts are read from this index alone.
    index('inbox_unread')
      .on(t.recipientId, t.tenant, t.seenAt)
      .where(sql`${t.readAt} is null and ${t.archivedAt} is null`),
    // What changed for one reader, and for whom anything changed.
    index('inbox_reader_changes').on(t.recipientId, t.changedXid),
    index('inbox_changes').on(t.changedXid),
  ],
);
