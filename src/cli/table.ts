/** Tables for people. In a terminal they fit its width; elsewhere nothing is cut, because a program may read them. */
import stringWidth from 'string-width';

/** How a table becomes narrower if it does not fit the terminal. */
export interface TableFit {
  /** Columns that people copy, for example ids: never cut. */
  readonly neverCut?: readonly string[];
  /** Columns that may be left out, the first of them first. */
  readonly dropFirst?: readonly string[];
  /** Columns that are cut last, and only after others are dropped: they keep up to twice `minWidth`. */
  readonly cutLast?: readonly string[];
  /** A column that may be cut keeps this many cells, or all of them if it has fewer. Default 12. */
  readonly minWidth?: number;
}

interface TableInput extends TableFit {
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Cells per line of the terminal; undefined if there is none. */
  readonly width: number | undefined;
  readonly styleHeading: (heading: string) => string;
}

const gap = 2;

/** The table as text, without a border. */
export function tableText({ headings, rows, width, styleHeading, ...fit }: TableInput): string {
  const columns = fitted({ headings, rows, width: width ?? Number.POSITIVE_INFINITY, ...fit });
  const line = (cells: readonly string[], style = (text: string) => text) =>
    columns
      .map((column) => style(shortened(cells[column.index] ?? '', column.width)))
      .join(' '.repeat(gap))
      .replace(/ +$/, '');
  return [line(headings, styleHeading), ...rows.map((row) => line(row))].join('\n');
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
  neverCut = [],
  dropFirst = [],
  cutLast = [],
  minWidth = 12,
}: Pick<TableInput, 'headings' | 'rows'> & TableFit & { readonly width: number }): Column[] {
  let columns = headings.map((heading, index) => {
    const natural = Math.max(...[headings, ...rows].map((row) => stringWidth(row[index] ?? '')));
    const smallest = neverCut.includes(heading) ? natural : Math.min(natural, minWidth);
    const preferred = cutLast.includes(heading) ? Math.min(natural, 2 * minWidth) : smallest;
    return { index, heading, width: natural, preferred, smallest };
  });
  const total = (of: 'width' | 'preferred') => columns.reduce((sum, column) => sum + column[of] + gap, -gap);
  for (const heading of dropFirst)
    if (total('preferred') > width) columns = columns.filter((column) => column.heading !== heading);
  while (total('width') > width) {
    const byWidth = columns.toSorted((a, b) => b.width - a.width);
    const widest = byWidth.find((c) => c.width > c.preferred) ?? byWidth.find((c) => c.width > c.smallest);
    // Everything is at its smallest: the terminal wraps the lines.
    if (widest === undefined) break;
    widest.width -= 1;
  }
  return columns;
}

/** Breaks lines between words to fit, and indents all but the first. Never breaks a word: people copy ids. */
export function wrapped(text: string, { width, indent }: { width: number | undefined; indent: number }): string {
  if (width === undefined || stringWidth(text) <= width) return text;
  const lead = /^ */.exec(text)?.[0] ?? '';
  const [first = '', ...words] = text.slice(lead.length).split(' ');
  const lines: string[] = [];
  let line = lead + first;
  for (const word of words) {
    const longer = `${line} ${word}`;
    if (stringWidth(longer) > width) lines.push(line);
    line = stringWidth(longer) > width ? ' '.repeat(indent) + word : longer;
  }
  return [...lines, line].join('\n');
}

const segments = new Intl.Segmenter();
// oxlint-disable-next-line no-control-regex
const styleCode = /(\u001b\[[\d;]*m)/;

/** Exactly this many cells: cut with an ellipsis, or padded. Keeps every style code, also those after the cut. */
export function shortened(text: string, cells: number): string {
  const width = stringWidth(text);
  if (width <= cells) return text + ' '.repeat(cells - width);
  let room = Math.max(cells - 1, 0);
  let full = false;
  const parts = text.split(styleCode).map((part) => {
    if (styleCode.test(part)) return part;
    if (full) return '';
    const cut = fitting(part, room);
    room -= stringWidth(cut);
    full = cut.length < part.length;
    return full ? `${cut}…` : cut;
  });
  return parts.join('') + ' '.repeat(room);
}

/** The start of a text that takes at most this many cells. */
function fitting(text: string, cells: number): string {
  let cut = '';
  let used = 0;
  for (const { segment } of segments.segment(text)) {
    used += stringWidth(segment);
    if (used > cells) break;
    cut += segment;
  }
  return cut;
}
