/** Turns Markdown tokens into plain text, for the text/plain part of an email, a terminal or a webhook. */
import type { Token } from 'markdown-it';
import stringWidth from 'string-width';
import { maximumOutput, tooLong } from './evaluate.ts';
import { type TextOrPlaceholder, splitAtPlaceholders } from './placeholders.ts';

/** A table. It is laid out for each message, because the values decide the width of its columns. */
export interface TextTable {
  /** Put before every line, for a table within a quote or list. */
  readonly prefix: string;
  readonly rows: readonly (readonly (readonly TextInline[])[])[];
  readonly alignRight: readonly boolean[];
}

/** The URL of a link, in parentheses after its text. */
export interface TextUrl {
  readonly url: readonly TextOrPlaceholder[];
}

/** A value in a code block, which keeps its line breaks. */
export interface TextCode {
  /** The number of the value. */
  readonly code: number;
  /** Put before every line but the first. */
  readonly prefix: string;
}

/** A part of a line: text, the number of a value, or a URL. */
export type TextInline = TextOrPlaceholder | TextUrl | TextCode;
/** A part of the compiled plain text. */
export type TextPart = TextInline | TextTable;

interface Line {
  readonly prefix: string;
  readonly content: readonly TextInline[] | Omit<TextTable, 'prefix'>;
}

/** Returns plain text with placeholders. Blank lines separate blocks; the text never ends in a line break. */
export function plainText(tokens: readonly Token[]): TextPart[] {
  const lines = stacked(blocksOf(tokens), false);
  const parts = lines.flatMap(({ prefix, content }, index): TextPart[] => {
    const start = index === 0 ? '' : '\n';
    if ('rows' in content) return [start, { prefix, ...content }];
    // A blank line within a quote keeps its `>`, but no line ends in a space.
    if (content.length === 0) return [start + prefix.trimEnd()];
    return [start + prefix, ...content.map((part) => withPrefix(part, prefix))];
  });
  return parts.reduce<TextPart[]>((joined, part) => {
    const last = joined.at(-1);
    if (typeof part === 'string' && typeof last === 'string') joined[joined.length - 1] = last + part;
    else if (part !== '') joined.push(part);
    return joined;
  }, []);
}

/** Further lines of a value stand below its first one, also within a quote or list. */
function withPrefix(part: TextInline, prefix: string): TextInline {
  return typeof part === 'object' && 'code' in part ? { ...part, prefix } : part;
}

/** Widest column that is padded, in characters. A longer cell stands as it is, so that it cannot widen all rows. */
const maximumColumnWidth = 60;

/**
 * Pads the columns, with two spaces between them and a rule below the header. `fill` returns the text of a cell.
 *
 * @throws {RenderError} if the padded table is larger than the limit of a text.
 */
export function layOutTable(table: TextTable, fill: (cell: readonly TextInline[]) => string): string {
  const cells = table.rows.map((row) => table.alignRight.map((_, column) => fill(row[column] ?? [])));
  const widths = table.alignRight.map((_, column) =>
    cells.reduce((widest, row) => Math.max(widest, cappedWidth(row[column] ?? '')), 3),
  );
  requireSize(cells, widths, table.prefix.length);
  const lines = cells.map((row) =>
    widths.map((width, column) => padded(row[column] ?? '', width, table.alignRight[column] === true)).join('  '),
  );
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  return lines.map((line) => (table.prefix + line).trimEnd()).join('\n');
}

/** Before anything is padded: a long row of a large table would otherwise take all memory first. */
function requireSize(cells: readonly (readonly string[])[], widths: readonly number[], prefix: number): void {
  let size = 0;
  for (const row of cells) {
    size += prefix + 1;
    for (const [column, width] of widths.entries()) size += Math.max(width, row[column]?.length ?? 0) + 2;
    if (size > 2 * maximumOutput) throw tooLong();
  }
}

function padded(text: string, width: number, alignRight: boolean): string {
  const space = ' '.repeat(Math.max(0, width - cappedWidth(text)));
  return alignRight ? space + text : text + space;
}

/** Width in a monospaced font, at most `maximumColumnWidth`. */
function cappedWidth(text: string): number {
  if (/^[ -~]*$/.test(text)) return Math.min(text.length, maximumColumnWidth);
  // Even with combining marks, a text that is this long is wide enough.
  return Math.min(stringWidth(text.slice(0, 8 * maximumColumnWidth)), maximumColumnWidth);
}

/** Returns an attribute of a token as text, empty if it has none. */
export function attribute(token: Token, name: string): string {
  return String(token.attrGet(name) ?? '');
}

type Block = readonly Line[];

/** Puts blocks below each other, with a blank line between them unless they are items of a tight list. */
function stacked(blocks: readonly Block[], tight: boolean): Line[] {
  return blocks
    .filter((block) => block.length > 0)
    .flatMap((block, index) => (index === 0 || tight ? block : [{ prefix: '', content: [] }, ...block]));
}

function indented(lines: readonly Line[], first: string, next: string): Line[] {
  return lines.map(({ prefix, content }, index) => ({ prefix: (index === 0 ? first : next) + prefix, content }));
}

function blocksOf(tokens: readonly Token[]): Block[] {
  const blocks: Block[] = [];
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index];
    if (!token) continue;
    const end = token.nesting === 1 ? closing(tokens, index) : index;
    blocks.push(block(token, tokens.slice(index + 1, end)));
    index = end;
  }
  return blocks;
}

function closing(tokens: readonly Token[], open: number): number {
  const level = tokens[open]?.level;
  for (let index = open + 1; index < tokens.length; index += 1) {
    const token = tokens[index];
    if (token?.nesting === -1 && token.level === level) return index;
  }
  return tokens.length - 1;
}

function block(token: Token, inside: readonly Token[]): Block {
  switch (token.type) {
    case 'inline':
      return inlineLines(token.children ?? []);
    case 'fence':
    case 'code_block':
      return token.content
        .trimEnd()
        .split('\n')
        .map((line) => ({ prefix: '    ', content: splitAtPlaceholders(line).map(inCode) }));
    case 'hr':
      return [{ prefix: '', content: ['-'.repeat(40)] }];
    case 'blockquote_open':
      return indented(stacked(blocksOf(inside), false), '> ', '> ');
    case 'bullet_list_open':
    case 'ordered_list_open':
      return list(token, inside);
    case 'table_open':
      return [{ prefix: '', content: table(inside) }];
    default:
      return stacked(blocksOf(inside), false);
  }
}

function inCode(part: TextOrPlaceholder): TextInline {
  return typeof part === 'number' ? { code: part, prefix: '' } : part;
}

function list(token: Token, inside: readonly Token[]): Line[] {
  const tight = inside.some(
    (child) => child.type === 'paragraph_open' && child.hidden && child.level === token.level + 2,
  );
  const start = Number(token.attrGet('start') ?? 1);
  const items: Block[] = [];
  for (let index = 0; index < inside.length; index += 1) {
    const end = closing(inside, index);
    const marker = token.type === 'ordered_list_open' ? `${start + items.length}. ` : '- ';
    const lines = stacked(blocksOf(inside.slice(index + 1, end)), tight);
    items.push(indented(lines.length > 0 ? lines : [{ prefix: '', content: [] }], marker, ' '.repeat(marker.length)));
    index = end;
  }
  return stacked(items, tight);
}

function table(inside: readonly Token[]): Omit<TextTable, 'prefix'> {
  const rows: TextInline[][][] = [];
  const alignRight: boolean[] = [];
  for (const [index, token] of inside.entries()) {
    if (token.type === 'tr_open') rows.push([]);
    if (token.type === 'th_open') alignRight.push(token.attrGet('style') === 'text-align:right');
    if (token.type !== 'th_open' && token.type !== 'td_open') continue;
    const content = inside[index + 1]?.children ?? [];
    // A cell is one line, whatever it holds.
    rows
      .at(-1)
      ?.push(inlineLines(content).flatMap((line, at) => (at === 0 ? inlineOf(line) : [' ', ...inlineOf(line)])));
  }
  return { rows, alignRight };
}

function inlineOf(line: Line): readonly TextInline[] {
  return 'rows' in line.content ? [] : line.content;
}

function inlineLines(tokens: readonly Token[]): Line[] {
  const lines: TextInline[][] = [[]];
  const links: { href: string; from: number; auto: boolean }[] = [];
  for (const token of tokens) {
    const line = lines.at(-1) ?? [];
    if (token.type === 'hardbreak') lines.push([]);
    else if (token.type === 'softbreak') line.push(' ');
    else if (token.type === 'link_open') {
      links.push({ href: attribute(token, 'href'), from: line.length, auto: token.markup === 'autolink' });
    } else if (token.type === 'link_close') {
      const link = links.pop();
      if (link) append(line, linkTarget(link, line));
    } else if (token.type === 'image') append(line, inlineLines(token.children ?? []).flatMap(inlineOf));
    else append(line, splitAtPlaceholders(token.content));
  }
  return lines.map((content) => ({ prefix: '', content }));
}

/** Not `push(...parts)`, which fails for more parts than fit on the stack. */
function append(line: TextInline[], parts: readonly TextInline[]): void {
  for (const part of parts) line.push(part);
}

function linkTarget(
  { href, from, auto }: { href: string; from: number; auto: boolean },
  line: readonly TextInline[],
): TextInline[] {
  const texts = line.slice(from);
  const shown = texts.every((part) => typeof part === 'string') ? texts.join('') : '';
  return auto || shown === href || `mailto:${shown}` === href ? [] : [' (', { url: splitAtPlaceholders(href) }, ')'];
}
