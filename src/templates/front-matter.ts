/** Reads the YAML header of a template file: its values, what is wrong with them, and where. */
import { isMap, isPair, isScalar, LineCounter, type Node, type ParsedNode, parseDocument, visit } from 'yaml';
import type { HeaderFault, ReadHeader } from './header.ts';
import { suggestion } from './nearest.ts';
import type { Position } from './syntax.ts';

interface YamlProblem {
  readonly position: Position;
  readonly message: string;
}

/** A header that was read. */
export interface FrontMatter<T> {
  /** Null if anything is wrong with it. */
  readonly header: T | null;
  /** Empty if there is none. */
  readonly title: string;
  readonly problems: readonly YamlProblem[];
  /** What is valid YAML, but perhaps not what was meant. */
  readonly warnings: readonly YamlProblem[];
  /** Where the texts begin, by path. */
  readonly positions: Readonly<Record<string, Position>>;
}

const firstLine = 2;

type Document = ReturnType<typeof parseDocument<ParsedNode>>;
type PositionOf = (offset: number) => Position;

/** What every kind of header may have. */
interface WithActions {
  readonly actions: readonly unknown[];
}

/**
 * Parses a header without its `---` lines, and validates it with `read`. Positions are those in the file.
 */
export function readFrontMatter<T extends WithActions>(
  yaml: string,
  read: (value: unknown) => ReadHeader<T>,
): FrontMatter<T> {
  const lines = new LineCounter();
  const document = parseDocument<ParsedNode>(yaml, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'silent',
    schema: 'core',
  });
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: line + firstLine - 1, column: col };
  };
  const problems = yamlProblems(document, positionOf);
  const warnings = cutTexts(document, positionOf);
  if (problems.length > 0) return { header: null, title: '', problems, warnings, positions: {} };
  const result = read(document.toJS());
  const written = document.get('title');
  const title = typeof written === 'string' ? written : '';
  if ('header' in result) {
    const { header } = result;
    const positions = textPositions(header.actions, document.contents, positionOf);
    return { header, title, problems, warnings, positions };
  }
  return {
    header: null,
    title,
    warnings,
    problems: firstFaults(result.faults).map((fault) => ({
      position: positionOf(offsetOf(document.contents, fault.path)),
      message: faultMessage(fault, document.getIn(fault.path)),
    })),
    positions: textPositions([], document.contents, positionOf),
  };
}

/** Errors of the YAML itself, and valid YAML that is probably a mistake. */
function yamlProblems(document: Document, positionOf: PositionOf): YamlProblem[] {
  const problems: YamlProblem[] = document.errors.map((error) => ({
    position: positionOf(error.pos[0]),
    message: yamlMessage(error.message),
  }));
  visit(document, {
    Alias: (_, node) =>
      void problems.push({
        position: positionOf(node.range?.[0] ?? 0),
        message: 'YAML aliases are not supported; repeat the value',
      }),
    Scalar: (_, node) => {
      if (!node.comment?.includes('{{')) return;
      problems.push({
        position: positionOf(node.range?.[1] ?? 0),
        message: 'YAML reads the text after " #" as a comment; quote the value',
      });
    },
  });
  return problems;
}

/** Texts without quotes that YAML ends at " #", as in "Update #2". It may be a comment that was meant. */
function cutTexts(document: Document, positionOf: PositionOf): YamlProblem[] {
  const warnings: YamlProblem[] = [];
  visit(document, {
    Pair: (_, { key, value }, ancestors) => {
      if (!isScalar(key) || !isScalar(value)) return;
      const names = [key, ...ancestors.map((node) => (isPair(node) ? node.key : null))].map(nameOf);
      if (!names.some((name) => ['title', 'preview', 'group', 'label', 'url', 'labels'].includes(name))) return;
      if (value.type !== 'PLAIN' || !value.comment || value.comment.includes('{{')) return;
      const text = `#${value.comment}`.slice(0, 40);
      warnings.push({
        position: positionOf(value.range?.[1] ?? 0),
        message: `YAML reads ${JSON.stringify(text)} as a comment; quote the value if it is part of the text`,
      });
    },
  });
  return warnings;
}

function nameOf(key: unknown): string {
  return isScalar(key) ? String(key.value) : '';
}

/** The first fault of each path: one wrong value often has several. */
function firstFaults(faults: readonly HeaderFault[]): HeaderFault[] {
  const first = new Map<string, HeaderFault>();
  for (const fault of faults) {
    const key = fault.path.join('.');
    if (!first.has(key)) first.set(key, fault);
  }
  return [...first.values()];
}

function yamlMessage(message: string): string {
  const braces = /flow|nested mapping|compact|block collection|implicit|unexpected/i.test(message);
  const hint = braces ? '; quote values that contain ": " or begin with "{{"' : '';
  return `the header is not valid YAML: ${message.split('\n')[0]}${hint}`;
}

/** A message that says what the value must be, rather than where it belongs. */
const isRule = /^(?:must|is not|is longer)\b/;

function faultMessage({ path, message, known }: HeaderFault, value: unknown): string {
  const name = path.reduce<string>(
    (to, key) => (typeof key === 'number' ? `${to}[${key}]` : to ? `${to}.${key}` : key),
    '',
  );
  if (known) return `"${name}" ${message}${suggestion(String(path.at(-1)), known)}; known: ${known.join(', ')}`;
  const isPrimitive = typeof value !== 'object' && value !== undefined;
  const shown = isPrimitive && isRule.test(message) ? `, not ${JSON.stringify(value).slice(0, 80)}` : '';
  return path.length === 0 ? message : `"${name}" ${message}${shown}`;
}

/** The offset of the key or value at a path, or of the closest parent that exists. */
function offsetOf(root: ParsedNode | null, path: readonly (string | number)[]): number {
  let node: unknown = root;
  let offset = root?.range[0] ?? 0;
  for (const key of path) {
    const pair = isMap(node) ? node.items.find((item) => isScalar(item.key) && item.key.value === key) : null;
    offset = (pair?.key as Node | undefined)?.range?.[0] ?? offset;
    node = pair ? pair.value : (node as { get?: (key: unknown, keep: true) => unknown } | null)?.get?.(key, true);
    offset = pair ? offset : ((node as Node | undefined)?.range?.[0] ?? offset);
  }
  return offset;
}

/** The positions of the texts themselves, after their keys and opening quotes. */
function textPositions(
  written: readonly unknown[],
  root: ParsedNode | null,
  positionOf: (offset: number) => Position,
): Record<string, Position> {
  const position = (keys: readonly (string | number)[]): Position => {
    const node: unknown = keys.reduce<unknown>(
      (at, key) => (at as { get?: (key: unknown, keep: true) => unknown } | undefined)?.get?.(key, true),
      root,
    );
    if (!isScalar(node)) return positionOf(0);
    const { line, column } = positionOf(node.range?.[0] ?? 0);
    return { line, column: column + (node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE' ? 1 : 0) };
  };
  const actions = written.flatMap((_, index) =>
    (['label', 'url'] as const).map((key) => [`actions[${index}].${key}`, position(['actions', index, key])] as const),
  );
  const preview = isMap(root) && root.has('preview') ? { preview: position(['preview']) } : {};
  return { title: position(['title']), ...preview, ...Object.fromEntries(actions) };
}
