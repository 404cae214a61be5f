/** The examples of the CommonMark specification, against the HTML of an email's body. */
import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { createRenderer } from '../../src/templates/render.ts';

interface Example {
  readonly markdown: string;
  readonly html: string;
  readonly section: string;
  readonly number: number;
}

// The package has no types.
const { tests } = createRequire(import.meta.url)('commonmark-spec') as { readonly tests: readonly Example[] };

/** Raw HTML is text here, and images are only their descriptions. */
const otherByDesign = new Set(['HTML blocks', 'Raw HTML', 'Images']);

const render = createRenderer();

/** Without what means the same: spaces between tags, the end of code, slashes, the way a URL is written. */
function bare(html: string): string {
  return html
    .replace(/ class="language-[^"]*"/g, '')
    .replace(/href="([^"]*)"/g, (_, url: string) => `href="${new URL(url.replaceAll('&amp;', '&')).href}"`)
    .replace(/ \/>/g, '>')
    .replace(/\s+<\/code>/g, '</code>')
    .replace(/\s+/g, ' ')
    .replace(/> </g, '><')
    .trim();
}

const ownTags = /<(?!\/?(?:p|h[1-6]|em|strong|code|pre|a|ul|ol|li|blockquote|hr|br)[\s>])/;
const otherDefinition = /^ {0,3}\[[^\]]*\]:\s*(?!<?https?:)/m;

/** Links to other schemes are left as text, also as definitions, and raw HTML is text. */
function applies({ markdown, html, section }: Example): boolean {
  if (otherByDesign.has(section) || ownTags.test(html) || otherDefinition.test(markdown)) return false;
  const links = [...html.matchAll(/href="([^"]*)"/g)].map((match) => match[1] ?? '');
  return links.every((url) => URL.canParse(url) && /^(https?:\/\/[^/]|mailto:)/i.test(url));
}

describe('the CommonMark specification', () => {
  const examples = tests.filter(applies);

  test('is covered by most of its examples', () => {
    expect(examples.length).toBeGreaterThan(400);
  });

  test.each(examples.map((example) => [example.number, example.section, example] as const))(
    'example %i (%s) becomes the same HTML',
    (_number, _section, { markdown, html }) => {
      const body = markdown.replaceAll('→', '\t');
      const rendered = render({
        template: { name: 'a', title: 'x', body, actions: [] },
        recipient: { id: 'u' },
        labels: {},
        data: null,
        brand: { appName: 'App', baseUrl: 'https://app.example' },
        createdAt: new Date(0),
      });
      expect(bare(rendered.html)).toBe(bare(html.replaceAll('→', '\t')));
    },
  );
});
