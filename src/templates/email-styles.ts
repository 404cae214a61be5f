/** The look of an email: colours, fonts, the inline style of each element, the style sheet for dark mode and phones. */

/** For all text but code. */
export const font = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const monospace = "SFMono-Regular,Menlo,Consolas,'Courier New',monospace";

/** The palette in light mode. Every pair that is used has a contrast of 4.5 or more. */
export const colors = {
  text: '#24292f',
  muted: '#57606a',
  line: '#d8dee4',
  accent: '#0b5cad',
  surface: '#f6f8fa',
  page: '#f0f2f5',
  card: '#ffffff',
  code: '#eaeef2',
  edge: '#8c959f',
} as const;
const { muted, line, accent, surface } = colors;

/** Joins declarations into the value of a `style` attribute. */
export function css(...declarations: readonly string[]): string {
  return declarations.join(';');
}

const smallHeading = css('margin:20px 0 8px', 'font-size:16px', 'line-height:24px', 'font-weight:600');

/** Inline style of each element that a body may contain. */
export const elementStyles: Readonly<Record<string, string>> = {
  p: 'margin:0 0 16px',
  h2: css('margin:24px 0 12px', 'font-size:20px', 'line-height:28px', 'font-weight:600'),
  h3: css('margin:24px 0 12px', 'font-size:17px', 'line-height:26px', 'font-weight:600'),
  h4: smallHeading,
  h5: smallHeading,
  h6: css(smallHeading, `color:${muted}`),
  a: css(`color:${accent}`, 'text-decoration:underline'),
  ul: css('margin:0 0 16px', 'padding:0 0 0 24px'),
  ol: css('margin:0 0 16px', 'padding:0 0 0 24px'),
  li: 'margin:0 0 4px',
  blockquote: css('margin:0 0 16px', 'padding:0 0 0 16px', `border-left:4px solid ${line}`, `color:${muted}`),
  code: css(
    `font-family:${monospace}`,
    'font-size:14px',
    `background-color:${colors.code}`,
    'padding:2px 5px',
    'border-radius:4px',
    'word-break:break-word',
  ),
  pre: css(
    'margin:0 0 16px',
    'padding:12px 16px',
    `background-color:${surface}`,
    'border-radius:6px',
    'overflow-x:auto',
    'white-space:pre-wrap',
    `font-family:${monospace}`,
    'font-size:14px',
    'line-height:22px',
  ),
  table: css(
    'width:100%',
    'margin:0 0 16px',
    'border-collapse:collapse',
    'font-size:14px',
    'line-height:20px',
    // On a phone a wide table scrolls rather than breaking its words.
    'word-break:normal',
  ),
  th: css(
    'padding:8px 14px 8px 0',
    `border-bottom:2px solid ${line}`,
    'font-weight:600',
    'text-align:left',
    'vertical-align:bottom',
  ),
  // A large table has thousands of cells, so what cells share is said by their row.
  tr: 'vertical-align:top',
  td: css('padding:8px 14px 8px 0', `border-bottom:1px solid ${line}`),
  hr: css('margin:24px 0', 'border:0', `border-top:1px solid ${line}`),
  strong: 'font-weight:600',
};

/** A one-time password must be readable at arm's length. */
export const typedCodeStyle = css(
  'padding:0',
  'background-color:transparent',
  'font-size:24px',
  'line-height:32px',
  'letter-spacing:1px',
);

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

const phoneRules = [
  '.page{padding:0!important}',
  '.card{border-left:0!important;border-right:0!important;border-radius:0!important}',
  '.pad{padding:24px 20px!important}',
  '.actions,.actions tbody,.actions tr{display:block!important;width:auto!important}',
  '.actions td{display:block!important;width:auto!important}',
  '.actions .gap{height:12px!important;line-height:12px!important}',
  '.actions a{display:block!important;text-align:center!important}',
];

/** Content of the `<style>` element. Outlook.com sets `data-ogsc` on a message that it shows in its own dark mode. */
export const styleSheet = [
  ':root{color-scheme:light dark;supported-color-schemes:light dark}',
  'body{-webkit-text-size-adjust:100%;-ms-text-size-adjust:100%}',
  `@media (max-width:620px){${phoneRules.join('')}}`,
  `@media (prefers-color-scheme:dark){${darkRules.map(([selector, style]) => `${selector}{${style}}`).join('')}}`,
  ...darkRules.map(([selector, style]) => {
    const inOutlook = selector.split(',').map((one) => `[data-ogsc] ${one}`);
    return `${inOutlook.join(',')}{${style}}`;
  }),
].join('\n');
