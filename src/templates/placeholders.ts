/**
 * Why a value can never become markup: Markdown is parsed before values are inserted. Only the template's own text,
 * with a placeholder for each value, reaches the Markdown parser. Each placeholder is then replaced in the finished
 * HTML and text, where the value only needs the escaping of the context it landed in. This is also fast: most messages
 * of a template differ only in their values, so its Markdown is parsed once.
 */
import { oneLine } from './escape.ts';
import { type Chunk, type InsertedValue, RenderError } from './evaluate.ts';

/** The Markdown of a body with placeholders, and the values that replace them, by number. */
export interface MarkdownWithPlaceholders {
  readonly markdown: string;
  readonly values: readonly InsertedValue[];
}

/** Either literal text or the number of a value. */
export type TextOrPlaceholder = string | number;

/** Letters and digits only, so that the parser treats it as part of a word in any position. */
export function placeholder(value: number): string {
  return `zqx${value}xqz`;
}

const placeholderPattern = /zqx(\d+)xqz/;
const maximumLines = 1000;

/** Whether a template's own text contains what looks like a placeholder; such a template is refused. */
export function containsPlaceholder(text: string): boolean {
  return placeholderPattern.test(text);
}

/** Splits a text into literal parts and the numbers of its placeholders. */
export function splitAtPlaceholders(text: string): TextOrPlaceholder[] {
  // With one group in the pattern, split returns text and group matches in turn.
  return text.split(placeholderPattern).flatMap((part, index) => {
    if (index % 2 === 1) return Number(part);
    return part === '' ? [] : part;
  });
}

/**
 * Joins what evaluation returned into Markdown, with a placeholder for each value.
 *
 * @throws {RenderError} if `paragraphs` does not stand alone on its line or has more than 1,000 lines.
 */
export function insertPlaceholders(chunks: readonly Chunk[]): MarkdownWithPlaceholders {
  const values: InsertedValue[] = [];
  let markdown = '';
  let afterParagraphs = false;
  const add = (value: InsertedValue) => placeholder(values.push(value) - 1);
  for (const chunk of chunks) {
    const literal = typeof chunk === 'string';
    if (chunk === '') continue;
    if (afterParagraphs && !(literal && /^[ \t]*(\n|$)/.test(chunk))) throw notAlone();
    afterParagraphs = false;
    if (literal) markdown += chunk;
    else if (chunk.as !== 'paragraphs') markdown += add(chunk);
    else {
      if (markdown !== '' && !markdown.endsWith('\n')) throw notAlone();
      markdown += paragraphs(chunk.text, add);
      afterParagraphs = true;
    }
  }
  return { markdown, values };
}

/** Blank lines separate paragraphs; other line breaks become hard breaks. */
function paragraphs(text: string, add: (value: InsertedValue) => string): string {
  const lines = text.split(/\r\n|[\n\r\u0085\u2028\u2029]/).map((line) => oneLine(line).trim());
  if (lines.length > maximumLines) throw new RenderError(`"paragraphs" takes at most ${maximumLines} lines`);
  return lines
    .map((line, index) => {
      if (line === '') return '\n';
      return add({ text: line, as: 'paragraphs' }) + (lines[index + 1] ? '\\\n' : '\n');
    })
    .join('')
    .replace(/\n+$/, '')
    .replace(/^\n+/, '');
}

function notAlone(): RenderError {
  return new RenderError('"paragraphs" must stand alone, at the start of its own line');
}
