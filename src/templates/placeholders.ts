/**
 * Why a value can never become markup: Markdown is parsed before values are put in. The template's own text, with a
 * mark in the place of each value, is the skeleton; it alone reaches the Markdown parser. Marks are then replaced in
 * the finished HTML and text, where each value only needs the escaping of the place it landed in.
 * It is fast for the same reason: messages of one template mostly share a skeleton, which is parsed once.
 */
import { oneLine } from './escape.ts';
import { type Inserted, type Piece, RenderError } from './evaluate.ts';

/** The Markdown of a body with marks, and the values that the marks stand for. */
export interface Skeleton {
  readonly markdown: string;
  readonly values: readonly Inserted[];
}

/** Either literal text or the number of a value. */
export type Segment = string | number;

/** Letters and digits only, so that it is part of a word to the parser, wherever it stands. */
export function mark(value: number): string {
  return `zqx${value}xqz`;
}

const anyMark = /zqx(\d+)xqz/;
const maximumLines = 1000;

/** Whether a template's own text contains what looks like a mark; such a template is refused. */
export function containsMark(text: string): boolean {
  return anyMark.test(text);
}

/** Cuts a text at its marks. */
export function segments(text: string): Segment[] {
  // With one group in the pattern, split yields text and value numbers in turn.
  return text.split(anyMark).flatMap((part, index) => (index % 2 === 1 ? Number(part) : part === '' ? [] : part));
}

/**
 * @throws {RenderError} when `paragraphs` does not stand alone on its line or has too many lines.
 */
export function buildSkeleton(pieces: readonly Piece[]): Skeleton {
  const values: Inserted[] = [];
  let markdown = '';
  let closed = false;
  const add = (value: Inserted) => mark(values.push(value) - 1);
  for (const piece of pieces) {
    const own = typeof piece === 'string';
    if (piece === '') continue;
    if (closed && !(own && /^[ \t]*(\n|$)/.test(piece))) throw notAlone();
    closed = false;
    if (own) markdown += piece;
    else if (piece.as !== 'paragraphs') markdown += add(piece);
    else {
      if (markdown !== '' && !markdown.endsWith('\n')) throw notAlone();
      markdown += paragraphs(piece.text, add);
      closed = true;
    }
  }
  return { markdown, values };
}

/** Blank lines separate paragraphs, other line breaks stay as hard breaks. */
function paragraphs(text: string, add: (value: Inserted) => string): string {
  const lines = text.split(/\r\n|[\n\r\u0085\u2028\u2029]/).map((line) => oneLine(line).trim());
  if (lines.length > maximumLines) throw new RenderError(`"paragraphs" takes at most ${maximumLines} lines`);
  return lines
    .map((line, index) => {
      if (line === '') return '\n';
      return add({ text: line, as: 'text' }) + (lines[index + 1] ? '\\\n' : '\n');
    })
    .join('')
    .replace(/\n+$/, '')
    .replace(/^\n+/, '');
}

function notAlone(): RenderError {
  return new RenderError('"paragraphs" must stand alone, at the start of its own line');
}
