/** The list of items: each drawn once and moved only if it must, so that focus, selection and scrolling stay. */
import type { InboxItem } from '../items.ts';
import { el } from './dom.ts';
import { Row, type RowSettings } from './row.ts';

/** The elements of the list. */
export class ListView {
  readonly element: HTMLUListElement;
  readonly #settings: RowSettings;
  readonly #rows = new Map<string, Row>();
  readonly #watch: IntersectionObserver;

  /** `onSeen` is called with items that have come into view. */
  constructor(settings: RowSettings, onSeen: (items: readonly InboxItem[]) => void) {
    this.#settings = settings;
    // Safari takes the list for no list if its style is `none`.
    this.element = el('ul', { part: 'list', role: 'list', keydown: (event) => this.#move(event as KeyboardEvent) });
    this.#watch = new IntersectionObserver((entries) => {
      const visible = new Set(entries.filter(({ isIntersecting }) => isIntersecting).map(({ target }) => target));
      const rows = [...this.#rows.values()].filter(({ element }) => visible.has(element));
      if (rows.length > 0) onSeen(rows.map(({ item }) => item));
    });
  }

  show(items: readonly InboxItem[]): void {
    const ids = new Set(items.map(({ id }) => id));
    for (const [id, row] of this.#rows) if (!ids.has(id)) this.#remove(id, row);
    let at = this.element.firstElementChild;
    for (const item of items) {
      const { element } = this.#rowOf(item);
      if (element === at) at = element.nextElementSibling;
      else this.element.insertBefore(element, at);
    }
  }

  /** Focuses the item at this place, the last one if there are fewer. */
  focus(index: number): void {
    const items = [...this.#rows.values()];
    const element = this.element.children[Math.min(index, items.length - 1)];
    items.find((row) => row.element === element)?.control.focus();
  }

  tick(): void {
    for (const row of this.#rows.values()) row.tick();
  }

  close(): void {
    this.#watch.disconnect();
  }

  #rowOf(item: InboxItem): Row {
    const known = this.#rows.get(item.id);
    known?.update(item);
    if (known) return known;
    const row = new Row(item, this.#settings);
    this.#rows.set(item.id, row);
    this.#watch.observe(row.element);
    return row;
  }

  /** If the focus was in it, the next item has it then. */
  #remove(id: string, { element }: Row): void {
    const index = element.matches(':focus-within') ? [...this.element.children].indexOf(element) : -1;
    this.#watch.unobserve(element);
    this.#rows.delete(id);
    element.remove();
    if (index >= 0) this.focus(index);
  }

  #move(event: KeyboardEvent): void {
    const elements = [...this.element.children];
    const index = elements.findIndex((element) => element.matches(':focus-within'));
    const to = { ArrowDown: index + 1, ArrowUp: Math.max(0, index - 1), Home: 0, End: elements.length - 1 }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.focus(to);
  }
}
