import { html } from 'hono/html';
import type { Html } from '../view.ts';

export interface Tab {
  readonly label: string;
  readonly href: string;
  readonly current: boolean;
}

/** Links that look like tabs: the address says which one is open. */
export function tabs(label: string, links: readonly Tab[]): Html {
  return html`<nav class="tabs" aria-label="${label}">${links.map(
    (link) => html`<a href="${link.href}"${link.current ? html` aria-current="true"` : ''}>${link.label}</a>`,
  )}</nav>`;
}
