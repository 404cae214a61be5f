/** `<herald-inbox>`: a bell with the number of unread notifications, and their list. */
import { createInboxStore, type InboxStore } from '../store.ts';
import { View } from './view.ts';
import { inboxWords, type InboxWords } from './words.ts';

/** On a server, where the module is loaded to render pages, there are no elements. */
const Base: typeof HTMLElement = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/**
 * The element. Attributes: `url`, where the server's inbox is mounted (default `/inbox`); `badge`, either `unread` (the
 * default) or `unseen`; `lang`, if it differs from the page's. Fires the cancelable event `inbox-open` before it
 * follows a link.
 */
export class HeraldInboxElement extends Base {
  /** The attributes that matter. */
  static readonly observedAttributes = ['url', 'badge', 'lang'];

  #store: InboxStore | null = null;
  #words: Partial<InboxWords> = {};
  #view: View | null = null;

  /** The store. Default: one of its own, for `url`. Give one that several elements or other parts of the page use. */
  get store(): InboxStore {
    this.#store ??= createInboxStore({ url: this.getAttribute('url') ?? '/inbox' });
    return this.#store;
  }
  /** Shows another store. */
  set store(store: InboxStore) {
    this.#store = store;
    this.#draw();
  }

  /** Words of the application in place of the element's. */
  get words(): Partial<InboxWords> {
    return this.#words;
  }
  /** Replaces some of them. */
  set words(words: Partial<InboxWords>) {
    this.#words = words;
    this.#draw();
  }

  /** Opens the list. */
  open(): void {
    this.#view?.open();
  }

  /** Closes the list. */
  close(): void {
    this.#view?.hide();
  }

  /** Called by the browser. */
  connectedCallback(): void {
    this.#draw();
  }

  /** Called by the browser. */
  disconnectedCallback(): void {
    this.#view?.close();
    this.#view = null;
  }

  /** Called by the browser. */
  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (before === now) return;
    if (name === 'url') this.#store = null;
    this.#draw();
  }

  #draw(): void {
    if (!this.isConnected) return;
    this.#view?.close();
    const tag = this.closest<HTMLElement>('[lang]')?.lang || navigator.language;
    const { language, words } = inboxWords(tag);
    this.#view = new View(this, this.store, { language, words: { ...words, ...this.#words } });
  }
}
