/**
 * `pg-herald/inbox-client`: a person's inbox in the browser, as a store without a user interface and dependencies.
 * `pg-herald/inbox-client/react` has a hook, `pg-herald/inbox-client/element` a web component.
 */
export type { InboxAction, InboxCounts, InboxFilter, InboxItem, InboxMark } from './items.ts';
export type { InboxState } from './model.ts';
export { InboxError, type InboxErrorDetails } from './requests.ts';
export { createInboxStore, type InboxStore, type InboxStoreOptions } from './store.ts';
