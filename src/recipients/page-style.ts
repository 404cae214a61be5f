/** The look of the pages for recipients: that of an email, in the colour of the brand. */
import { inkOn, shadeFor, textContrast } from '../templates/contrast.ts';

const cardColors = { light: '#ffffff', dark: '#161b22' };
const defaultColor = '#0b5cad';

/** The colour of buttons and links in one mode, and of text on it. */
interface Accent {
  readonly fill: string;
  readonly ink: string;
}

/** The brand's colour in both modes, each in a shade that can be read (WCAG 2.2, 1.4.3). */
export interface Accents {
  readonly light: Accent;
  readonly dark: Accent;
}

/** Chooses the shades of a brand's colour. */
export function accentsOf(color = defaultColor): Accents {
  const on = (card: string): Accent => {
    const fill = shadeFor(color, card, textContrast);
    return { fill, ink: inkOn(fill) };
  };
  return { light: on(cardColors.light), dark: on(cardColors.dark) };
}

/** The style of a page; the brand has a colour. */
export function styleSheet({ light, dark }: Accents): string {
  return `:root {
  color-scheme: light dark;
  --page: #f0f2f5; --card: ${cardColors.light}; --ink: #24292f; --soft: #57606a; --line: #d8dee4; --edge: #6e7781;
  --accent: ${light.fill}; --on-accent: ${light.ink}; --note: #e3f3e7; --on-note: #14532b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0d1117; --card: ${cardColors.dark}; --ink: #e6edf3; --soft: #9aa4af; --line: #30363d; --edge: #8b949e;
    --accent: ${dark.fill}; --on-accent: ${dark.ink}; --note: #14301e; --on-note: #9be3b0;
  }
}
${rules}`;
}

const rules = `*, ::before, ::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; padding: 2rem 1rem; background: var(--page); color: var(--ink); overflow-wrap: anywhere;
  font: 1rem/1.6 -apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;
}
header, main, footer { max-inline-size: 36rem; margin-inline: auto; }
header { padding-inline: .25rem; font-weight: 600; color: var(--soft); }
header img { display: block; max-inline-size: 100%; object-fit: contain; object-position: left; }
footer p { margin: .5rem 0 0; color: var(--soft); }
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
