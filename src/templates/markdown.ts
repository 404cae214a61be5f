/** Markdown with marks to HTML and to plain text with marks. The only one to run markdown-it. */
import MarkdownIt, { type Token } from 'markdown-it';
import { escapeHtml } from './escape.ts';
import { RenderError } from './evaluate.ts';
import { attribute, plainText, type TextPart } from './plaintext.ts';
import { type Segment, segments } from './placeholders.ts';
import { composeUrl } from './url.ts';

/** A link whose URL holds values: it is put together and checked for each message. */
export interface UrlSlot {
  readonly url: readonly Segment[];
}

export type HtmlPart = Segment | UrlSlot;

/** Where in the Markdown source a value landed, which decides how it is escaped there. */
export type MarkPlace = 'text' | 'code' | 'tableCode' | 'url' | 'attribute';

/** A parsed skeleton, ready to be filled with values any number of times. */
export interface Shape {
  readonly html: readonly HtmlPart[];
  readonly text: readonly TextPart[];
  readonly markdown: readonly Segment[];
  /** By value number; what is not listed is text. */
  readonly places: ReadonlyMap<number, MarkPlace>;
}

/** Parses a skeleton. @throws {RenderError} for a link that is no allowed URL. */
export type MarkdownParser = (skeleton: string) => Shape;

export function createMarkdownParser(): MarkdownParser {
  const md = new MarkdownIt('default', { html: false, linkify: false, typographer: false });
  // Anything but these stays literal text. A URL that starts with a value is checked when the value is there.
  md.validateLink = (url) => /^(https?:\/\/|mailto:|zqx\d+xqz)/i.test(url);
  // A remote image tells its host who opened the mail; its description is kept.
  md.renderer.rules['image'] = (tokens, index, options, env, renderer) =>
    escapeHtml(renderer.renderInlineAsText(tokens[index]?.children ?? [], options, env));
  md.renderer.rules['fence'] = (tokens, index) =>
    `<pre><code>${escapeHtml(tokens[index]?.content ?? '')}</code></pre>\n`;
  md.renderer.rules['link_open'] = (tokens, index, options, env, renderer) => {
    const token = tokens[index];
    const urls = env?.[collectedUrls] as Segment[][];
    token?.attrSet('href', `zqu${urls.push(segments(attribute(token, 'href'))) - 1}uqz`);
    return renderer.renderToken(tokens, index, options);
  };

  return (skeleton) => {
    const tokens = md.parse(skeleton, {});
    const places = placesOf(tokens);
    const text = plainText(tokens);
    // Last, because rendering replaces the links' URLs in the tokens.
    const urls: Segment[][] = [];
    const html = htmlParts(md.renderer.render(tokens, md.options, { [collectedUrls]: urls }), urls);
    return { html, text, markdown: segments(skeleton.trim()), places };
  };
}

/** Key of markdown-it's environment under which the renderer leaves the URLs that it met. */
const collectedUrls = Symbol('urls');

function htmlParts(html: string, urls: readonly Segment[][]): HtmlPart[] {
  return html
    .trimEnd()
    .split(/zqu(\d+)uqz/)
    .flatMap((part, index): HtmlPart[] => {
      if (index % 2 === 0) return segments(part);
      const url = urls[Number(part)] ?? [];
      return url.every((segment) => typeof segment === 'string') ? [escapeHtml(fixedUrl(url))] : [{ url }];
    });
}

/** A URL without values is checked once. */
export function fixedUrl(url: readonly string[]): string {
  try {
    return composeUrl(url);
  } catch (error) {
    if (error instanceof RenderError) throw new RenderError(`the link to "${url.join('')}": ${error.message}`);
    throw error;
  }
}

function placesOf(tokens: readonly Token[]): Map<number, MarkPlace> {
  const places = new Map<number, MarkPlace>();
  const note = (text: string, place: MarkPlace) => {
    for (const segment of segments(text)) if (typeof segment === 'number') places.set(segment, place);
  };
  let inTable = false;
  const visit = (token: Token) => {
    if (token.type === 'table_open') inTable = true;
    if (token.type === 'table_close') inTable = false;
    if (token.type === 'code_inline' || token.type === 'code_block' || token.type === 'fence') {
      note(token.content, inTable ? 'tableCode' : 'code');
      note(token.info, 'code');
    }
    if (token.type === 'link_open') note(attribute(token, 'href'), 'url');
    if (token.type === 'link_open' || token.type === 'image') note(attribute(token, 'title'), 'attribute');
    token.children?.forEach(visit);
  };
  tokens.forEach(visit);
  return places;
}
