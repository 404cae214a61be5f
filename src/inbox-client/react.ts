'use client';

/** `pg-herald/inbox-client/react`: the store in React 18 or newer. */
import { type DetailedHTMLProps, type HTMLAttributes, useSyncExternalStore } from 'react';
import type { HeraldInboxElement } from './element/element.ts';
import type { InboxState } from './model.ts';
import type { InboxStore } from './store.ts';

/** What the web component takes in JSX. */
export type HeraldInboxProps = DetailedHTMLProps<HTMLAttributes<HeraldInboxElement>, HeraldInboxElement> & {
  /** Where the server's inbox is mounted. Default: `/inbox`. */
  readonly url?: string;
  /** What the badge counts. Default: `unread`. */
  readonly badge?: 'unread' | 'unseen';
};

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'herald-inbox': HeraldInboxProps;
    }
  }
}

/** What `useInbox` returns: the state, and what can be done. */
export type Inbox = InboxState & Omit<InboxStore, 'subscribe' | 'getSnapshot'>;

/**
 * Returns the state of a store with its functions, and renders again when the state changes. The store runs while a
 * component that uses it is mounted. Create the store outside of components, or once with `useState`.
 */
export function useInbox(store: InboxStore): Inbox {
  const state = useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot);
  const { subscribe: _, getSnapshot: __, ...actions } = store;
  return { ...state, ...actions };
}
