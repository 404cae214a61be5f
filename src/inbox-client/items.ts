/** What the server says about a person's inbox, and pure functions on it: a list after an event, a page or a mark. */

/** One notification in a person's inbox, rendered in the reader's language. */
export interface InboxItem {
  /** Id of the message. */
  readonly id: string;
  /** Name of the template. */
  readonly template: string;
  /** The template's group. */
  readonly group: string;
  /** One line of plain text. */
  readonly title: string;
  /** The body as plain text. */
  readonly text: string;
  /** The body as an HTML fragment without scripts or styles, every value in it escaped. */
  readonly html: string;
  /** Buttons: a label, and an absolute `https:`, `http:` or `mailto:` URL. */
  readonly actions: readonly InboxAction[];
  /** Ids of the things that the notification is about. */
  readonly targets: readonly string[];
  /** BCP 47 tag of the language of the texts. */
  readonly language: string;
  /** Direction of that language. */
  readonly direction: 'ltr' | 'rtl';
  /** When it came into the inbox: ISO 8601 in UTC. Lists are sorted by it, the newest first. */
  readonly createdAt: string;
  /** When the person first saw it; null if not yet. */
  readonly seenAt: string | null;
  /** When the person read it; null if it is unread. */
  readonly readAt: string | null;
  /** When the person archived it; null if it is not archived. */
  readonly archivedAt: string | null;
}

/** A button or link of an item. */
export interface InboxAction {
  /** One line of plain text. */
  readonly label: string;
  /** Absolute `https:`, `http:` or `mailto:` URL. */
  readonly url: string;
}

/** Exact numbers, whatever the number of items that are loaded. Archived items count in neither. */
export interface InboxCounts {
  /** Items that are not read. */
  readonly unread: number;
  /** Items that are neither seen nor read. */
  readonly unseen: number;
}

/** What a person does to items. */
export type InboxMark = 'seen' | 'read' | 'unread' | 'archived' | 'unarchived';

/** Which items a store lists. */
export interface InboxFilter {
  /** `inbox`, the default, is everything that is not archived. */
  readonly status?: 'inbox' | 'unread' | 'read' | 'archived';
  /** Only items of this template. */
  readonly template?: string;
  /** Only items of this group. */
  readonly group?: string;
}

/** A page of the list, as `GET /items` returns it. */
export interface Page extends InboxCounts {
  readonly items: readonly InboxItem[];
  readonly next: string | null;
  /** The snapshot of the database that the page was read in. */
  readonly token: string;
  /** Stands for the person: the same in every answer to the same person, and different for others. */
  readonly reader: string;
}

/** What an event of the stream says. */
export interface Change extends InboxCounts {
  readonly items: readonly InboxItem[];
  /** As in a page. */
  readonly reader: string;
}

/** What is known: the pages that were loaded, with every event since. */
export interface List extends InboxCounts {
  readonly items: readonly InboxItem[];
  readonly next: string | null;
}

/** A mark of items that are named. */
export interface Marking {
  readonly mark: InboxMark;
  readonly ids: ReadonlySet<string>;
  readonly at: string;
}

/** Whether a list with this filter has the item. */
export function isListed(item: InboxItem, { status = 'inbox', template, group }: InboxFilter): boolean {
  if (template !== undefined && item.template !== template) return false;
  if (group !== undefined && item.group !== group) return false;
  if (status === 'archived') return item.archivedAt !== null;
  if (item.archivedAt !== null) return false;
  return status === 'inbox' || (status === 'read') === (item.readAt !== null);
}

/** The list after items have changed or arrived. An item that belongs to a page that is not loaded stays out. */
export function afterChange(list: List, { items, unread, unseen }: Change, filter: InboxFilter): List {
  const fresh = new Map(items.map((item) => [item.id, item]));
  const last = list.items.at(-1);
  const loaded = list.items.flatMap((item) => {
    const now = fresh.get(item.id) ?? item;
    fresh.delete(item.id);
    return isListed(now, filter) ? [now] : [];
  });
  const arrived = [...fresh.values()].filter(
    (item) => isListed(item, filter) && (list.next === null || last === undefined || byNewest(item, last) < 0),
  );
  return { ...list, items: arrived.length > 0 ? [...loaded, ...arrived].sort(byNewest) : loaded, unread, unseen };
}

/** The list with one more page at its end. */
export function afterPage(list: List, { items, next, unread, unseen }: Page): List {
  const known = new Set(list.items.map(({ id }) => id));
  return { items: [...list.items, ...items.filter(({ id }) => !known.has(id))], next, unread, unseen };
}

/** The list after items have been marked; the counts follow as far as the items are loaded. */
export function afterMark(list: List, { mark, ids, at }: Marking, filter: InboxFilter): List {
  let { unread, unseen } = list;
  const items = list.items.flatMap((item) => {
    if (!ids.has(item.id)) return [item];
    const now = { ...item, ...changeOf(mark, item, at) };
    unread += Number(isUnread(now)) - Number(isUnread(item));
    unseen += Number(isUnseen(now)) - Number(isUnseen(item));
    return isListed(now, filter) ? [now] : [];
  });
  return { ...list, items, unread: Math.max(0, unread), unseen: Math.max(0, unseen) };
}

const isUnread = ({ readAt, archivedAt }: InboxItem) => readAt === null && archivedAt === null;
const isUnseen = (item: InboxItem) => isUnread(item) && item.seenAt === null;

function changeOf(mark: InboxMark, { seenAt, readAt, archivedAt }: InboxItem, at: string): Partial<InboxItem> {
  if (mark === 'seen') return { seenAt: seenAt ?? at };
  if (mark === 'read') return { seenAt: seenAt ?? at, readAt: readAt ?? at };
  if (mark === 'unread') return { readAt: null };
  return { archivedAt: mark === 'archived' ? (archivedAt ?? at) : null };
}

function byNewest(a: InboxItem, b: InboxItem): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? 1 : -1;
  return a.id < b.id ? 1 : -1;
}
