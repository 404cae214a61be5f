/** Tables for people. In a terminal they fit its width; elsewhere nothing is cut, because a program may read them. */
import { stripVTControlCharacters } from 'node:util';
import Table from 'cli-table3';

/** How a table gives way where a terminal is too narrow. */
export interface TableFit {
  /** Columns that are copied from, for example ids: never cut. */
  readonly whole?: readonly string[];
  /** Columns that can be left out, the first of them first. */
  readonly spare?: readonly string[];
  /** Columns that are cut last, and before which others are left out: they keep up to twice of `least`. */
  readonly dear?: readonly string[];
  /** A column that may be cut keeps so many cells, or its whole width if that is less. Default 12. */
  readonly least?: number;
}

interface TableInput extends TableFit {
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns of the terminal; undefined where there is none. */
  readonly width: number | undefined;
  readonly styleHeading: (heading: string) => string;
}

const gap = 2;

const edges =
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid';
const plain = Object.fromEntries(edges.split(' ').map((edge) => [edge, '']));

export function tableText({ headings, rows, width, styleHeading, ...fit }: TableInput): string {
  const columns = width === undefined ? null : fitted({ headings, rows, width, ...fit });
  const shown = columns?.map(({ index }) => index) ?? headings.map((_, index) => index);
  const cut = columns?.some(({ index, width: given }) => given < naturalWidth(headings, rows, index)) === true;
  const table = new Table({
    head: shown.map((index) => styleHeading(headings[index] ?? '')),
    chars: { ...plain, middle: ' '.repeat(gap) },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    ...(cut && columns && { colWidths: columns.map((column) => column.width) }),
  });
  table.push(...rows.map((row) => shown.map((index) => row[index] ?? '')));
  const text = table.toString();
  return width === undefined ? text : text.replace(/ +$/gm, '');
}

interface Column {
  readonly index: number;
  readonly width: number;
}

/** Which columns are shown, and how wide. */
function fitted({
  headings,
  rows,
  width,
  whole = [],
  spare = [],
  dear = [],
  least = 12,
}: Pick<TableInput, 'headings' | 'rows'> & TableFit & { readonly width: number }): Column[] {
  let columns = headings.map((heading, index) => {
    const natural = naturalWidth(headings, rows, index);
    const smallest = whole.includes(heading) ? natural : Math.min(natural, least);
    const due = dear.includes(heading) ? Math.min(natural, 2 * least) : smallest;
    return { index, heading, width: natural, due, least: smallest };
  });
  const total = (of: 'width' | 'due') => columns.reduce((sum, column) => sum + column[of] + gap, -gap);
  for (const heading of spare) if (total('due') > width) columns = columns.filter((c) => c.heading !== heading);
  while (total('width') > width) {
    const byWidth = columns.toSorted((a, b) => b.width - a.width);
    const widest = byWidth.find((c) => c.width > c.due) ?? byWidth.find((c) => c.width > c.least);
    // Narrower than everything that must stay: the terminal wraps.
    if (widest === undefined) break;
    widest.width -= 1;
  }
  return columns;
}

function naturalWidth(headings: readonly string[], rows: readonly (readonly string[])[], index: number): number {
  return Math.max(...[headings, ...rows].map((row) => textWidth(row[index] ?? '')));
}

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u;

/** Cells of a terminal that a text takes. */
function textWidth(text: string): number {
  let cells = 0;
  for (const character of stripVTControlCharacters(text)) cells += wide.test(character) ? 2 : 1;
  return cells;
}

/** Breaks lines between words so that they fit, the further ones indented. Words are never broken: ids are copied. */
export function wrapped(text: string, { width, indent }: { width: number | undefined; indent: number }): string {
  if (width === undefined || textWidth(text) <= width) return text;
  const lines: string[] = [];
  const [first = '', ...words] = text.trimStart().split(' ');
  let line = text.slice(0, text.length - text.trimStart().length) + first;
  for (const word of words) {
    const longer = `${line} ${word}`;
    if (textWidth(longer) > width) lines.push(line);
    line = textWidth(longer) > width ? ' '.repeat(indent) + word : longer;
  }
  return [...lines, line].join('\n');
}

/** Exactly so many cells: cut with an ellipsis, or filled up. */
export function shortened(text: string, cells: number): string {
  let kept = '';
  if (textWidth(text) <= cells) kept = text;
  else {
    for (const character of text)
      if (textWidth(kept) + textWidth(character) < cells) kept += character;
      else break;
    kept += '…';
  }
  return kept + ' '.repeat(Math.max(cells - textWidth(kept), 0));
}
