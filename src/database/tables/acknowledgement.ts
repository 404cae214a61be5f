/** What recipients acknowledged. */
import { primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { herald, moment } from './columns.ts';

/** A recipient has acknowledged a notification, by whatever method. Deleted with the notification's last message. */
export const acknowledgement = herald.table(
  'acknowledgement',
  {
    notificationId: uuid('notification_id').notNull(),
    recipientId: text('recipient_id').notNull(),
    at: moment('at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.notificationId, t.recipientId] })],
);
