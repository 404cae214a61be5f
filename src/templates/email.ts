/** Turns rendered content into an email: subject, plain text and HTML. Pure. */
import type { Brand, RenderedContent } from '../vocabulary.ts';
import { closedIsolates, cut, oneLine } from './escape.ts';
import { type Look, lookOf, typedCodeStyle } from './email-styles.ts';
import { renderActions, renderLayout } from './layout.ts';
import { type LayoutWords, wordsOf } from './layout-words.ts';

/** What an email is made of. */
export interface EmailInput {
  readonly content: RenderedContent;
  readonly brand: Brand;
  /** Shown in the footer of both parts. The dispatcher adds the header fields. */
  readonly unsubscribeUrl?: string | null;
  /** The same for the page of the recipient's preferences. */
  readonly preferencesUrl?: string | null;
  /** Its year in UTC is the year of the footer. */
  readonly createdAt: Date;
}

/** The parts of an email. */
export interface Email {
  readonly subject: string;
  readonly text: string;
  /** A complete document with inline styles. Gmail clips it at about 102 KB. */
  readonly html: string;
}

/** Gmail clips the HTML of an email at about 102 KB and hides the rest. In bytes. */
export const maximumEmailHtml = 100_000;

/** Puts content into the email layout. Never throws. */
export function renderEmail(input: EmailInput): Email {
  const { content, brand } = input;
  const year = input.createdAt.getUTCFullYear();
  const look = lookOf(brand.color, content.direction);
  const words = wordsOf(content.language, content.words);
  const html = renderLayout({
    language: content.language,
    words,
    title: content.title,
    preview: content.preview ?? previewOf(content.text),
    brand,
    look,
    bodyHtml: styled(content.html, look),
    actionsHtml: renderActions(content.actions, look),
    unsubscribeUrl: input.unsubscribeUrl ?? null,
    preferencesUrl: input.preferencesUrl ?? null,
    year,
  });
  return { subject: content.title, text: plainPart(input, words, year), html };
}

function plainPart(
  { content, brand, unsubscribeUrl, preferencesUrl }: EmailInput,
  words: LayoutWords,
  year: number,
): string {
  const actions = content.actions.map(({ label, url }) => `${label}: ${url}`);
  const footer = [
    // Email programs fold what follows this line, or show it in grey (RFC 3676, section 4.3).
    '-- ',
    ...(unsubscribeUrl ? [`${words.unsubscribe}: ${unsubscribeUrl}`] : []),
    ...(preferencesUrl ? [`${words.preferences}: ${preferencesUrl}`] : []),
    ...(brand.footer ?? []),
    `© ${year} ${brand.appName} · ${brand.baseUrl}`,
  ];
  return `${[content.text, ...(actions.length > 0 ? [actions.join('\n')] : []), footer.join('\n')].join('\n\n')}\n`;
}

/** The first paragraph that is not a greeting, for the list of messages in email programs. */
function previewOf(text: string): string {
  // The rule below the header of a table says nothing.
  const written = text.replace(/^-[- ]*(?:\n|$)/gm, '');
  const paragraphs = written.split('\n\n').map((paragraph) => oneLine(paragraph).trim());
  const greeted = paragraphs.length > 1 && /^.{1,60}[,،、，]$/.test(paragraphs[0] ?? '');
  return closedIsolates(cut(paragraphs[greeted ? 1 : 0] ?? '', 140));
}

/**
 * Adds inline styles to the HTML of a body. A regular expression is safe here: all tags come from our own renderer, and
 * `<` and `>` are escaped in text and attributes. Headings move down one level, because the title is the only h1.
 */
function styled(fragment: string, { elements, direction }: Look): string {
  return (direction === 'rtl' ? mirrored(fragment) : fragment)
    .replace(typedCode, `<code style="${typedCodeStyle}">$1`)
    .replace(/(?<=<pre[^>]{0,60}>)<code>/g, '<code style="padding:0;background-color:transparent">')
    .replace(/<(\/?)([a-z][a-z0-9]*)([^>]*)>/g, (_, slash: string, tag: string, attributes: string) => {
      const name = /^h[1-5]$/.test(tag) ? `h${Number(tag[1]) + 1}` : tag;
      const before = name === 'table' && slash === '' ? '<div style="overflow-x:auto">' : '';
      const scope = name === 'th' && slash === '' ? ' scope="col"' : '';
      const after = name === 'table' && slash === '/' ? '</div>' : '';
      const style = slash === '' ? elements[name] : undefined;
      return `${before}<${slash}${name}${style ? withStyle(scope + attributes, style) : attributes}>${after}`;
    });
}

/** A code that a person reads and types, alone in its block: for example a one-time password. */
const typedCode = /(?<=<pre[^>]{0,60}>)<code>(?=[A-Z0-9-]{4,24}\n<\/code>)(?=[A-Z-]*[0-9])([A-Z0-9-]+\n)/g;

/** A column that Markdown puts on the left, `:---`, begins where its lines begin. */
function mirrored(fragment: string): string {
  return fragment.replace(/<(t[dh]) style="text-align:(left|right)"/g, (_, tag: string, side: string) => {
    return `<${tag} style="text-align:${side === 'left' ? 'right' : 'left'}"`;
  });
}

/** A table cell already has a style for its alignment. It comes last, so that it wins. */
function withStyle(attributes: string, style: string): string {
  const own = / style="([^"]*)"/.exec(attributes);
  return own ? attributes.replace(own[0], ` style="${style};${own[1]}"`) : `${attributes} style="${style}"`;
}
