/** A rendered email in a sandboxed frame, with a choice of width and color scheme. */
import { html } from 'hono/html';
import { inScheme, type Rendering, type Scheme, schemes } from '../rendering.ts';
import type { PageContext } from '../services.ts';
import { type Html, tabs } from '../elements.ts';

const widths = ['desktop', 'phone'] as const;

/** A rendered email on a page. */
export interface EmailFrame {
  /** Address of the frame's document, with or without a query. */
  readonly source: string;
  /** Address of the page, with a query. */
  readonly page: string;
  readonly anchor: string;
  readonly title: string;
}

/** The frame, with links that change its width and scheme. */
export function emailFrame(c: PageContext, { source, page, anchor, title }: EmailFrame): Html {
  const width = widths.find((name) => name === c.req.query('width')) ?? 'desktop';
  const scheme = schemeOf(c);
  const link = (change: { width?: string; scheme?: string }) =>
    `${page}&width=${change.width ?? width}&scheme=${change.scheme ?? scheme}#${anchor}`;
  const widthTabs = widths.map((name) => ({ label: name, href: link({ width: name }), current: name === width }));
  const schemeTabs = schemes.map((name) => ({ label: name, href: link({ scheme: name }), current: name === scheme }));
  const address = `${source}${source.includes('?') ? '&' : '?'}scheme=${scheme}`;
  return html`<div class="switches">${tabs('Width', widthTabs)}${tabs('Colors', schemeTabs)}</div>
<div class="stage ${scheme}"><iframe class="mail ${width}" src="${address}" sandbox=""
  title="${title}, ${width} width, ${scheme} colors"></iframe></div>`;
}

/** The document in the frame. Its route must use `frameHeaders`. */
export function emailDocument(
  c: PageContext,
  rendered: Rendering | { readonly problem: string },
): Response | Promise<Response> {
  return c.html('problem' in rendered ? '' : inScheme(rendered.email.html, schemeOf(c)));
}

/** The color scheme that the query asks for. */
export function schemeOf(c: PageContext): Scheme {
  return schemes.find((name) => name === c.req.query('scheme')) ?? 'light';
}
