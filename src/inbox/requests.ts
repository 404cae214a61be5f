/** What may be asked of an inbox, and what it returns. Types only. */
import type { Item, ItemCounts, Reader } from './item.ts';

/** Which items of a list: `inbox` is all but the archived ones. */
export type ItemStatus = 'inbox' | 'unread' | 'read' | 'archived';

/** Which items a page has. All conditions must hold. */
export interface ItemQuery extends Reader {
  /** Default: `inbox`. */
  readonly status?: ItemStatus | undefined;
  /** Name of the template. */
  readonly template?: string | undefined;
  /** Group of the template. */
  readonly group?: string | undefined;
  /** One of the ids of what they are about. */
  readonly target?: string | undefined;
  /** The `next` of the page before, for the same conditions. Default: the first page. */
  readonly cursor?: string | undefined;
  /** Items per page, 1 to 50; default 20. */
  readonly limit?: number | undefined;
}

/** One page of a reader's items, and the counts, all of one snapshot. */
export interface ItemPage extends ItemCounts {
  /** Newest first. */
  readonly items: readonly Item[];
  /** Cursor of the next page; null: this is the last one. */
  readonly next: string | null;
  /** The snapshot that the page was read in, for `asOf` of a mark and as the start of a stream. Valid for a day. */
  readonly token: string;
}

/** What an item may be marked as. `read` implies seen; `unread` leaves it seen. */
export type ItemMark = 'seen' | 'read' | 'unread' | 'archived' | 'unarchived';

/** Which items to mark: exactly one of `ids`, `target` and `asOf`. */
export interface MarkRequest extends Reader {
  /** The new state. */
  readonly as: ItemMark;
  /** Ids of items, 1,000 at most. Those of other readers are left alone. */
  readonly ids?: readonly string[] | undefined;
  /** Everything about this thing, for example when its page is opened. */
  readonly target?: string | undefined;
  /**
   * The token of a list: everything that it saw, on all its pages, but nothing that arrived or was committed since.
   * Archived items stay as they are, unless `as` is `unarchived`.
   */
  readonly asOf?: string | undefined;
  /** With `asOf`: only items of this template. */
  readonly template?: string | undefined;
  /** With `asOf`: only items of templates of this group. */
  readonly group?: string | undefined;
}

/** What a mark did, and the counts after it. */
export interface Marked extends ItemCounts {
  /** Items that changed. */
  readonly changed: number;
  /** Later messages of the same notifications that became needless and are cancelled. */
  readonly cancelled: number;
  /** True: the token of `asOf` is of another database or older than a day, and nothing was marked. */
  readonly reload: boolean;
}
