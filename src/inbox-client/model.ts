/** The state of a store: what the server said, and on top of it the marks that it has not confirmed. */
import {
  afterChange,
  afterMark,
  afterPage,
  type Change,
  type InboxCounts,
  type InboxFilter,
  type InboxItem,
  type List,
  type Marking,
  type Page,
} from './items.ts';

/** What a store shows at one moment. Never changed; each change makes a new one. */
export interface InboxState extends InboxCounts {
  /**
   * `loading` until the first list is here. `ready`: there is a list. `failed`: there is none, and the store goes on
   * trying. `signed-out`: the server refuses this person (401, 403); the store has stopped until `refresh` is called.
   */
  readonly status: 'loading' | 'ready' | 'failed' | 'signed-out';
  /** The items that are loaded, newest first. An item that has changed is a new object; the others are the same. */
  readonly items: readonly InboxItem[];
  /** Whether the server has older items than those. */
  readonly hasMore: boolean;
  /** Whether older items are being loaded. */
  readonly isLoadingMore: boolean;
  /** Whether changes arrive at once. If not, the store is trying to connect again, or nobody sees the page. */
  readonly isLive: boolean;
}

/** The parts of the state that do not come from the list. */
type Circumstances = Pick<InboxState, 'status' | 'isLoadingMore' | 'isLive'>;

const nothing: List = { items: [], next: null, unread: 0, unseen: 0 };

/** Holds the state and tells who listens. */
export class Model {
  /** The newest snapshot of the database that the list has taken in. */
  token = '';
  /** Stands for the person that the list belongs to; empty before the first list. */
  reader = '';
  state: InboxState = { status: 'loading', ...shown(nothing), isLoadingMore: false, isLive: false };
  /** Grows with everything that the server or another tab says. */
  version = 0;
  readonly listeners = new Set<() => void>();
  readonly #filter: InboxFilter;
  readonly #pending = new Set<Marking>();
  #list = nothing;

  constructor(filter: InboxFilter) {
    this.#filter = filter;
  }

  get next(): string | null {
    return this.#list.next;
  }

  /** Another list in place of this one, from pages that follow each other. */
  replace([first, ...others]: readonly [Page, ...Page[]]): void {
    this.token = first.token;
    this.reader = first.reader;
    this.#heard(others.reduce(afterPage, { items: first.items, next: first.next, ...countsOf(first) }), 'ready');
  }

  append(page: Page): void {
    this.#heard(afterPage(this.#list, page));
  }

  change(change: Change, token: string): void {
    this.token = token;
    this.#heard(afterChange(this.#list, change, this.#filter));
  }

  /** What another tab did. */
  mark(marking: Marking): void {
    this.#heard(afterMark(this.#list, marking, this.#filter));
  }

  /** Shows a mark that the server has not confirmed. */
  expect(marking: Marking): void {
    this.#pending.add(marking);
    this.show();
  }

  /** The server has refused a mark. */
  withdraw(marking: Marking): void {
    this.#pending.delete(marking);
    this.show();
  }

  /** The server has done what was marked. Its counts are null if something newer may have been heard since. */
  confirm(marking: Marking | null, counts: InboxCounts | null): void {
    if (marking !== null) this.#pending.delete(marking);
    const list = marking === null ? this.#list : afterMark(this.#list, marking, this.#filter);
    this.#heard(counts === null ? list : { ...list, ...countsOf(counts) });
  }

  /** Computes the state again, and tells. */
  show(circumstances: Partial<Circumstances> = {}): void {
    const { status, isLoadingMore, isLive } = this.state;
    const list = [...this.#pending].reduce((before, marking) => afterMark(before, marking, this.#filter), this.#list);
    this.state = { status, isLoadingMore, isLive, ...shown(list), ...circumstances };
    for (const listener of this.listeners) listener();
  }

  #heard(list: List, status = this.state.status): void {
    this.#list = list;
    this.version += 1;
    this.show({ status });
  }
}

const countsOf = ({ unread, unseen }: InboxCounts): InboxCounts => ({ unread, unseen });

function shown({ items, next, ...counts }: List): Pick<InboxState, 'items' | 'hasMore' | 'unread' | 'unseen'> {
  return { items, hasMore: next !== null, ...countsOf(counts) };
}
