/** A rendered mail in a sandboxed frame, with a choice of width and colour scheme. */
import { html } from 'hono/html';
import { type Scheme, schemes } from '../rendering.ts';
import type { PageContext } from '../services.ts';
import type { Html } from '../view.ts';
import { tabs } from './tabs.ts';

const widths = ['desktop', 'phone'] as const;

export interface Framed {
  /** Address of the document, with or without a query. */
  readonly source: string;
  /** Address of the page, with a query. */
  readonly page: string;
  readonly anchor: string;
  readonly title: string;
}

export function frame(c: PageContext, { source, page, anchor, title }: Framed): Html {
  const width = widths.find((name) => name === c.req.query('width')) ?? 'desktop';
  const scheme: Scheme = schemes.find((name) => name === c.req.query('scheme')) ?? 'light';
  const link = (change: { width?: string; scheme?: string }) =>
    `${page}&width=${change.width ?? width}&scheme=${change.scheme ?? scheme}#${anchor}`;
  const widthTabs = widths.map((name) => ({ label: name, href: link({ width: name }), current: name === width }));
  const schemeTabs = schemes.map((name) => ({ label: name, href: link({ scheme: name }), current: name === scheme }));
  const address = `${source}${source.includes('?') ? '&' : '?'}scheme=${scheme}`;
  return html`<div class="switches">${tabs('Width', widthTabs)}${tabs('Colours', schemeTabs)}</div>
<div class="stage ${scheme}"><iframe class="mail ${width}" src="${address}" sandbox="" title="${title}, ${width} width, ${scheme} colours"></iframe></div>`;
}
