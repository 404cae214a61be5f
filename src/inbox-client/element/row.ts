/** One item of the list. */
import type { InboxAction, InboxItem } from '../items.ts';
import { el, icon, setAttribute, setText } from './dom.ts';
import type { Times } from './times.ts';
import type { InboxWords } from './words.ts';

/** What a row asks for. */
export interface RowActions {
  /** The person follows the item's link, or another one of its actions. Returns false if the page follows it itself. */
  readonly open: (item: InboxItem, action: InboxAction | null) => boolean;
  readonly mark: (mark: 'read' | 'unread' | 'archived', item: InboxItem) => void;
}

/** What all rows of a list share. */
export interface RowSettings {
  readonly words: InboxWords;
  readonly times: Times;
  readonly actions: RowActions;
}

/** A text that is longer is shown in part. */
const longText = { characters: 160, lines: 3 };

/** Draws an item, and draws it again when it has changed, in the same elements, so that the focus stays. */
export class Row {
  readonly element: HTMLLIElement;
  item: InboxItem;
  readonly #settings: RowSettings;
  readonly #heading = el('h3');
  readonly #flag = el('span', { class: 'hidden' });
  readonly #text = el('p', { part: 'text' });
  readonly #time = el('time', { part: 'time' });
  readonly #actions = el('div', { part: 'actions' });
  readonly #title: HTMLAnchorElement | HTMLButtonElement;
  readonly #mark: HTMLButtonElement;
  readonly #all: HTMLButtonElement;

  constructor(item: InboxItem, settings: RowSettings) {
    const { words, actions } = settings;
    this.item = item;
    this.#settings = settings;
    const id = `title-${item.id}`;
    this.#title = el(item.actions[0] ? 'a' : 'button', {
      part: 'title',
      id,
      click: (event) => this.#open(event, this.item.actions[0] ?? null),
    });
    if (this.#title instanceof HTMLButtonElement) this.#title.type = 'button';
    this.#mark = el('button', {
      part: 'mark',
      type: 'button',
      'aria-describedby': id,
      click: () => actions.mark(this.item.readAt === null ? 'read' : 'unread', this.item),
    });
    this.#all = el('button', {
      part: 'show-all',
      type: 'button',
      'aria-describedby': id,
      click: () => this.#showAll(),
    });
    setText(this.#all, words.showAll);
    const archive = el('button', {
      ...{ part: 'archive', type: 'button', 'aria-label': words.archive, title: words.archive, 'aria-describedby': id },
      click: () => actions.mark('archived', this.item),
    });
    archive.append(icon('archive'));
    this.#heading.append(this.#flag, this.#title);
    const content = el('div', { class: 'content' }, this.#heading, this.#text, this.#all, this.#actions, this.#time);
    this.element = el('li', {}, content, el('div', { class: 'tools' }, this.#mark, archive));
    this.#draw();
  }

  /** The control that arrow keys move to. */
  get control(): HTMLElement {
    return this.#title;
  }

  update(item: InboxItem): void {
    if (item === this.item) return;
    this.item = item;
    this.#draw();
  }

  /** Shows how long ago it was. */
  tick(): void {
    setText(this.#time, this.#settings.times.ago(new Date(this.item.createdAt)));
  }

  #draw(): void {
    const { item } = this;
    const { words, times } = this.#settings;
    const isUnread = item.readAt === null;
    setAttribute(this.element, 'part', isUnread ? 'item item-unread' : 'item');
    setAttribute(this.element, 'class', isUnread ? 'unread' : null);
    setText(this.#flag, isUnread ? `${words.isUnread}: ` : '');
    setText(this.#title, item.title);
    // Paragraphs follow each other without an empty line.
    const text = item.text.trim().replace(/\n{2,}/g, '\n');
    setText(this.#text, text);
    for (const element of [this.#title, this.#text, this.#actions]) setAttribute(element, 'lang', item.language);
    for (const element of [this.#heading, this.#text, this.#actions]) setAttribute(element, 'dir', item.direction);
    setAttribute(this.#title, 'href', safeUrl(item.actions[0]));
    const isLong = text.length > longText.characters || text.split('\n').length > longText.lines;
    this.#all.hidden = !isLong || !this.#text.classList.toggle('cut', isLong);
    this.#drawMark(isUnread ? words.markRead : words.markUnread, isUnread);
    this.#drawActions();
    setAttribute(this.#time, 'datetime', item.createdAt);
    setAttribute(this.#time, 'title', times.exact(new Date(item.createdAt)));
    this.tick();
  }

  #drawMark(label: string, isUnread: boolean): void {
    if (this.#mark.title === label) return;
    this.#mark.title = label;
    setAttribute(this.#mark, 'aria-label', label);
    this.#mark.replaceChildren(icon(isUnread ? 'check' : 'undo'));
  }

  #drawActions(): void {
    const { actions } = this.item;
    const shown = [...this.#actions.children].map((link) => `${link.textContent} ${link.getAttribute('href')}`);
    if (shown.join('\n') === actions.map((action) => `${action.label} ${safeUrl(action)}`).join('\n')) return;
    this.#actions.replaceChildren(
      ...actions.map((action) => {
        const click = (event: Event) => this.#open(event, action);
        return el('a', { part: 'action', href: safeUrl(action), click }, action.label);
      }),
    );
  }

  #open(event: Event, action: InboxAction | null): void {
    if (!this.#settings.actions.open(this.item, action)) event.preventDefault();
  }

  #showAll(): void {
    this.#text.classList.remove('cut');
    this.#all.hidden = true;
    this.#title.focus();
  }
}

/** The server sends no others; what is displayed must not run. */
function safeUrl(action: InboxAction | undefined): string | null {
  return action !== undefined && /^(https?:|mailto:)/i.test(action.url) ? action.url : null;
}
