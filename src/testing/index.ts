/**
 * For an application's own tests. Nothing is faked: enqueue runs every real decision (preferences, dedupe, defaults) in
 * the test's own transaction, and what comes back is rendered from the pinned template version, so that a broken
 * template fails the test. Roll the transaction back and nothing was there.
 */
export { type CollectingDispatcher, collectingDispatcher } from './dispatcher.ts';
export { type Drained, type DrainOptions, drain } from './drain.ts';
export { type MessageFilter, type WrittenMessage, writtenMessages } from './written.ts';
