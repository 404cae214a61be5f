/** What changed between two texts, line by line. Pure. */

export interface DiffLine {
  readonly kind: 'same' | 'added' | 'removed';
  readonly text: string;
}

/** Beyond so many lines each, a text is taken as replaced as a whole. */
const mostLines = 2000;

/** The shortest list of added and removed lines, by the longest common subsequence. */
export function diffLines(before: string, after: string): DiffLine[] {
  const [a, b] = [before.split('\n'), after.split('\n')];
  if (a.length > mostLines || b.length > mostLines) return before === after ? lines('same', a) : replaced(a, b);
  const common = commonLengths(a, b);
  const found: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    const [old, fresh] = [a[i] ?? '', b[j] ?? ''];
    if (old === fresh) {
      found.push({ kind: 'same', text: old });
      i += 1;
      j += 1;
    } else if ((common[i + 1]?.[j] ?? 0) >= (common[i]?.[j + 1] ?? 0)) {
      found.push({ kind: 'removed', text: old });
      i += 1;
    } else {
      found.push({ kind: 'added', text: fresh });
      j += 1;
    }
  }
  return [...found, ...replaced(a.slice(i), b.slice(j))];
}

/** `[i][j]`: how many lines `a` from i on and `b` from j on have in common, in order. */
function commonLengths(a: readonly string[], b: readonly string[]): Uint16Array[] {
  const rows = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    const [row, below] = [rows[i], rows[i + 1]];
    if (row === undefined || below === undefined) continue;
    for (let j = b.length - 1; j >= 0; j -= 1)
      row[j] = a[i] === b[j] ? (below[j + 1] ?? 0) + 1 : Math.max(below[j] ?? 0, row[j + 1] ?? 0);
  }
  return rows;
}

const lines = (kind: DiffLine['kind'], texts: readonly string[]): DiffLine[] => texts.map((text) => ({ kind, text }));

function replaced(a: readonly string[], b: readonly string[]): DiffLine[] {
  return [...lines('removed', a), ...lines('added', b)];
}
