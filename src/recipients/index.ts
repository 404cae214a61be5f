/**
 * `pg-herald/recipients`: the pages on which the recipients of messages unsubscribe and choose what they receive. A
 * separate entry point, so that the library does not load what only these pages need.
 */
export { type Connection, type FetchHandler, nodeListener } from '../node-listener.ts';
export type { LinkOptions } from './links.ts';
export type { RecipientPagesOptions } from './options.ts';
export { createRecipientPages, type RecipientPages } from './pages.ts';
