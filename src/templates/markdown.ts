/** Compiles Markdown with placeholders to HTML and plain text with placeholders. The only user of markdown-it. */
import MarkdownIt, { type Token } from 'markdown-it';
import { escapeHtml } from './escape.ts';
import { RenderError } from './evaluate.ts';
import type { Direction } from './locale.ts';
import { placeholder, splitAtPlaceholders, type TextOrPlaceholder } from './placeholders.ts';
import { attribute, plainText, type TextPart } from './plaintext.ts';
import { composeUrl } from './url.ts';

/** A link whose URL contains values: it is composed and checked for each message. */
export interface UrlTemplate {
  readonly url: readonly TextOrPlaceholder[];
}

/** A part of the compiled HTML: markup, the number of a value, or a URL. */
export type HtmlPart = TextOrPlaceholder | UrlTemplate;

/** Where in the Markdown source a value landed, which decides how it is escaped there. */
export type PlaceholderContext = 'text' | 'code' | 'tableCode' | 'codeBlock' | 'url' | 'attribute';

/** Parsed Markdown, which can be filled with values any number of times. */
export interface CompiledMarkdown {
  readonly html: readonly HtmlPart[];
  readonly text: readonly TextPart[];
  readonly markdown: readonly TextOrPlaceholder[];
  /** By the value's number; a value that is not listed is in text. */
  readonly contexts: ReadonlyMap<number, PlaceholderContext>;
  /** By the number of a value in a code block. */
  readonly codeLines: ReadonlyMap<number, CodeLine>;
}

/**
 * Compiles Markdown with placeholders, for a text that runs in a direction. Code runs from left to right in any text.
 *
 * @throws {RenderError} if a link's URL is not allowed.
 */
export type MarkdownCompiler = (markdown: string, direction: Direction) => CompiledMarkdown;

/** Creates a compiler for CommonMark with tables and strikethrough, without raw HTML, images and automatic links. */
export function createMarkdownCompiler(): MarkdownCompiler {
  const md = new MarkdownIt('default', { html: false, linkify: false, typographer: false });
  // Everything else stays literal text. A URL that starts with a value is checked when the value is known.
  md.validateLink = (url) => /^(https?:\/\/|mailto:|zqx\d+xqz)/i.test(url);
  // A remote image would tell its host who opened the email; only its description is kept.
  md.renderer.rules['image'] = (tokens, index, options, env, renderer) =>
    escapeHtml(renderer.renderInlineAsText(tokens[index]?.children ?? [], options, env));
  md.renderer.rules['fence'] = md.renderer.rules['code_block'] = (tokens, index, _, env) =>
    `<pre${env?.[direction] === 'rtl' ? leftToRight : ''}><code>` +
    `${escapeHtml(tokens[index]?.content ?? '')}</code></pre>\n`;
  const codeInline = md.renderer.rules['code_inline'];
  md.renderer.rules['code_inline'] = (tokens, index, options, env, renderer) => {
    const html = codeInline?.(tokens, index, options, env, renderer) ?? '';
    return env?.[direction] === 'rtl' ? html.replace('<code', '<code dir="ltr"') : html;
  };
  md.renderer.rules['link_open'] = (tokens, index, options, env, renderer) => {
    const token = tokens[index];
    const urls = env?.[collectedUrls] as TextOrPlaceholder[][];
    token?.attrSet('href', `zqu${urls.push(splitAtPlaceholders(attribute(token, 'href'))) - 1}uqz`);
    return renderer.renderToken(tokens, index, options);
  };

  return (written, runs) => {
    requireBrackets(written);
    // The indentation of the first line means something.
    const markdown = written.replace(/^(?:[ \t]*\n)+/, '').trimEnd();
    const tokens = md.parse(markdown, {});
    const contexts = contextsOf(tokens);
    const text = plainText(tokens);
    // Last, because rendering replaces the links' URLs in the tokens.
    const urls: TextOrPlaceholder[][] = [];
    const html = htmlParts(md.renderer.render(tokens, md.options, { [collectedUrls]: urls, [direction]: runs }), urls);
    const parts = splitAtPlaceholders(markdown);
    return { html, text, markdown: parts, contexts, codeLines: codeLinesOf(parts, contexts) };
  };
}

/** The parser looks for the end of every bracket, so its time grows with the square of those that have none. */
const maximumBrackets = 10_000;

function requireBrackets(markdown: string): void {
  let brackets = 0;
  for (let at = markdown.indexOf('['); at >= 0; at = markdown.indexOf('[', at + 1)) brackets += 1;
  if (brackets > maximumBrackets) throw new RenderError(`the text has more than ${maximumBrackets} brackets "["`);
}

/** What a value in a code block needs so that none of its lines leaves the block. */
export interface CodeLine {
  /** The quote marks and the indentation of the line where it stands, for its further lines. */
  readonly prefix: string;
  /** It stands on the line of a list marker, where dashes alone would be a rule. */
  readonly afterMarker: boolean;
}

function codeLinesOf(
  parts: readonly TextOrPlaceholder[],
  contexts: ReadonlyMap<number, PlaceholderContext>,
): Map<number, CodeLine> {
  const codeLines = new Map<number, CodeLine>();
  let line = '';
  for (const part of parts) {
    if (typeof part === 'string') {
      const start = part.lastIndexOf('\n') + 1;
      line = start > 0 ? part.slice(start) : line + part;
    } else {
      if (contexts.get(part) === 'codeBlock') codeLines.set(part, codeLineAfter(line));
      line += placeholder(part);
    }
  }
  return codeLines;
}

function codeLineAfter(line: string): CodeLine {
  const container = containerPrefix.exec(line)?.[0] ?? '';
  return { prefix: container.replace(/[^>\s]/g, ' '), afterMarker: /[^>\s]/.test(container) };
}

// Quote marks, list markers and spaces at the start of a line.
const containerPrefix = /^(?:[ \t]*(?:>|[-+*](?=[ \t])|\d{1,9}[.)](?=[ \t])))*[ \t]*/;

/** Key of markdown-it's environment under which the renderer leaves the URLs of the links. */
const collectedUrls = Symbol('urls');
/** Key under which the renderer finds the direction of the text. */
const direction = Symbol('direction');
/** Attributes of a code block in a text that runs from right to left. */
const leftToRight = ' dir="ltr" style="text-align:left"';

function htmlParts(html: string, urls: readonly TextOrPlaceholder[][]): HtmlPart[] {
  return html
    .trimEnd()
    .split(/zqu(\d+)uqz/)
    .flatMap((part, index): HtmlPart[] => {
      if (index % 2 === 0) return splitAtPlaceholders(part);
      const url = urls[Number(part)] ?? [];
      return url.every((urlPart) => typeof urlPart === 'string') ? [escapeHtml(fixedUrl(url))] : [{ url }];
    });
}

/** A URL without values is checked once, when the template is compiled. */
function fixedUrl(url: readonly string[]): string {
  try {
    return composeUrl(url);
  } catch (error) {
    if (error instanceof RenderError) throw new RenderError(`the link to "${url.join('')}": ${error.message}`);
    throw error;
  }
}

function contextsOf(tokens: readonly Token[]): Map<number, PlaceholderContext> {
  const contexts = new Map<number, PlaceholderContext>();
  const note = (text: string, context: PlaceholderContext) => {
    for (const part of splitAtPlaceholders(text)) if (typeof part === 'number') contexts.set(part, context);
  };
  let inTable = false;
  const visit = (token: Token) => {
    if (token.type === 'table_open') inTable = true;
    if (token.type === 'table_close') inTable = false;
    if (token.type === 'code_inline' || token.type === 'code_block' || token.type === 'fence') {
      note(token.content, token.type !== 'code_inline' ? 'codeBlock' : inTable ? 'tableCode' : 'code');
      note(token.info, 'code');
    }
    if (token.type === 'link_open') note(attribute(token, 'href'), 'url');
    if (token.type === 'link_open' || token.type === 'image') note(attribute(token, 'title'), 'attribute');
    token.children?.forEach(visit);
  };
  tokens.forEach(visit);
  return contexts;
}
