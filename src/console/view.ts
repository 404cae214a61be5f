/** The frame of every page and the small pieces that pages are made of. Values become text: `html` escapes them. */
import { html } from 'hono/html';
import type { MessageStatus, Reason } from '../vocabulary.ts';
import { meaningOf } from '../operate/why.ts';
import { takeNote } from './cookies.ts';
import type { PageContext, Services } from './services.ts';

export type Html = ReturnType<typeof html>;

export interface Page {
  readonly title: string;
  /** The entry of the navigation that it belongs to. */
  readonly section?: Section;
  readonly main: Html;
  /** Messages that the page shows and wants to hear of. */
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
  caught: ['Caught', '/caught'],
} as const;
export type Section = keyof typeof sections;

export async function page(c: PageContext, services: Services, content: Page): Promise<Response> {
  const { settings } = services;
  const operator = c.get('operator');
  const base = settings.basePath;
  const note = takeNote(c, services);
  const live = `${base}/live${content.watch?.length ? `?watch=${content.watch.join(',')}` : ''}`;
  const shown = (Object.keys(sections) as Section[]).filter((name) => name !== 'caught' || settings.catches !== null);
  const body = html`<a class="skip" href="#main">Skip to content</a>
<header class="top">
  <a class="brand" href="${base}/" aria-label="pg-herald, overview"><img src="${assetUrl(services, 'icon.svg')}" width="20" height="20" alt=""> pg-herald</a>
  <nav aria-label="Main">${shown.map((name) => navLink(services, name, content.section === name))}</nav>
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
<footer class="keys" hidden>Keys: <span class="find"><kbd>/</kbd> searches, </span><kbd>g</kbd> then a page's first letter goes there</footer>`;
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

/** The hidden field without which a form is refused. */
export function formToken(c: PageContext): Html {
  return html`<input type="hidden" name="form" value="${c.get('csrfToken')}">`;
}

/** UTC, to the second; the script turns it into the reader's own time. */
export function time(at: Date | null): Html {
  if (at === null) return html`<span class="none">–</span>`;
  const iso = at.toISOString();
  return html`<time datetime="${iso}" title="${iso}">${iso.slice(0, 19).replace('T', ' ')}</time>`;
}

export function statusBadge(status: MessageStatus | 'retry' | 'unknown', reason?: Reason | null): Html {
  return html`<span class="status ${status}">${status}</span>${reason ? html` <span class="reason">${meaningOf(reason)}</span>` : ''}`;
}

/**
 * A wide table scrolls by itself, also by keyboard. On a phone each row becomes a card of its own, in which a cell is called what its
 * `data-label` says; `lines`: two lines instead, for many rows.
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

/** Words of ours: times as elsewhere, commands as such. */
export function prose(text: string): Html {
  const parts = text.split(/(\d{4}-\d{2}-\d{2}T[\d:.]+Z|pg-herald [^",]+)/);
  return html`${parts.map((part, index) => (index % 2 === 0 ? part : part.startsWith('pg-herald') ? html`<code>${part}</code>` : moment(part)))}`;
}

function moment(text: string): Html | string {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? text : time(at);
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
