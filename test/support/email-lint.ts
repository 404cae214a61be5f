/** What the HTML of an email must not contain: what is not valid, and what email programs do not understand. */
import { caniemail } from 'caniemail';
import { HtmlValidate, StaticConfigLoader } from 'html-validate';

/** What is not valid HTML, apart from what Outlook for Windows needs. */
export function invalid(html: string): string[] {
  const lint = new HtmlValidate(
    new StaticConfigLoader({
      extends: ['html-validate:recommended'],
      rules: {
        // Outlook for Windows understands nothing newer: its comments, table attributes, and styles in place.
        'no-conditional-comment': 'off',
        'no-deprecated-attr': 'off',
        'no-inline-style': 'off',
        'presentation-role-style': 'off',
        'prefer-tbody': 'off',
        // Web clients drop the element "article".
        'prefer-native-element': 'off',
      },
    }),
  );
  return lint
    .validateStringSync(html)
    .results.flatMap((result) => result.messages.map((m) => `${m.line} ${m.ruleId}: ${m.message}`));
}

/** Parts of the inline look that a client may drop without harm, by the title of caniemail.com. */
const dispensable: Readonly<Record<string, string>> = {
  'color-scheme meta tag': 'without it a client shows the light colours, or inverts them',
  '<body> element': 'its background is repeated on the table within',
  'aria-label attribute': 'the title is the heading as well',
  'border-radius': 'square corners',
  'display:none': 'the preview text, one pixel high in the colour of the page',
  'height property': 'of a logo, which has the attribute as well',
  'max-height property': 'of the preview text; display:none is enough there',
  overflow: 'of the preview text and of wide tables, which are then cut or wrapped',
  'white-space': 'lines of code that are too long are not wrapped',
  'word-break': 'likewise',
};

/** What is left without the style sheet, which only adds dark mode and phones, must be understood everywhere. */
export function unsupported(html: string): string[] {
  const inline = html.replace(/<style>[\s\S]*?<\/style>/, '');
  const { issues } = caniemail({
    clients: [
      'gmail.*',
      'outlook.windows',
      'outlook.outlook-com',
      'outlook.macos',
      'outlook.ios',
      'apple-mail.*',
      'yahoo.*',
    ],
    html: inline,
  });
  const found = [...issues.errors].flatMap(([client, list]) => list.map(({ title }) => `${title} (${client})`));
  return [...new Set(found)].filter((entry) => !(entry.replace(/ \([^()]*\)$/, '') in dispensable)).sort();
}
