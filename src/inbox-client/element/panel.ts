/** The panel beneath the bell: heading, list, and what is shown in place of a list. */
import type { InboxItem } from '../items.ts';
import type { InboxState } from '../model.ts';
import { el, icon, setAttribute, setText } from './dom.ts';
import { ListView } from './list-view.ts';
import type { RowSettings } from './row.ts';

/** What the panel asks for, beyond what its rows do. */
export interface PanelActions {
  readonly markAll: () => void;
  readonly loadMore: () => Promise<void>;
  readonly retry: () => void;
  readonly see: (items: readonly InboxItem[]) => void;
}

/** Draws the state. */
export class Panel {
  readonly element: HTMLElement;
  readonly #settings: RowSettings;
  readonly #list: ListView;
  readonly #body: HTMLElement;
  readonly #notice = el('p', { part: 'notice' });
  readonly #state = el('p', { part: 'state' });
  readonly #retry: HTMLElement;
  readonly #more: HTMLButtonElement;
  readonly #end: HTMLElement;
  readonly #markAll: HTMLButtonElement;
  #shown = 0;

  constructor(settings: RowSettings, actions: PanelActions) {
    const { words } = settings;
    this.#settings = settings;
    this.#list = new ListView(settings, actions.see);
    this.#markAll = el('button', { part: 'mark-all', type: 'button', click: actions.markAll }, words.markAll);
    const retry = el('button', { part: 'retry', type: 'button', click: actions.retry }, words.retry);
    this.#retry = el('div', { class: 'center' }, retry);
    this.#more = el('button', { part: 'more', type: 'button', click: () => this.#loadMore(actions) }, words.more);
    this.#end = el('div', { class: 'list-end' }, this.#more);
    const close = el('button', {
      ...{ part: 'close', type: 'button', 'aria-label': words.close, title: words.close },
      click: () => this.element.hidePopover(),
    });
    close.append(icon('close'));
    const heading = el('h2', { id: 'heading' }, words.notifications);
    this.#body = el('div', { part: 'body' }, this.#list.element, this.#state, this.#retry, this.#end);
    this.element = el(
      'div',
      { part: 'panel', id: 'panel', popover: 'auto', role: 'dialog', 'aria-labelledby': 'heading', tabindex: '-1' },
      ...[el('div', { part: 'header' }, heading, this.#markAll, close), this.#notice, this.#body],
    );
  }

  get isOpen(): boolean {
    return this.element.matches(':popover-open');
  }

  show(state: InboxState): void {
    const { words } = this.#settings;
    const isBroken = state.status === 'failed' || state.status === 'signed-out';
    const instead = {
      loading: words.loading,
      failed: words.failed,
      'signed-out': words.signedOut,
      ready: state.items.length === 0 ? words.empty : '',
    }[state.status];
    this.#shown = state.items.length;
    this.#list.show(state.status === 'signed-out' ? [] : state.items);
    setText(this.#state, instead);
    this.#state.hidden = instead === '';
    this.#retry.hidden = !isBroken;
    this.#end.hidden = isBroken || !state.hasMore;
    // Not `disabled`, which would take the focus away.
    setAttribute(this.#more, 'aria-disabled', state.isLoadingMore ? 'true' : null);
    setText(this.#more, state.isLoadingMore ? words.loading : words.more);
    this.#markAll.hidden = isBroken || state.unread === 0;
    setAttribute(this.#body, 'aria-busy', state.status === 'loading' ? 'true' : null);
  }

  /** One line above the list; none if it is empty. */
  notice(text: string): void {
    setText(this.#notice, text);
    this.#notice.hidden = text === '';
  }

  tick(): void {
    this.#list.tick();
  }

  focusFirst(): void {
    this.#list.focus(0);
  }

  close(): void {
    this.#list.close();
  }

  /** Beneath the bell, or above it if there is more room; never wider or higher than the window. */
  place(bell: DOMRect, isRightToLeft: boolean): void {
    const { style, offsetWidth: width } = this.element;
    const { clientWidth, clientHeight } = document.documentElement;
    const [above, below] = [bell.top - 16, clientHeight - bell.bottom - 16];
    const isBelow = below >= Math.min(above, 320);
    const left = isRightToLeft ? bell.left : bell.right - width;
    style.left = `${Math.max(8, Math.min(left, clientWidth - width - 8))}px`;
    style.top = isBelow ? `${bell.bottom + 8}px` : 'auto';
    style.bottom = isBelow ? 'auto' : `${clientHeight - bell.top + 8}px`;
    style.maxHeight = `min(640px, ${Math.max(160, isBelow ? below : above)}px)`;
  }

  /** When the last page has come, the button is gone; the focus goes to the first item that is new. */
  #loadMore({ loadMore }: PanelActions): void {
    const before = this.#shown;
    if (this.#more.ariaDisabled === 'true') return;
    void loadMore().then(() => {
      if (this.#end.hidden && this.isOpen) this.#list.focus(before);
    });
  }
}
