/** A rendered message as a mail: subject, plain text, HTML. Pure. */
import type { Brand, RenderedContent } from '../vocabulary.ts';
import { cut, oneLine } from './escape.ts';
import { elementStyles, renderActions, renderLayout } from './layout.ts';

export interface EmailInput {
  readonly content: RenderedContent;
  readonly brand: Brand;
  /** Shown in the footer of both parts; the header fields are the dispatcher's. */
  readonly unsubscribeUrl?: string | null;
  /** Why this person gets this mail, one sentence, for example "You get this because you own the workspace." */
  readonly reasonLine?: string | null;
  /** Gives the year of the footer. */
  readonly createdAt: Date;
  /** BCP 47 tag of the language that the text is written in, which need not be the recipient's. Default `en`. */
  readonly locale?: string;
}

export interface Email {
  readonly subject: string;
  readonly text: string;
  /** A complete document; inline styles carry the layout. Keep it below 100,000 bytes: Gmail clips at about 102 KB. */
  readonly html: string;
}

/** Puts content into the mail layout. Never throws. */
export function renderEmail(input: EmailInput): Email {
  const { content, brand } = input;
  const year = input.createdAt.getUTCFullYear();
  const html = renderLayout({
    language: input.locale !== undefined && languageTag.test(input.locale) ? input.locale : 'en',
    title: content.title,
    preview: previewOf(content.text),
    appName: brand.appName,
    baseUrl: brand.baseUrl,
    // A remote image may only come from where the operator says, and encrypted.
    logoUrl: brand.logoUrl?.startsWith('https://') ? brand.logoUrl : null,
    bodyHtml: styled(content.html),
    actionsHtml: renderActions(content.actions),
    reasonLine: input.reasonLine ?? null,
    unsubscribeUrl: input.unsubscribeUrl ?? null,
    year,
  });
  return { subject: content.title, text: plainPart(input, year), html };
}

const languageTag = /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}$/;

function plainPart({ content, brand, unsubscribeUrl, reasonLine }: EmailInput, year: number): string {
  const actions = content.actions.map(({ label, url }) => `${label}: ${url}`);
  const footer = [
    // Mail programs grey out or fold what follows this line (RFC 3676, section 4.3).
    '-- ',
    ...(reasonLine ? [reasonLine] : []),
    ...(unsubscribeUrl ? [`Unsubscribe from mails like this: ${unsubscribeUrl}`] : []),
    `© ${year} ${brand.appName} · ${brand.baseUrl}`,
  ];
  return `${[content.text, ...(actions.length > 0 ? [actions.join('\n')] : []), footer.join('\n')].join('\n\n')}\n`;
}

/** The first sentence that says something: not the greeting. */
function previewOf(text: string): string {
  const paragraphs = text.split('\n\n').map((paragraph) => oneLine(paragraph).trim());
  const greeted = paragraphs.length > 1 && /^.{1,60},$/.test(paragraphs[0] ?? '');
  return cut(paragraphs[greeted ? 1 : 0] ?? '', 140);
}

/**
 * Adds inline styles to a body's fragment. Its tags are all ours: in text and attributes `<` and `>` are escaped. The
 * mail's title is the only h1.
 */
function styled(fragment: string): string {
  return fragment
    .replaceAll('<pre><code>', '<pre><code style="padding:0;background-color:transparent">')
    .replace(/<(\/?)([a-z][a-z0-9]*)([^>]*)>/g, (_, slash: string, tag: string, attributes: string) => {
      const name = /^h[1-5]$/.test(tag) ? `h${Number(tag[1]) + 1}` : tag;
      const before = name === 'table' && slash === '' ? '<div style="overflow-x:auto">' : '';
      const scope = name === 'th' && slash === '' ? ' scope="col"' : '';
      const after = name === 'table' && slash === '/' ? '</div>' : '';
      const style = slash === '' ? elementStyles[name] : undefined;
      return `${before}<${slash}${name}${style ? withStyle(scope + attributes, style) : attributes}>${after}`;
    });
}

/** A table cell brings its alignment as a style of its own, which comes last and wins. */
function withStyle(attributes: string, style: string): string {
  const own = / style="([^"]*)"/.exec(attributes);
  return own ? attributes.replace(own[0], ` style="${style};${own[1]}"`) : `${attributes} style="${style}"`;
}
