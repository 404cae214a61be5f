/** The files of a notification, read when one of its messages goes out. */
import type { Database } from '../database/statements.ts';
import type { Attachment } from '../vocabulary.ts';

const statement = {
  name: 'herald.attachments',
  text: 'SELECT name, content_type AS "contentType", content FROM herald.attachment WHERE notification_id = $1 ORDER BY position',
};

/** Rejects when the database is away. */
export function attachmentsOf(database: Database, notificationId: string): Promise<Attachment[]> {
  return database.run<Attachment>(statement, [notificationId]);
}
