/** The frame of every page for a recipient: one document without script, its headers, and its style. */
import { createHash } from 'node:crypto';
import { html, raw } from 'hono/html';
import { directionOf } from '../templates/locale.ts';
import type { Brand } from '../vocabulary.ts';
import { accentsOf, styleSheet } from './page-style.ts';
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
  const style = styleSheet(accentsOf(context.brand.color));
  const body = String(await documentOf(page, style, context));
  return new Response(body, {
    status: page.status,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Language': context.language,
      'Content-Security-Policy': policyOf(context.brand, style),
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

async function documentOf({ title, main }: Page, style: string, context: PageContext): Promise<Html> {
  const { brand, language } = context;
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
<style>${raw(style)}</style>
</head>
<body>
<header>${masthead(brand)}</header>
<main>
${content}
</main>
<footer>${footer(context)}</footer>
</body>
</html>
`;
}

/** Only the brand's own logo is loaded from elsewhere, and only over https. */
function masthead({ appName, logoUrl, logoDarkUrl, logoWidth, logoHeight = 36 }: Brand): Html {
  if (logoUrl === undefined || !isSecure(logoUrl)) return html`<bdi>${appName}</bdi>`;
  const width = logoWidth === undefined ? '' : html` width="${logoWidth}"`;
  const image = html`<img src="${logoUrl}"${width} height="${logoHeight}" alt="${appName}">`;
  if (logoDarkUrl === undefined || !isSecure(logoDarkUrl)) return image;
  return html`<picture><source srcset="${logoDarkUrl}" media="(prefers-color-scheme: dark)">${image}</picture>`;
}

const isSecure = (url: string) => url.startsWith('https://');

function footer({ brand, words }: PageContext): Html {
  const lines = (brand.footer ?? []).map((line) => html`<p><bdi>${line}</bdi></p>`);
  return html`<a href="${brand.baseUrl}" rel="noreferrer">${filled(words.home, { app: brand.appName })}</a>${lines}`;
}

function policyOf({ logoUrl, logoDarkUrl }: Brand, style: string): string {
  const logos = [logoUrl, logoDarkUrl].filter((url) => url !== undefined).filter(isSecure);
  const origins = new Set(logos.map((url) => new URL(url).origin));
  return [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
    `img-src ${origins.size === 0 ? "'none'" : [...origins].join(' ')}`,
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
