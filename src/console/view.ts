/** The layout of every page and the elements that pages share. `html` escapes every value. */
import { html } from 'hono/html';
import type { MessageStatus, Reason } from '../vocabulary.ts';
import { meaningOf } from '../operate/why.ts';
import { takeNote } from './cookies.ts';
import type { PageContext, Services } from './services.ts';

export type Html = ReturnType<typeof html>;

export interface Page {
  readonly title: string;
  /** Its entry in the navigation. */
  readonly section?: Section;
  readonly main: Html;
  /** Messages that the page shows and follows. */
  readonly watch?: readonly string[];
  readonly status?: 200 | 403 | 404 | 422 | 500 | 503;
}

const sections = {
  overview: ['Overview', '/'],
  messages: ['Messages', '/messages'],
  templates: ['Templates', '/templates'],
  endpoints: ['Endpoints', '/endpoints'],
  recipients: ['Recipients', '/recipients'],
  suppressions: ['Suppressions', '/suppressions'],
  audit: ['Audit', '/audit'],
  captured: ['Captured', '/captured'],
} as const;
export type Section = keyof typeof sections;

export async function page(c: PageContext, services: Services, content: Page): Promise<Response> {
  const { settings } = services;
  const operator = c.get('operator');
  const base = settings.basePath;
  const note = takeNote(c, services);
  const live = `${base}/live${content.watch?.length ? `?watch=${content.watch.join(',')}` : ''}`;
  const visible = (Object.keys(sections) as Section[]).filter(
    (name) => name !== 'captured' || settings.captured !== null,
  );
  const body = html`<a class="skip" href="#main">Skip to content</a>
<header class="top">
  <a class="brand" href="${base}/" aria-label="pg-herald, overview"><img src="${assetUrl(services, 'icon.svg')}" width="20" height="20" alt=""> pg-herald</a>
  <nav aria-label="Main">${visible.map((name) => navLink(services, name, content.section === name))}</nav>
  <div class="who">${operator.readOnly ? html`<span class="badge">read-only</span>` : ''}<span class="name" title="Actions are recorded under this name">${operator.name}</span>${
    operator.by === 'session'
      ? html`<form method="post" action="${base}/logout"><button class="quiet">Sign out</button></form>`
      : ''
  }</div>
</header>
<main id="main" tabindex="-1">
  <div role="status" class="notes">${note === null ? '' : html`<p class="note">${note}</p>`}</div>
  ${content.main}
</main>
<footer class="keys" hidden>Keys: <span class="find"><kbd>/</kbd> to search, </span><kbd>g</kbd> and a page's first letter to open it</footer>`;
  return c.html(documentOf(services, { title: content.title, live, body }), content.status ?? 200);
}

export function documentOf(
  services: Services,
  { title, live, body }: { readonly title: string; readonly live?: string; readonly body: Html },
): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title} · pg-herald</title>
<link rel="icon" href="${assetUrl(services, 'icon.svg')}">
<link rel="stylesheet" href="${assetUrl(services, 'console.css')}">
<script src="${assetUrl(services, 'console.js')}" defer></script>
</head>
<body${live === undefined ? '' : html` data-live-url="${live}"`}>
${body}
</body>
</html>`;
}

function navLink({ settings }: Services, section: Section, current: boolean): Html {
  const [label, path] = sections[section];
  return html`<a href="${settings.basePath}${path}"${current ? html` aria-current="page"` : ''}>${label}</a>`;
}

function assetUrl({ settings, assets }: Services, name: keyof Services['assets']): string {
  return `${settings.basePath}/assets/${name}?v=${assets[name].version}`;
}

/** The hidden field that every form needs. */
export function formToken(c: PageContext): Html {
  return html`<input type="hidden" name="form" value="${c.get('formToken')}">`;
}

/** UTC, to the second. The script converts it to the reader's time zone. */
export function time(at: Date | null): Html {
  if (at === null) return html`<span class="none">–</span>`;
  const iso = at.toISOString();
  return html`<time datetime="${iso}" title="${iso}">${iso.slice(0, 19).replace('T', ' ')}</time>`;
}

export function statusBadge(status: MessageStatus | 'retry' | 'unknown', reason?: Reason | null): Html {
  return html`<span class="status ${status}">${status}</span>${reason ? html` <span class="reason">${meaningOf(reason)}</span>` : ''}`;
}

/**
 * A table that scrolls sideways, by keyboard too. On a phone each row becomes a card whose cells are labeled by `data-label`, or
 * with `lines` two lines, for many rows.
 */
export function table(
  label: string,
  headings: readonly (string | Html)[],
  rows: readonly Html[],
  narrow: 'cards' | 'lines' = 'cards',
): Html {
  return html`<div class="scroll ${narrow}" role="region" aria-label="${label}" tabindex="0"><table>
<thead><tr>${headings.map((heading) => (typeof heading === 'string' ? html`<th scope="col">${heading}</th>` : heading))}</tr></thead>
<tbody>${rows}</tbody>
</table></div>`;
}

/** Text of our own, with its times and commands marked up. */
export function prose(text: string): Html {
  const parts = text.split(/(\d{4}-\d{2}-\d{2}T[\d:.]+Z|pg-herald [^",]+)/);
  return html`${parts.map((part, index) => (index % 2 === 0 ? part : part.startsWith('pg-herald') ? html`<code>${part}</code>` : moment(part)))}`;
}

function moment(text: string): Html | string {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? text : time(at);
}

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

export function empty(text: string | Html): Html {
  return html`<p class="empty">${text}</p>`;
}

export function age(seconds: number): string {
  if (seconds < 1) return 'none';
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

const number = new Intl.NumberFormat('en');
export function count(n: number): string {
  return number.format(n);
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}
