/**
 * The tabs of one browser: one of them, which holds a Web Lock, keeps the stream open and passes on what it receives.
 * Without locks or channels each tab has a stream of its own, and nothing is passed on.
 */
import type { InboxMark } from './items.ts';
import type { StreamEvent } from './stream.ts';

/** What one tab tells the others. */
export type TabMessage = { readonly reader: string } & (
  | { readonly kind: 'event'; readonly event: StreamEvent; readonly token: string }
  | { readonly kind: 'mark'; readonly mark: InboxMark; readonly ids: readonly string[]; readonly at: string }
  | { readonly kind: 'live'; readonly isLive: boolean }
  | { readonly kind: 'hello' }
);

/** The other tabs, as one tab sees them. */
export interface Tabs {
  /** Whether the tabs share one stream. */
  readonly areSharing: boolean;
  /** Tells the others; each call reaches every tab that is open. */
  readonly tell: (message: TabMessage) => void;
  /** Runs `work` when no other tab of the same person does so; at once if tabs do not share. Rejects if aborted. */
  readonly lead: (reader: string, signal: AbortSignal, work: () => Promise<void>) => Promise<void>;
  readonly close: () => void;
}

/** Joins the tabs that show the same inbox. */
export function joinTabs(url: string, onMessage: (message: TabMessage) => void): Tabs {
  const name = `pg-herald inbox 1 ${url}`;
  const locks = globalThis.navigator?.locks;
  const channel = locks && globalThis.BroadcastChannel ? new BroadcastChannel(name) : undefined;
  if (channel) channel.onmessage = ({ data }: MessageEvent<TabMessage>) => onMessage(data);
  return {
    areSharing: channel !== undefined,
    tell: (message) => channel?.postMessage(message),
    lead: async (reader, signal, work) => {
      if (channel) await locks.request(`${name} ${reader}`, { signal }, work);
      else await work();
    },
    close: () => channel?.close(),
  };
}
