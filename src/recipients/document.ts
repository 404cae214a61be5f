/** The frame of every page for a recipient: one document without script, its headers, and its style. */
import { createHash } from 'node:crypto';
import { html, raw } from 'hono/html';
import { inkOn, shadeFor, textContrast } from '../templates/contrast.ts';
import type { Brand } from '../vocabulary.ts';
import { directionOf } from './page-language.ts';
import type { PageWords } from './page-words.ts';

/** Escaped HTML. */
export type Html = ReturnType<typeof html>;

/** For whom a page is rendered, and in which words. */
export interface PageContext {
  readonly brand: Brand;
  /** BCP 47 tag of the words. */
  readonly language: string;
  readonly words: PageWords;
}

/** The content of a page. */
export interface Page {
  readonly status: 200 | 400 | 404 | 405 | 410 | 413 | 429 | 503;
  readonly title: string;
  readonly main: Html;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Fills `{name}` in a text of the catalogue. Each value keeps its own direction. */
export function filled(text: string, values: Readonly<Record<string, string>>): Html {
  const parts = text.split(/\{(\w+)\}/);
  return html`${parts.map((part, index) => (index % 2 === 0 ? part : html`<bdi>${values[part] ?? ''}</bdi>`))}`;
}

/** The same as plain text, for the title of the document. */
export function filledText(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
}

/** The response of a page. Nothing of it may be stored, indexed, framed, or told to another site: its URL acts. */
export async function responseOf(page: Page, context: PageContext): Promise<Response> {
  const body = String(await documentOf(page, context));
  return new Response(body, {
    status: page.status,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Language': context.language,
      'Content-Security-Policy': policyOf(context.brand),
      'Cache-Control': 'no-store',
      'Referrer-Policy': 'no-referrer',
      'X-Robots-Tag': 'noindex, nofollow',
      'X-Content-Type-Options': 'nosniff',
      'Cross-Origin-Opener-Policy': 'same-origin',
      Vary: 'Accept-Language',
      ...page.headers,
    },
  });
}

async function documentOf({ title, main }: Page, { brand, language, words }: PageContext): Promise<Html> {
  const content = await main;
  return html`<!DOCTYPE html>
<html lang="${language}" dir="${directionOf(language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex, nofollow">
<meta name="referrer" content="no-referrer">
<title>${title} · ${brand.appName}</title>
<style>${raw(styleSheetOf(brand))}</style>
</head>
<body>
<header>${masthead(brand)}</header>
<main>
${content}
</main>
<footer><a href="${brand.baseUrl}" rel="noreferrer">${filled(words.home, { app: brand.appName })}</a></footer>
</body>
</html>
`;
}

/** Only the operator's own logo is loaded from elsewhere, and only over https. */
function masthead({ appName, logoUrl }: Brand): Html {
  if (logoUrl?.startsWith('https://')) return html`<img src="${logoUrl}" height="36" alt="${appName}">`;
  return html`<bdi>${appName}</bdi>`;
}

function policyOf(brand: Brand): string {
  const { logoUrl } = brand;
  const images = logoUrl?.startsWith('https://') ? new URL(logoUrl).origin : "'none'";
  return [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(styleSheetOf(brand)).digest('base64')}'`,
    `img-src ${images}`,
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** The page in the colour of the brand, or a shade of it that can be read as text. */
function styleSheetOf({ color }: Brand): string {
  if (color === undefined) return styleSheet;
  const [light, dark] = ['#ffffff', '#161b22'].map((card) => shadeFor(color, card, textContrast));
  const rule = (accent = color) => `:root { --accent: ${accent}; --on-accent: ${inkOn(accent)}; }`;
  return `${styleSheet}${rule(light)}\n@media (prefers-color-scheme: dark) { ${rule(dark)} }\n`;
}

const styleSheet = `:root {
  color-scheme: light dark;
  --page: #f0f2f5; --card: #ffffff; --ink: #24292f; --soft: #57606a; --line: #d8dee4; --edge: #6e7781;
  --accent: #0b5cad; --on-accent: #ffffff; --note: #e3f3e7; --on-note: #14532b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0d1117; --card: #161b22; --ink: #e6edf3; --soft: #9aa4af; --line: #30363d; --edge: #8b949e;
    --accent: #79b8ff; --on-accent: #0b1520; --note: #14301e; --on-note: #9be3b0;
  }
}
*, ::before, ::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; padding: 2rem 1rem; background: var(--page); color: var(--ink); overflow-wrap: anywhere;
  font: 1rem/1.6 -apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;
}
header, main, footer { max-inline-size: 36rem; margin-inline: auto; }
header { padding-inline: .25rem; font-weight: 600; color: var(--soft); }
header img { display: block; block-size: 36px; inline-size: auto; max-inline-size: 100%; }
main {
  margin-block: 1rem; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: .625rem;
}
footer { padding-inline: .25rem; font-size: .875rem; }
footer a { color: var(--soft); }
h1 { margin: 0 0 1rem; font-size: 1.4rem; line-height: 1.3; text-wrap: balance; }
p { margin: 0 0 1.25rem; }
main > :last-child { margin-block-end: 0; }
a { color: var(--accent); }
form { margin: 0 0 1.25rem; }
button {
  min-block-size: 2.75rem; padding: .5rem 1.5rem; border: 1px solid var(--accent); border-radius: .375rem;
  background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600; cursor: pointer;
}
button.plain { border-color: var(--edge); background: transparent; color: var(--ink); }
a:focus-visible, button:focus-visible, input:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
fieldset { margin: 0; padding: 1rem 0; border: 0; border-block-end: 1px solid var(--line); min-inline-size: 0; }
fieldset:last-of-type { border-block-end: 0; }
legend { float: inline-start; inline-size: 100%; padding: 0; font-weight: 600; }
legend + * { clear: both; }
.choices { display: flex; flex-wrap: wrap; column-gap: 1.5rem; }
label { display: inline-flex; align-items: center; gap: .6rem; min-block-size: 2.75rem; cursor: pointer; }
input[type='checkbox'] {
  inline-size: 1.25rem; block-size: 1.25rem; margin: 0; flex: none; accent-color: var(--accent);
}
.hint { color: var(--soft); font-size: .875rem; }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; margin-block-start: 1.25rem; }
.note { padding: .75rem 1rem; border-radius: .375rem; background: var(--note); color: var(--on-note); }
.stopped { padding: 1rem; border: 1px solid var(--edge); border-radius: .375rem; }
.stopped > :last-child { margin-block-end: 0; }
@media (max-width: 36rem) {
  body { padding: 1rem 0 0; }
  header, footer { padding-inline: 1.25rem; }
  main { padding: 1.5rem 1.25rem; border-inline: 0; border-radius: 0; }
  button { inline-size: 100%; }
}
@media (forced-colors: active) { button { border: 2px solid ButtonText; } }
`;
