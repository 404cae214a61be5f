/**
 * The HTML document around the content of an email. Tables and inline styles carry the whole layout, because Outlook for
 * Windows and several web clients drop the `<style>` element; it only adds dark mode and phones. Colours keep their
 * contrast in clients that invert them automatically, and nothing depends on a transparent background.
 */
import { escapeHtml } from './escape.ts';

/** Everything that varies. Plain text, except for the two HTML fragments. */
export interface LayoutInput {
  readonly language: string;
  readonly title: string;
  /** What a list of messages shows after the subject. */
  readonly preview: string;
  readonly appName: string;
  readonly baseUrl: string;
  readonly logoUrl: string | null;
  readonly bodyHtml: string;
  readonly actionsHtml: string;
  readonly unsubscribeUrl: string | null;
  readonly year: number;
}

const font = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const monospace = "SFMono-Regular,Menlo,Consolas,'Courier New',monospace";

const text = '#24292f';
const muted = '#57606a';
const line = '#d8dee4';
const accent = '#0b5cad';
const surface = '#f6f8fa';

/** Inline style of each element that a body may contain. */
export const elementStyles: Readonly<Record<string, string>> = {
  p: 'margin:0 0 16px',
  h2: 'margin:24px 0 12px;font-size:20px;line-height:28px;font-weight:600',
  h3: 'margin:24px 0 12px;font-size:17px;line-height:26px;font-weight:600',
  h4: 'margin:20px 0 8px;font-size:16px;line-height:24px;font-weight:600',
  h5: 'margin:20px 0 8px;font-size:16px;line-height:24px;font-weight:600',
  h6: `margin:20px 0 8px;font-size:16px;line-height:24px;font-weight:600;color:${muted}`,
  a: `color:${accent};text-decoration:underline`,
  ul: 'margin:0 0 16px;padding:0 0 0 24px',
  ol: 'margin:0 0 16px;padding:0 0 0 24px',
  li: 'margin:0 0 4px',
  blockquote: `margin:0 0 16px;padding:0 0 0 16px;border-left:4px solid ${line};color:${muted}`,
  code: `font-family:${monospace};font-size:14px;background-color:#eaeef2;padding:2px 5px;border-radius:4px;word-break:break-word`,
  pre: `margin:0 0 16px;padding:12px 16px;background-color:${surface};border-radius:6px;overflow-x:auto;white-space:pre-wrap;font-family:${monospace};font-size:14px;line-height:22px`,
  table: 'width:100%;margin:0 0 16px;border-collapse:collapse;font-size:14px;line-height:20px',
  th: `padding:8px 14px 8px 0;border-bottom:2px solid ${line};font-weight:600;text-align:left;vertical-align:bottom`,
  td: `padding:8px 14px 8px 0;border-bottom:1px solid ${line};text-align:left;vertical-align:top`,
  hr: `margin:24px 0;border:0;border-top:1px solid ${line}`,
  strong: 'font-weight:600',
};

// Outlook.com sets `data-ogsc` on a message that it shows in its own dark mode.
const darkRules: readonly (readonly [selector: string, style: string])[] = [
  ['.page', 'background-color:#0d1117!important'],
  ['.card', 'background-color:#161b22!important;border-color:#30363d!important'],
  ['.ink,.ink p,.ink li,.ink td,.ink th,.ink h1,.ink h2,.ink h3,.ink h4,.ink h5', 'color:#e6edf3!important'],
  ['.muted,.muted a,.ink h6,.ink blockquote,.ink blockquote p', 'color:#9aa4af!important'],
  ['.ink a', 'color:#79b8ff!important'],
  ['.ink code,.ink pre', 'background-color:#2b323b!important;color:#e6edf3!important'],
  ['.ink td,.ink th,.ink blockquote,.ink hr', 'border-color:#3d444d!important'],
  ['.ink .button', 'background-color:#1f6feb!important;border-color:#1f6feb!important'],
  ['.ink .button a', 'color:#ffffff!important'],
  ['.ink .plain', 'background-color:#161b22!important;border-color:#6e7681!important'],
  ['.ink .plain a', 'color:#e6edf3!important'],
];

const styleSheet = [
  ':root{color-scheme:light dark;supported-color-schemes:light dark}',
  'body{-webkit-text-size-adjust:100%;-ms-text-size-adjust:100%}',
  '@media (max-width:620px){.page{padding:0!important}.card{border-left:0!important;border-right:0!important;border-radius:0!important}.pad{padding:24px 20px!important}.actions,.actions tbody,.actions tr{display:block!important;width:auto!important}.actions td{display:block!important;width:auto!important}.actions .gap{height:12px!important;line-height:12px!important}.actions a{display:block!important;text-align:center!important}}',
  `@media (prefers-color-scheme:dark){${darkRules.map(([selector, style]) => `${selector}{${style}}`).join('')}}`,
  ...darkRules.map(
    ([selector, style]) =>
      `${selector
        .split(',')
        .map((one) => `[data-ogsc] ${one}`)
        .join(',')}{${style}}`,
  ),
].join('\n');

/** The complete document. */
export function renderLayout(input: LayoutInput): string {
  const title = escapeHtml(input.title);
  return `<!DOCTYPE html>
<html lang="${escapeHtml(input.language)}" xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="x-apple-disable-message-reformatting">
<meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>${title}</title>
<!--[if mso]><xml><o:OfficeDocumentSettings><o:PixelsPerInch>96</o:PixelsPerInch></o:OfficeDocumentSettings></xml><![endif]-->
<style>
${styleSheet}
</style>
</head>
<body class="page" style="margin:0;padding:0;background-color:#f0f2f5">
<div style="display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;overflow:hidden;color:#f0f2f5;mso-hide:all">${escapeHtml(input.preview)}${previewEnd}</div>
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" border="0" bgcolor="#f0f2f5" style="background-color:#f0f2f5">
<tr>
<td class="page" align="center" style="padding:32px 12px">
<!--[if mso]><table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:600px;margin:0 auto">
<tr>
<td class="card pad ink" align="left" bgcolor="#ffffff" style="background-color:#ffffff;border:1px solid ${line};border-radius:10px;padding:32px 36px;font-family:${font};font-size:16px;line-height:26px;word-break:break-word;color:${text}">
${masthead(input)}
<h1 style="margin:0 0 20px;font-size:22px;line-height:30px;font-weight:600;color:${text}">${title}</h1>
${input.bodyHtml}${input.actionsHtml}
</td>
</tr>
<tr>
<td class="pad muted" align="left" style="padding:20px 36px;font-family:${font};font-size:13px;line-height:20px;color:${muted}">
${footer(input)}
</td>
</tr>
</table>
<!--[if mso]></td></tr></table><![endif]-->
</td>
</tr>
</table>
</body>
</html>
`;
}

// Invisible characters that fill the preview, so that it does not continue with the next text of the document.
const previewEnd = '&#8199;&#65279;&#847; '.repeat(30).trimEnd();

function masthead({ appName, logoUrl }: LayoutInput): string {
  const name = escapeHtml(appName);
  const logo =
    logoUrl &&
    `<img src="${escapeHtml(logoUrl)}" height="36" alt="${name}" style="display:block;height:36px;border:0">`;
  return `<div class="muted" style="margin:0 0 24px;font-size:15px;line-height:24px;font-weight:600;color:${muted}">${logo ?? name}</div>`;
}

function footer({ appName, baseUrl, unsubscribeUrl, year }: LayoutInput): string {
  const quiet = `color:${muted};text-decoration:underline`;
  const link = (url: string, label: string) => `<a href="${escapeHtml(url)}" style="${quiet}">${escapeHtml(label)}</a>`;
  const lines = [
    unsubscribeUrl && link(unsubscribeUrl, 'Unsubscribe from emails like this'),
    `&copy; ${year} ${escapeHtml(appName)} &middot; ${link(baseUrl, baseUrl.replace(/^https?:\/\//, ''))}`,
  ];
  return lines
    .filter(Boolean)
    .map((html) => `<p style="margin:0 0 6px">${html}</p>`)
    .join('\n');
}

/** Renders the actions as buttons: side by side if they fit, below each other on a phone. The first one is the primary. */
export function renderActions(actions: readonly { readonly label: string; readonly url: string }[]): string {
  if (actions.length === 0) return '';
  const width = actions.reduce((sum, action) => sum + action.label.length * 9 + 56, 0);
  const between =
    width <= 520
      ? '<td class="gap" width="12" style="font-size:1px">&nbsp;</td>\n'
      : '</tr>\n<tr><td class="gap" height="12" style="font-size:1px;line-height:12px">&nbsp;</td></tr>\n<tr>\n';
  const cells = actions.map((action, index) => button(action, index === 0));
  return `
<table role="presentation" class="actions" cellpadding="0" cellspacing="0" border="0" style="margin:24px 0 0">
<tr>
${cells.join(between)}</tr>
</table>`;
}

/** Outlook for Windows pads the cell (mso-padding-alt), other clients the link, so that the whole button is clickable. */
function button({ label, url }: { readonly label: string; readonly url: string }, primary: boolean): string {
  const fill = primary ? accent : '#ffffff';
  const edge = primary ? accent : '#8c959f';
  const ink = primary ? '#ffffff' : text;
  return `<td class="button${primary ? '' : ' plain'}" align="center" bgcolor="${fill}" style="background-color:${fill};border:1px solid ${edge};border-radius:6px;mso-padding-alt:11px 24px"><a href="${escapeHtml(url)}" style="display:inline-block;padding:11px 24px;font-family:${font};font-size:15px;line-height:22px;font-weight:600;color:${ink};text-decoration:none">${escapeHtml(label)}</a></td>
`;
}
