/** Puts the values into compiled Markdown, each escaped for its context. */
import type { RenderedContent } from '../vocabulary.ts';
import { isolated, isolatedHtml } from './bidi.ts';
import {
  codeText,
  escapeHtml,
  escapeMarkdown,
  escapeMarkdownAttribute,
  escapeMarkdownCode,
  escapeMarkdownTableCode,
  oneLine,
} from './escape.ts';
import { type InsertedValue, maximumOutput, RenderError, tooLong } from './evaluate.ts';
import type { Direction } from './locale.ts';
import type { CompiledMarkdown, PlaceholderContext } from './markdown.ts';
import type { TextOrPlaceholder } from './placeholders.ts';
import { layOutTable, type TextInline, type TextPart, type TextTable } from './plaintext.ts';
import { composeUrl, encodeInUrl } from './url.ts';

/**
 * Replaces the placeholders in all three forms of a body.
 *
 * @throws {RenderError} if a form is too long, a URL is not allowed, or `paragraphs` is used in code.
 */
export function fillMarkdown(
  compiled: CompiledMarkdown,
  values: readonly InsertedValue[],
  direction: Direction,
): Pick<RenderedContent, 'markdown' | 'text' | 'html'> {
  const { contexts, codeLines } = compiled;
  const texts = values.map((value, number) => textOf(value, contexts.get(number)));
  // What a person copies from code must not hold invisible characters, and URLs are encoded.
  const shown = (number: number) =>
    contexts.has(number) ? (texts[number] ?? '') : isolated(texts[number] ?? '', direction);
  const html = (number: number) => {
    const text = texts[number] ?? '';
    return contexts.has(number) ? escapeHtml(text) : isolatedHtml(text, escapeHtml(text), direction);
  };
  const url = (parts: readonly TextOrPlaceholder[]) =>
    composeUrl(parts.map((part) => (typeof part === 'string' ? part : (values[part] ?? ''))));
  const inline = (part: TextInline) => {
    if (typeof part === 'string') return part;
    if (typeof part === 'number') return shown(part);
    return 'code' in part ? (texts[part.code] ?? '').replaceAll('\n', `\n${part.prefix}`) : url(part.url);
  };
  const markdown = (part: TextOrPlaceholder, index: number) =>
    typeof part === 'string'
      ? part
      : escapedForMarkdown(part, compiled.markdown[index + 1], { values, texts, contexts, codeLines, direction });
  return {
    markdown: joinBounded(compiled.markdown, markdown),
    text: joinBounded(compiled.text, (part) =>
      isTable(part) ? layOutTable(part, (cell) => cell.map(inline).join('')) : inline(part),
    ),
    html: joinBounded(compiled.html, (part) => {
      if (typeof part === 'string') return part;
      return typeof part === 'number' ? html(part) : escapeHtml(url(part.url));
    }),
  };
}

/** Most lines of a value in a code block. */
const maximumCodeLines = 1000;

function textOf({ text, as }: InsertedValue, context: PlaceholderContext | undefined): string {
  const isCode = context === 'code' || context === 'tableCode' || context === 'codeBlock';
  if (isCode && as === 'paragraphs') {
    throw new RenderError('"paragraphs" cannot be used in code; a value in a code block keeps its line breaks anyway');
  }
  if (context !== 'codeBlock') return oneLine(text);
  const code = codeText(text);
  if (code.split('\n').length > maximumCodeLines) {
    throw new RenderError(`a value in a code block has more than ${maximumCodeLines} lines`);
  }
  return code;
}

/** Joins the parts and stops as soon as the text is too long. */
function joinBounded<T>(parts: readonly T[], textOfPart: (part: T, index: number) => string): string {
  let joined = '';
  parts.forEach((part, index) => {
    joined += textOfPart(part, index);
    if (joined.length > maximumOutput) throw tooLong();
  });
  return joined;
}

function isTable(part: TextPart): part is TextTable {
  return typeof part === 'object' && 'rows' in part;
}

interface MarkdownValues extends Pick<CompiledMarkdown, 'contexts' | 'codeLines'> {
  readonly values: readonly InsertedValue[];
  /** The values as HTML and as text. */
  readonly texts: readonly string[];
  readonly direction: Direction;
}

/** The value with this number, escaped for the place in the Markdown where it stands before `next`. */
function escapedForMarkdown(
  number: number,
  next: TextOrPlaceholder | undefined,
  { values, texts, contexts, codeLines, direction }: MarkdownValues,
): string {
  const line = texts[number] ?? '';
  switch (contexts.get(number) ?? 'text') {
    case 'text':
      return isolated(escapeMarkdown(line), direction);
    case 'code':
      return escapeMarkdownCode(line);
    case 'tableCode':
      return escapeMarkdownTableCode(line);
    case 'codeBlock': {
      const { prefix, afterMarker } = codeLines.get(number) ?? { prefix: '', afterMarker: false };
      // U+2060 is invisible and keeps a line of dashes after a list marker from becoming a rule.
      const start = afterMarker && /^[-*_ \t]+(?:\n|$)/.test(line) ? '\u2060' : '';
      return start + escapeMarkdownCode(line).replaceAll('\n', `\n${prefix}`);
    }
    case 'attribute':
      return escapeMarkdownAttribute(line);
    case 'url': {
      const value = values[number];
      if (value === undefined) return '';
      if (value.as !== 'url') return encodeInUrl({ ...value, text: line });
      const whole = composeUrl([value]).replace(/[()]/g, (c) => (c === '(' ? '%28' : '%29'));
      return typeof next === 'string' && next.startsWith('/') && whole.endsWith('/') ? whole.slice(0, -1) : whole;
    }
  }
}
