/** What became of an inbox message after it came into the inbox. */
import type { Queryable } from '../database/pool.ts';

/** An inbox message as its reader has it. */
export interface ItemState {
  /** When it came into the inbox. */
  readonly addedAt: Date;
  /** When its reader saw it in a list; null: not yet. */
  readonly seenAt: Date | null;
  /** When its reader read it; null: not yet, or it was marked as unread again. */
  readonly readAt: Date | null;
  /** When its reader archived it; null: it is in the list. */
  readonly archivedAt: Date | null;
}

/** Returns null for other methods, and for a message that is not, or no longer, in an inbox. */
export async function itemStateOf(
  client: Queryable,
  { id, method }: { readonly id: string; readonly method: string },
): Promise<ItemState | null> {
  if (method !== 'inbox') return null;
  const { rows } = await client.query<ItemState>(
    `SELECT added_at AS "addedAt", seen_at AS "seenAt", read_at AS "readAt", archived_at AS "archivedAt"
     FROM herald.inbox WHERE message_id = $1`,
    [id],
  );
  return rows[0] ?? null;
}

/** What its reader did with an item, oldest first. */
export function itemEvents(item: ItemState | null): { readonly at: Date; readonly what: string }[] {
  if (item === null) return [];
  const { addedAt, seenAt, readAt, archivedAt } = item;
  return [
    { at: addedAt, what: 'came into the inbox' },
    ...(seenAt ? [{ at: seenAt, what: 'seen' }] : []),
    ...(readAt ? [{ at: readAt, what: 'read' }] : []),
    ...(archivedAt ? [{ at: archivedAt, what: 'archived' }] : []),
  ];
}

/** What is known of a sent inbox message. */
export function itemText(item: ItemState | null): string {
  if (item === null) return 'Sent: it came into the inbox, and is there no longer.';
  const { seenAt, readAt, archivedAt } = item;
  const state = readAt ? 'read' : seenAt ? 'seen, but not read' : 'not seen yet';
  return `Sent: it is in the inbox, ${state}${archivedAt ? ', and archived' : ''}.`;
}
