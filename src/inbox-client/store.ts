/** The store: a person's inbox in the browser, kept up to date while somebody listens. */
import { watchAttention } from './attention.ts';
import type { InboxCounts, InboxFilter, InboxMark } from './items.ts';
import { ListLoader } from './list-loader.ts';
import { type InboxState, Model } from './model.ts';
import { createAlarm } from './pauses.ts';
import { createRequests, InboxError, type MarkedItems, type Requests } from './requests.ts';
import { Session } from './session.ts';
import { joinTabs, type TabMessage, type Tabs } from './tabs.ts';

/** Options of `createInboxStore`. */
export interface InboxStoreOptions {
  /** Where the server's inbox is mounted, on this origin. Default: `/inbox`. */
  readonly url?: string;
  /** Which items to list. Default: all that are not archived. The counts are always those of the whole inbox. */
  readonly filter?: InboxFilter;
  /** Sends the requests, for example with a header of yours. Default: the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
}

/**
 * A person's inbox. It loads and follows the inbox while it has subscribers and somebody can see the page, and closes
 * its stream when the page has been hidden for a minute. Its functions can be used apart from it.
 */
export interface InboxStore {
  /** Calls the listener after each change of the state, and keeps the store running. Returns what ends that. */
  readonly subscribe: (listener: () => void) => () => void;
  /** Returns the state; the same object until something changes. */
  readonly getSnapshot: () => InboxState;
  /**
   * Loads older items, 20 at most.
   *
   * @throws {InboxError} if the server refuses or cannot be reached.
   */
  readonly loadMore: () => Promise<void>;
  /**
   * Loads the list again, and starts again after a sign-out or while the store waits for its next try.
   *
   * @throws {InboxError} if the server refuses or cannot be reached.
   */
  readonly refresh: () => Promise<void>;
  /**
   * Marks the items with these ids, 1,000 at most. The state shows it at once, and takes it back if the server refuses.
   *
   * @throws {InboxError} if the server refuses or cannot be reached.
   */
  readonly mark: (mark: InboxMark, ids: string | readonly string[]) => Promise<void>;
  /**
   * Marks everything in the inbox as it was when this list was loaded or last changed, also on pages that are not
   * loaded. What arrived since stays as it is. A filter by template or group holds here, too.
   *
   * @throws {InboxError} if the server refuses or cannot be reached. With the code `reload` the list was too old, or
   * another person has signed in; it has been loaded again, and the person should look at it first.
   */
  readonly markAll: (mark: InboxMark) => Promise<void>;
  /**
   * Marks everything about one thing: "read on another page".
   *
   * @throws {InboxError} if the server refuses or cannot be reached.
   */
  readonly markTarget: (mark: InboxMark, target: string) => Promise<void>;
}

/** Creates a store. It does nothing before its first subscriber, so a module may hold it, on a server as well. */
export function createInboxStore(options: InboxStoreOptions = {}): InboxStore {
  const store = new Store(options);
  return {
    subscribe: (listener) => store.subscribe(listener),
    getSnapshot: () => store.model.state,
    loadMore: () => store.loadMore(),
    refresh: () => store.refresh(),
    mark: (mark, ids) => store.mark(mark, typeof ids === 'string' ? [ids] : ids),
    markAll: (mark) => store.markAll(mark),
    markTarget: (mark, target) => store.markTarget(mark, target),
  };
}

const hiddenMs = 60_000;
/** Browsers open six connections per server over HTTP/1.1, so tabs that share no stream must not keep one unseen. */
const hiddenAloneMs = 2000;
/** A page that shows the inbox in another place unsubscribes and subscribes again. */
const idleMs = 1000;

class Store {
  readonly model: Model;
  readonly #url: string;
  readonly #filter: InboxFilter;
  readonly #requests: Requests;
  readonly #loader: ListLoader;
  readonly #alarm = createAlarm();
  #tabs: Tabs | undefined;
  #session: Session | undefined;
  #stopWatching: (() => void) | undefined;
  #isAwake = false;
  #idle: ReturnType<typeof setTimeout> | undefined;
  #lastMark: Promise<unknown> = Promise.resolve();

  constructor({
    url = '/inbox',
    filter = {},
    fetch = (...request) => globalThis.fetch(...request),
  }: InboxStoreOptions) {
    this.#url = url.replace(/\/$/, '');
    this.#filter = filter;
    this.model = new Model(filter);
    this.#requests = createRequests(this.#url, filter, fetch);
    this.#loader = new ListLoader(this.model, this.#requests);
  }

  subscribe(listener: () => void): () => void {
    const { listeners } = this.model;
    const own = () => listener();
    listeners.add(own);
    clearTimeout(this.#idle);
    if (this.#tabs === undefined) this.#start();
    return () => {
      if (!listeners.delete(own) || listeners.size > 0) return;
      clearTimeout(this.#idle);
      this.#idle = setTimeout(() => this.#stop(), idleMs);
    };
  }

  async refresh(): Promise<void> {
    this.#alarm.wake();
    await this.#load();
    if (this.#isAwake && this.#session?.isOver) this.#begin();
  }

  async loadMore(): Promise<void> {
    if (this.model.state.isLoadingMore) return;
    this.model.show({ isLoadingMore: true });
    await this.#checked(this.#loader.loadMore()).finally(() => this.model.show({ isLoadingMore: false }));
  }

  async mark(mark: InboxMark, ids: readonly string[]): Promise<void> {
    const marking = { mark, ids: new Set(ids), at: new Date().toISOString() };
    this.model.expect(marking);
    try {
      this.model.confirm(marking, await this.#send(mark, { ids }));
    } catch (error) {
      this.model.withdraw(marking);
      throw error;
    }
    this.#tabs?.tell({ kind: 'mark', reader: this.model.reader, mark, ids, at: marking.at });
  }

  async markAll(mark: InboxMark): Promise<void> {
    const { status: _, ...part } = this.#filter;
    await this.#markMany(mark, { asOf: this.model.token, ...part });
  }

  markTarget(mark: InboxMark, target: string): Promise<void> {
    return this.#markMany(mark, { target });
  }

  async #markMany(mark: InboxMark, items: MarkedItems): Promise<void> {
    this.model.confirm(null, await this.#send(mark, items));
    // Which items were marked is not known here; other tabs hear of it from the stream.
    if (this.#session !== undefined) await this.#load();
  }

  /** Loads the list again; if it is another person's, the stream begins again as well. */
  async #load(): Promise<void> {
    const { reader } = this.model;
    await this.#checked(this.#loader.refresh());
    if (reader !== '' && reader !== this.model.reader && this.#session?.isOver === false) this.#begin();
  }

  /** Sends marks one after the other. Returns the counts, or null if something newer may have been heard meanwhile. */
  #send(mark: InboxMark, items: MarkedItems): Promise<InboxCounts | null> {
    // The person whose list it is: a mark before this one may find out that somebody else has signed in.
    const { reader } = this.model;
    const sent = this.#lastMark.then(async () => {
      const { version } = this.model;
      const counts = await this.#checked(this.#requests.mark(mark, items, reader)).catch(async (error: unknown) => {
        if (error instanceof InboxError && error.code === 'reload') await this.#load();
        throw error;
      });
      return version === this.model.version ? counts : null;
    });
    this.#lastMark = sent.catch(() => undefined);
    return sent;
  }

  async #checked<T>(request: Promise<T>): Promise<T> {
    try {
      return await request;
    } catch (error) {
      this.#session?.check(error);
      throw error;
    }
  }

  #start(): void {
    this.#tabs = joinTabs(this.#url, (message) => this.#hear(message));
    this.#stopWatching = watchAttention(this.#tabs.areSharing ? hiddenMs : hiddenAloneMs, (isAwake) => {
      this.#isAwake = isAwake;
      if (!isAwake) this.#session?.end();
      else if (this.#session?.isOver !== false && this.model.state.status !== 'signed-out') this.#begin();
    });
  }

  #begin(): void {
    const { model, tabs } = { model: this.model, tabs: this.#tabs };
    if (tabs === undefined) return;
    this.#session?.end();
    const [loader, requests, alarm] = [this.#loader, this.#requests, this.#alarm];
    this.#session = new Session({ model, loader, requests, tabs, alarm, onOtherReader: () => this.#begin() });
  }

  #hear(message: TabMessage): void {
    const { model } = this;
    const session = this.#session;
    if (session === undefined || session.isOver) return;
    // Before the first list this tab does not know whose inbox it will be; events say so themselves.
    if (message.kind === 'event' && model.reader === '') return session.take(message.event, message.token);
    if (message.reader !== model.reader) return;
    if (message.kind === 'event') session.take(message.event, message.token);
    else if (message.kind === 'live') model.show({ isLive: message.isLive });
    else if (message.kind === 'hello') session.welcome();
    else model.mark({ mark: message.mark, ids: new Set(message.ids), at: message.at });
  }

  #stop(): void {
    this.#stopWatching?.();
    this.#session?.end();
    this.#tabs?.close();
    this.#isAwake = false;
    this.#session = this.#tabs = undefined;
  }
}
