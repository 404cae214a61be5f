/** The footer of an email: how to get fewer of them, and who sent it. */
import type { Brand } from '../vocabulary.ts';
import { isolatedHtml } from './bidi.ts';
import { colors, css } from './email-styles.ts';
import { escapeHtml } from './escape.ts';
import type { LayoutWords } from './layout-words.ts';
import type { Direction } from './locale.ts';

/** What the footer shows. */
export interface FooterInput {
  readonly brand: Brand;
  readonly words: LayoutWords;
  readonly unsubscribeUrl: string | null;
  readonly preferencesUrl: string | null;
  /** After the copyright sign. */
  readonly year: number;
}

/** Renders the lines below the card. */
export function renderFooter(input: FooterInput, direction: Direction): string {
  const { brand, unsubscribeUrl, preferencesUrl, year, words } = input;
  const { appName, baseUrl, footer: own = [] } = brand;
  const quiet = css(`color:${colors.muted}`, 'text-decoration:underline');
  const link = (url: string, label: string) => `<a href="${escapeHtml(url)}" style="${quiet}">${escapeHtml(label)}</a>`;
  const name = isolatedHtml(appName, escapeHtml(appName), direction);
  const lines = [
    [
      unsubscribeUrl && link(unsubscribeUrl, words.unsubscribe),
      preferencesUrl && link(preferencesUrl, words.preferences),
    ]
      .filter(Boolean)
      .join(' &middot; '),
    ...own.map((line) => isolatedHtml(line, linked(line, link), direction)),
    `&copy; ${year} ${name} &middot; ${link(baseUrl, baseUrl.replace(/^https?:\/\//, ''))}`,
  ];
  return lines
    .filter(Boolean)
    .map((html) => `<p style="margin:0 0 6px">${html}</p>`)
    .join('\n');
}

/** A URL ends before the punctuation of its sentence. */
const linkable = /(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)])|([\w.+-]+@[\w-]+(?:\.[\w-]+)+)/g;

/** One line of the operator's footer, its URLs and addresses as links. */
function linked(line: string, link: (url: string, label: string) => string): string {
  const found = [...line.matchAll(linkable)];
  const ends = [0, ...found.map(({ 0: text, index }) => index + text.length)];
  const pieces = found.map(({ 0: text, 1: url, index }, i) => {
    const before = escapeHtml(line.slice(ends[i], index));
    return before + link(url === undefined ? `mailto:${text}` : url, url?.replace(/^https?:\/\//, '') ?? text);
  });
  return pieces.join('') + escapeHtml(line.slice(ends.at(-1)));
}
