/**
 * `pg-herald/testing`: for an application's own tests. Nothing is mocked: `enqueue` applies every real rule
 * (preferences, deduplication, defaults) in the test's own transaction, and the messages are rendered from their
 * template version, so that a broken template fails the test. A rollback removes everything.
 */
export { type CollectingDispatcher, collectingDispatcher } from './dispatcher.ts';
export { type Drained, type DrainOptions, drain } from './drain.ts';
export { inboxOf } from './inbox-of.ts';
export { type MessageFilter, type WrittenMessage, writtenMessages } from './written.ts';
