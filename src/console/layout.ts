/** The layout of every page. */
import { html } from 'hono/html';
import { takeNote } from './cookies.ts';
import type { Html } from './elements.ts';
import type { PageContext, Services } from './services.ts';

/** What a page adds to the layout. */
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
  tenants: ['Tenants', '/tenants'],
  workers: ['Workers', '/workers'],
  audit: ['Audit', '/audit'],
  captured: ['Captured', '/captured'],
} as const;
/** An entry of the navigation. */
export type Section = keyof typeof sections;

/** Renders a page for a signed-in operator. */
export async function page(c: PageContext, services: Services, content: Page): Promise<Response> {
  const base = services.settings.basePath;
  const note = takeNote(c, services);
  const live = `${base}/live${content.watch?.length ? `?watch=${content.watch.join(',')}` : ''}`;
  const body = html`<a class="skip" href="#main">Skip to content</a>
<header class="top">
  <a class="brand" href="${base}/" aria-label="pg-herald, overview">
    <img src="${assetUrl(services, 'icon.svg')}" width="20" height="20" alt=""> pg-herald</a>
  ${navigation(services, content.section)}
  ${identity(c, base)}
</header>
<main id="main" tabindex="-1">
  <div role="status" class="notes">${note === null ? '' : html`<p class="note">${note}</p>`}</div>
  ${content.main}
</main>
<footer class="keys" hidden>Keys: <span class="find"><kbd>/</kbd> to search, </span><kbd>g</kbd>
and a page's first letter to open it</footer>`;
  return c.html(documentOf(services, { title: content.title, live, body }), content.status ?? 200);
}

function navigation(services: Services, current: Section | undefined): Html {
  const { basePath, captured } = services.settings;
  const names = (Object.keys(sections) as Section[]).filter((name) => name !== 'captured' || captured !== null);
  return html`<nav aria-label="Main">${names.map((name) => {
    const [label, path] = sections[name];
    return html`<a href="${basePath}${path}"${name === current ? html` aria-current="page"` : ''}>${label}</a>`;
  })}</nav>`;
}

/** Under which name, and with which rights, the operator acts. */
function identity(c: PageContext, base: string): Html {
  const { name, readOnly, by } = c.get('operator');
  const signOut = html`<form method="post" action="${base}/logout"><button class="quiet">Sign out</button></form>`;
  return html`<div class="who">${readOnly ? html`<span class="badge">read-only</span>` : ''}
    <span class="name" title="Actions are recorded under this name">${name}</span>${by === 'session' ? signOut : ''}
  </div>`;
}

/** A whole HTML document, with or without the layout of a page. */
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

function assetUrl({ settings, assets }: Services, name: keyof Services['assets']): string {
  return `${settings.basePath}/assets/${name}?v=${assets[name].version}`;
}
