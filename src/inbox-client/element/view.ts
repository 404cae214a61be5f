/** What the element draws: the bell, its badge and the panel, from the state of a store. */
import type { InboxAction, InboxItem, InboxMark } from '../items.ts';
import type { InboxState } from '../model.ts';
import { InboxError } from '../requests.ts';
import type { InboxStore } from '../store.ts';
import { el, icon, setAttribute, setText } from './dom.ts';
import { Panel } from './panel.ts';
import { styles } from './styles.ts';
import { createTimes } from './times.ts';
import { type InboxWords, isRightToLeft } from './words.ts';

/** What the event `inbox-open` says: which item the person opens, and by which of its actions. */
export interface InboxOpenDetail {
  /** The item. */
  readonly item: InboxItem;
  /** The link that is followed; null if the item has none. */
  readonly action: InboxAction | null;
}

/** The language of a view. */
export interface Speech {
  readonly language: string;
  readonly words: InboxWords;
}

const tickMs = 30_000;
const cutOffMs = 5000;

/** From when the element is in the page, until it is removed or its language changes. */
export class View {
  readonly #host: HTMLElement;
  readonly #root: ShadowRoot;
  readonly #store: InboxStore;
  readonly #words: InboxWords;
  readonly #isRightToLeft: boolean;
  readonly #numbers: Intl.NumberFormat;
  readonly #badge = el('span', { part: 'badge', 'aria-hidden': 'true' });
  readonly #voice = el('div', { class: 'hidden', role: 'status' });
  readonly #bell: HTMLButtonElement;
  readonly #panel: Panel;
  readonly #ended = new AbortController();
  /** The newest item that has been there before; null until there is a list. */
  #newest: string | null = null;
  #failure = '';
  /** Whether the focus was in the list just before it closed. */
  #hadFocus = false;
  #cutOffAt: number | undefined;
  #cutOffTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(host: HTMLElement, store: InboxStore, { language, words }: Speech) {
    this.#host = host;
    this.#store = store;
    this.#words = words;
    this.#isRightToLeft = isRightToLeft(language);
    this.#numbers = new Intl.NumberFormat(language);
    this.#bell = el('button', { part: 'bell', type: 'button', 'aria-haspopup': 'dialog', 'aria-expanded': 'false' });
    this.#bell.append(el('slot', { name: 'icon' }, icon('bell')), this.#badge);
    this.#panel = this.#createPanel(language);
    this.#bell.popoverTargetElement = this.#panel.element;
    this.#root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(styles);
    this.#root.adoptedStyleSheets = [sheet];
    const frame = el('div', { lang: language, dir: this.#isRightToLeft ? 'rtl' : 'ltr' });
    frame.append(this.#bell, this.#panel.element, this.#voice);
    this.#root.replaceChildren(frame);
    this.#listen();
  }

  open(): void {
    if (!this.#panel.isOpen) this.#panel.element.showPopover();
  }

  hide(): void {
    if (this.#panel.isOpen) this.#panel.element.hidePopover();
  }

  /** Draws nothing any more. */
  close(): void {
    this.#ended.abort();
    clearTimeout(this.#cutOffTimer);
    this.#panel.close();
  }

  #createPanel(language: string): Panel {
    const mark = (how: InboxMark, item: InboxItem) =>
      this.#attempt(this.#store.mark(how, item.id), how === 'archived' ? this.#words.archived : '');
    const actions = { mark, open: (item: InboxItem, action: InboxAction | null) => this.#openItem(item, action) };
    return new Panel(
      { words: this.#words, times: createTimes(language), actions },
      {
        markAll: () => this.#markAll(),
        loadMore: () => this.#attempt(this.#store.loadMore()),
        retry: () => void this.#attempt(this.#store.refresh()),
        see: (items) => this.#see(items),
      },
    );
  }

  #listen(): void {
    const { signal } = this.#ended;
    const panel = this.#panel.element;
    const show = () => this.#show(this.#store.getSnapshot());
    signal.addEventListener('abort', this.#store.subscribe(show));
    const timer = setInterval(() => this.#panel.isOpen && this.#panel.tick(), tickMs);
    signal.addEventListener('abort', () => clearInterval(timer));
    panel.addEventListener('beforetoggle', () => (this.#hadFocus = panel.matches(':focus-within')), { signal });
    panel.addEventListener('toggle', () => this.#toggled(), { signal });
    panel.addEventListener('keydown', (event) => this.#key(event), { signal });
    panel.addEventListener('focusout', ({ relatedTarget: to }) => this.#left(to), { signal });
    const place = () => this.#panel.isOpen && this.#place();
    globalThis.addEventListener('resize', place, { signal });
    globalThis.addEventListener('scroll', place, { signal, capture: true, passive: true });
    show();
  }

  #show(state: InboxState): void {
    const count = this.#host.getAttribute('badge') === 'unseen' ? state.unseen : state.unread;
    const { notifications, unread, offline } = this.#words;
    setText(this.#badge, count > 99 ? `${this.#numbers.format(99)}+` : this.#numbers.format(count));
    this.#badge.hidden = count === 0;
    const said = state.unread > 0 ? `, ${unread.replace('{n}', this.#numbers.format(state.unread))}` : '';
    setAttribute(this.#bell, 'aria-label', notifications + said);
    this.#panel.show(state);
    this.#panel.notice(this.#failure || (this.#isCutOff(state) ? offline : ''));
    this.#announce(state);
  }

  /** Whether changes have not arrived for some seconds; a stream that opens again at once is not worth a word. */
  #isCutOff({ status, isLive }: InboxState): boolean {
    if (status === 'ready' && !isLive) {
      this.#cutOffAt ??= Date.now();
      this.#cutOffTimer ??= setTimeout(() => this.#show(this.#store.getSnapshot()), cutOffMs);
      return Date.now() - this.#cutOffAt >= cutOffMs;
    }
    clearTimeout(this.#cutOffTimer);
    this.#cutOffAt = this.#cutOffTimer = undefined;
    return false;
  }

  /** Tells screen readers of an item that has arrived since the list was first there. */
  #announce({ status, items: [first] }: InboxState): void {
    if (status !== 'ready') return;
    const before = this.#newest;
    this.#newest = first === undefined ? (before ?? '') : first.createdAt > (before ?? '') ? first.createdAt : before;
    if (before !== null && first !== undefined && first.createdAt > before && first.readAt === null)
      this.#say(this.#words.arrived.replace('{title}', () => first.title));
  }

  #say(text: string): void {
    setText(this.#voice, text);
  }

  #openItem(item: InboxItem, action: InboxAction | null): boolean {
    if (item.readAt === null) void this.#attempt(this.#store.mark('read', item.id));
    const detail: InboxOpenDetail = { item, action };
    const event = new CustomEvent('inbox-open', { detail, bubbles: true, composed: true, cancelable: true });
    if (this.#host.dispatchEvent(event)) return true;
    this.hide();
    return false;
  }

  #markAll(): void {
    void this.#attempt(this.#store.markAll('read'), this.#words.allRead).then(() => this.#panel.element.focus());
  }

  #see(items: readonly InboxItem[]): void {
    const ids = items.filter(({ seenAt, readAt }) => seenAt === null && readAt === null).map(({ id }) => id);
    // Nobody waits for it: if it fails, the items stay unseen until they come into view again.
    if (ids.length > 0) this.#store.mark('seen', ids).catch(() => undefined);
  }

  /** Shows whether it worked. */
  async #attempt(action: Promise<void>, said = ''): Promise<void> {
    try {
      await action;
      this.#failure = '';
      if (said !== '') this.#say(said);
    } catch (error) {
      if (!(error instanceof InboxError)) throw error;
      this.#failure = this.#words.notDone;
      this.#say(this.#failure);
    }
    if (!this.#ended.signal.aborted) this.#show(this.#store.getSnapshot());
  }

  #toggled(): void {
    const { isOpen } = this.#panel;
    setAttribute(this.#bell, 'aria-expanded', String(isOpen));
    this.#failure = '';
    if (!isOpen && this.#hadFocus) this.#bell.focus({ preventScroll: true });
    if (!isOpen) return;
    this.#place();
    this.#panel.tick();
    this.#show(this.#store.getSnapshot());
    this.#panel.element.focus({ preventScroll: true });
  }

  #place(): void {
    this.#panel.place(this.#bell.getBoundingClientRect(), this.#isRightToLeft);
  }

  #key(event: KeyboardEvent): void {
    if (event.key !== 'ArrowDown' || this.#root.activeElement !== this.#panel.element) return;
    event.preventDefault();
    this.#panel.focusFirst();
  }

  /** Whoever leaves the list by the keyboard has finished with it. */
  #left(to: EventTarget | null): void {
    if (to instanceof Node && !this.#root.contains(to)) this.hide();
  }
}
