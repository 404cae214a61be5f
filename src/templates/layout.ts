/**
 * The HTML document around the content of an email. Tables and inline styles carry the whole layout, because Outlook
 * for Windows and several web clients drop the `<style>` element; it only adds dark mode and phones. Colours keep their
 * contrast in clients that invert them automatically, and nothing depends on a transparent background.
 */
import type { Brand } from '../vocabulary.ts';
import { colors, css, font, type Look } from './email-styles.ts';
import { escapeHtml } from './escape.ts';
import { type FooterInput, renderFooter } from './layout-footer.ts';

/** Everything that varies. Plain text, except for the two HTML fragments. */
export interface LayoutInput extends FooterInput {
  readonly language: string;
  readonly title: string;
  /** What a list of messages shows after the subject. */
  readonly preview: string;
  readonly look: Look;
  readonly bodyHtml: string;
  readonly actionsHtml: string;
}

/**
 * Renders the complete document. Gmail, Yahoo and Outlook drop the element that isolates a name of the other direction,
 * so the characters that do the same take its place (U+2068, U+2069).
 */
export function renderLayout(input: LayoutInput): string {
  return [
    '<!DOCTYPE html>',
    `<html ${languageOf(input)} ${outlookNamespaces}>`,
    ...head(input),
    `<body class="page" style="margin:0;padding:0;background-color:${colors.page}">`,
    `<div style="${hiddenStyle}">${escapeHtml(input.preview)}${previewEnd}</div>`,
    `<div role="article" aria-roledescription="email" aria-label="${escapeHtml(input.title)}" ${languageOf(input)}>`,
    table('class="page" width="100%"', `bgcolor="${colors.page}" style="background-color:${colors.page}"`),
    '<tr>',
    '<td class="page" align="center" style="padding:32px 12px">',
    `<!--[if mso]>${table('width="600" align="center"')}<tr><td><![endif]-->`,
    ...frame(input),
    '<!--[if mso]></td></tr></table><![endif]-->',
    '</td>',
    '</tr>',
    '</table>',
    '</div>',
    '</body>',
    '</html>',
    '',
  ]
    .join('\n')
    .replace(/<(\/?)bdi>/g, (_, end: string) => (end === '' ? '&#8296;' : '&#8297;'));
}

/** Web clients drop the `html` element, so the element around the email says it again. */
function languageOf({ language, look: { direction } }: LayoutInput): string {
  return `lang="${escapeHtml(language)}"${direction === 'rtl' ? ' dir="rtl"' : ''}`;
}

const outlookNamespaces = 'xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office"';

// Makes Outlook for Windows scale images as it scales text.
const outlookSettings = [
  '<!--[if mso]><xml><o:OfficeDocumentSettings>',
  '<o:PixelsPerInch>96</o:PixelsPerInch>',
  '</o:OfficeDocumentSettings></xml><![endif]-->',
].join('');

const hiddenStyle = css(
  'display:none',
  'font-size:1px',
  'line-height:1px',
  'max-height:0',
  'max-width:0',
  'overflow:hidden',
  `color:${colors.page}`,
  'mso-hide:all',
);

// Invisible characters that fill the preview, so that it does not continue with the next text of the document.
const previewEnd = '&#8199;&#65279;&#847; '.repeat(30).trimEnd();

/** The start tag of a table that is only there for the layout. */
function table(attributes: string, more = ''): string {
  return `<table role="presentation" ${attributes} cellpadding="0" cellspacing="0" border="0"${more && ` ${more}`}>`;
}

function head({ title, look, brand }: LayoutInput): string[] {
  return [
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    '<meta name="x-apple-disable-message-reformatting">',
    '<meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="supported-color-schemes" content="light dark">',
    `<title>${escapeHtml(title)}</title>`,
    outlookSettings,
    '<style>',
    look.styleSheet,
    ...(isSecure(brand.logoUrl) && isSecure(brand.logoDarkUrl) ? logoRules : []),
    '</style>',
    '</head>',
  ];
}

/** One logo for each mode. */
const logoRules = [
  '@media (prefers-color-scheme:dark){.light{display:none!important}.dark{display:block!important}}',
  '[data-ogsc] .light{display:none!important}',
  '[data-ogsc] .dark{display:block!important}',
];

const cardStyle = css(
  `background-color:${colors.card}`,
  `border:1px solid ${colors.line}`,
  'border-radius:10px',
  'padding:32px 36px',
  `font-family:${font}`,
  'font-size:16px',
  'line-height:26px',
  'word-break:break-word',
  `color:${colors.text}`,
);
const titleStyle = css(
  'margin:0 0 20px',
  'font-size:22px',
  'line-height:30px',
  'font-weight:600',
  `color:${colors.text}`,
);
const footerStyle = css(
  'padding:20px 36px',
  `font-family:${font}`,
  'font-size:13px',
  'line-height:20px',
  `color:${colors.muted}`,
);

/** The card with the message, and the footer below it. */
function frame(input: LayoutInput): string[] {
  // Outlook for Windows reads the direction of a cell.
  const side = `align="${input.look.start}"${input.look.direction === 'rtl' ? ' dir="rtl"' : ''}`;
  return [
    table('width="100%"', 'style="max-width:600px;margin:0 auto"'),
    '<tr>',
    `<td class="card pad ink" ${side} bgcolor="${colors.card}" style="${cardStyle}">`,
    masthead(input),
    `<h1 style="${titleStyle}">${escapeHtml(input.title)}</h1>`,
    `${input.bodyHtml}${input.actionsHtml}`,
    '</td>',
    '</tr>',
    '<tr>',
    `<td class="pad muted" ${side} style="${footerStyle}">`,
    renderFooter(input, input.look.direction),
    '</td>',
    '</tr>',
    '</table>',
  ];
}

const mastheadStyle = css(
  'margin:0 0 24px',
  'font-size:15px',
  'line-height:24px',
  'font-weight:600',
  `color:${colors.muted}`,
);

/** The logo, with the name for readers whose email program does not load it; or only the name. */
function masthead({ brand }: LayoutInput): string {
  const { appName, logoUrl, logoDarkUrl } = brand;
  if (!isSecure(logoUrl)) return `<div class="muted" style="${mastheadStyle}">${escapeHtml(appName)}</div>`;
  const light = logo(logoUrl, brand, isSecure(logoDarkUrl) ? 'light' : null);
  // The style sheet shows it instead of the other one. Outlook for Windows would show both.
  const dark = isSecure(logoDarkUrl) ? `<!--[if !mso]><!-->${logo(logoDarkUrl, brand, 'dark')}<!--<![endif]-->` : '';
  return `<div class="muted" style="${mastheadStyle}">${light}${dark}</div>`;
}

const defaultLogoHeight = 36;

/** Outlook for Windows scales images by their attributes, other clients by their style. */
function logo(url: string, brand: Brand, mode: 'light' | 'dark' | null): string {
  const { appName, logoWidth: width, logoHeight: height = defaultLogoHeight } = brand;
  const attributes = `${width === undefined ? '' : `width="${width}" `}height="${height}" alt="${escapeHtml(appName)}"`;
  const style = css(
    `display:${mode === 'dark' ? 'none' : 'block'}`,
    ...(width === undefined ? [] : [`width:${width}px`]),
    `height:${height}px`,
    'border:0',
    ...(mode === 'dark' ? ['mso-hide:all'] : []),
  );
  return `<img ${mode === null ? '' : `class="${mode}" `}src="${escapeHtml(url)}" ${attributes} style="${style}">`;
}

/** Only the operator's own logo is a remote image, and only over https. */
function isSecure(url: string | undefined): url is string {
  return url?.startsWith('https://') ?? false;
}

/** A button that leads to a URL. */
interface Button {
  readonly label: string;
  readonly url: string;
}

/**
 * Renders the actions as buttons: side by side if they fit, below each other on a phone. The first one is the primary.
 */
export function renderActions(actions: readonly Button[], look: Look): string {
  if (actions.length === 0) return '';
  const width = actions.reduce((sum, action) => sum + action.label.length * 9 + 56, 0);
  const between =
    width <= 520
      ? '<td class="gap" width="12" style="font-size:1px">&nbsp;</td>\n'
      : '</tr>\n<tr><td class="gap" height="12" style="font-size:1px;line-height:12px">&nbsp;</td></tr>\n<tr>\n';
  const cells = actions.map((action, index) => button(action, look, index === 0));
  return `\n${table('class="actions"', 'style="margin:24px 0 0"')}\n<tr>\n${cells.join(between)}</tr>\n</table>`;
}

/**
 * Outlook for Windows pads the cell (mso-padding-alt), other clients the link, so that the whole button is clickable.
 */
function button({ label, url }: Button, { accent }: Look, primary: boolean): string {
  const fill = primary ? accent.fill : colors.card;
  const cell = css(
    `background-color:${fill}`,
    `border:1px solid ${primary ? accent.edge : colors.edge}`,
    'border-radius:6px',
    'mso-padding-alt:11px 24px',
  );
  const link = css(
    'display:inline-block',
    'padding:11px 24px',
    `font-family:${font}`,
    'font-size:15px',
    'line-height:22px',
    'font-weight:600',
    `color:${primary ? accent.ink : colors.text}`,
    'text-decoration:none',
  );
  const className = primary ? 'button' : 'button plain';
  const content = `<a href="${escapeHtml(url)}" style="${link}">${escapeHtml(label)}</a>`;
  return `<td class="${className}" align="center" bgcolor="${fill}" style="${cell}">${content}</td>\n`;
}
