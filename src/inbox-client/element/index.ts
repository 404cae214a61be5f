/** `pg-herald/inbox-client/element`: importing it defines `<herald-inbox>`. */
import { HeraldInboxElement } from './element.ts';

export { HeraldInboxElement } from './element.ts';
export type { InboxOpenDetail } from './view.ts';
export type { InboxWords } from './words.ts';
export type { InboxAction, InboxCounts, InboxFilter, InboxItem, InboxMark } from '../items.ts';
export type { InboxState } from '../model.ts';
export type { InboxStore } from '../store.ts';

declare global {
  interface HTMLElementTagNameMap {
    'herald-inbox': HeraldInboxElement;
  }
}

// The page may have it twice: from a bundle, and from the server's own file.
if (globalThis.customElements && !customElements.get('herald-inbox'))
  customElements.define('herald-inbox', HeraldInboxElement);
