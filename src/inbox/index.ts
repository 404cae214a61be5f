/**
 * `pg-herald/inbox`: the inbox of each reader, in the application's own pages. A separate entry point, so that the
 * library does not load it.
 */
export { type Connection, type FetchHandler, nodeListener } from '../node-listener.ts';
export { createInbox, type Inbox } from './inbox.ts';
export type { Item, ItemCounts, Reader } from './item.ts';
export { createItems, type Items } from './items.ts';
export type { InboxOptions } from './options.ts';
export type { ItemMark, ItemPage, ItemQuery, ItemStatus, Marked, MarkRequest } from './requests.ts';
