/** What the open streams ask of the database: two statements, whatever their number. */
import type { Pool } from 'pg';
import type { ItemCounts, ItemSource } from '../item.ts';

/** For whom anything changed. */
export interface Changed {
  /** The snapshot of the answer. */
  readonly token: string;
  /** Null: for too many to name, or the last token cannot be used. */
  readonly recipientIds: readonly string[] | null;
}

/** The pool is the application's, and a connection that went silent would stop all streams for minutes. */
const queryTimeoutMs = 10_000;

const bounded = (text: string, values: unknown[]) => ({ text, values, query_timeout: queryTimeoutMs });

/** Asks for whom anything changed since the token. */
export async function readChanged(pool: Pool, since: string | null): Promise<Changed> {
  const { rows } = await pool.query<{ token: string; recipient_ids: string[] | null }>(
    bounded('SELECT token, recipient_ids FROM herald.inbox_changed($1)', [since]),
  );
  const [row] = rows;
  if (row === undefined) throw new Error('herald.inbox_changed returned nothing');
  return { token: row.token, recipientIds: row.recipient_ids };
}

/** What one reader was not told since a token. */
export interface News extends ItemCounts {
  readonly token: string;
  /** Null: fetch the list again. */
  readonly sources: readonly ItemSource[] | null;
}

/** A reader and what they were told; a null token: nothing, and only the counts matter. */
export interface Told {
  readonly recipientId: string;
  readonly tenant: string | null;
  readonly token: string | null;
}

/** Asks for the news of several readers, in their order. */
export async function readNews(pool: Pool, readers: readonly Told[]): Promise<News[]> {
  const { rows } = await pool.query<{ token: string; unread: string; unseen: string; items: string | null }>(
    bounded('SELECT token, unread::text, unseen::text, items::text FROM herald.inbox_news($1, $2, $3)', [
      readers.map((one) => one.recipientId),
      readers.map((one) => one.tenant),
      readers.map((one) => one.token),
    ]),
  );
  return rows.map(({ token, unread, unseen, items }) => ({
    token,
    unread: Number(unread),
    unseen: Number(unseen),
    sources: items === null ? null : (JSON.parse(items) as ItemSource[]),
  }));
}
