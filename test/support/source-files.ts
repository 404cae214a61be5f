/** Reads the source files below src/ as syntax trees: imports, functions and their lengths, exports, identifiers. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';

export const sourceRoot = fileURLToPath(new URL('../../src', import.meta.url));

export interface SourceImport {
  /** Path below src/. */
  readonly path: string;
  readonly typesOnly: boolean;
}

export interface SourceFunction {
  readonly name: string;
  readonly line: number;
  /** From its first line to its last, closures inside included. */
  readonly lines: number;
}

export interface SourceExport {
  readonly name: string;
  readonly line: number;
  readonly documented: boolean;
}

export interface SourceFile {
  /** Path below src/. */
  readonly path: string;
  /** First folder, or the file's own name at the top. */
  readonly part: string;
  readonly text: string;
  /** Our own files that it imports. */
  readonly imports: readonly SourceImport[];
  /** Packages that it imports for more than types. */
  readonly libraries: readonly string[];
  /** Named functions: declarations, methods, and function expressions that a name is bound to. */
  readonly functions: readonly SourceFunction[];
  /** Names that the file declares and exports; a re-export is documented where it is declared. */
  readonly exports: readonly SourceExport[];
  /** Every name that the file declares: variables, functions, types, members, parameters. */
  readonly declared: readonly string[];
}

export const partOf = (path: string): string =>
  path.includes('/') ? (path.split('/')[0] ?? '') : path.replace(/\.ts$/, '');

/** Every file of the source, parsed. */
export function readSourceFiles(): SourceFile[] {
  return readdirSync(sourceRoot, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map(readSourceFile);
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';

function readSourceFile(path: string): SourceFile {
  const text = readFileSync(join(sourceRoot, path), 'utf8');
  const parsed = parseSync(path, text);
  const body = parsed.program.body as unknown as Node[];
  const lineAt = lineFinder(text);
  const from = body.flatMap(importOf);
  const functions: SourceFunction[] = [];
  const declared = new Set<string>();
  walk(parsed.program as unknown as Node, null, (node, parent) => {
    const name = declaredName(node, parent);
    if (name !== null) declared.add(name);
    const called = functionName(node, parent);
    if (called !== null)
      functions.push({ name: called, line: lineAt(node.start), lines: lineAt(node.end) - lineAt(node.start) + 1 });
  });
  const commentEnds = parsed.comments
    .filter((comment) => comment.type === 'Block' && comment.value.startsWith('*'))
    .map((comment) => comment.end);
  const documented = (node: Node) =>
    commentEnds.some((end) => end <= node.start && /^\s*$/.test(text.slice(end, node.start)));
  return {
    path,
    part: partOf(path),
    text,
    imports: from
      .filter((entry) => entry.from.startsWith('.'))
      .map((entry) => ({
        path: relative(sourceRoot, join(sourceRoot, dirname(path), entry.from)),
        typesOnly: entry.typesOnly,
      })),
    libraries: from
      .filter((entry) => !entry.from.startsWith('.') && !entry.from.startsWith('node:') && !entry.typesOnly)
      .map((entry) => entry.from),
    functions,
    exports: body.flatMap((node) =>
      node.type === 'ExportNamedDeclaration' && isNode(node.declaration)
        ? namesOf(node.declaration).map((name) => ({ name, line: lineAt(node.start), documented: documented(node) }))
        : [],
    ),
    declared: [...declared, basename(path, '.ts')],
  };
}

function importOf(node: Node): { from: string; typesOnly: boolean }[] {
  const source = isNode(node.source) ? String(node.source.value) : null;
  if (source === null) return [];
  if (node.type !== 'ImportDeclaration') return [{ from: source, typesOnly: node.exportKind === 'type' }];
  const specifiers = (node.specifiers ?? []) as Node[];
  const typesOnly =
    node.importKind === 'type' ||
    (specifiers.length > 0 && specifiers.every((s) => s.type === 'ImportSpecifier' && s.importKind === 'type'));
  return [{ from: source, typesOnly }];
}

function walk(node: Node, parent: Node | null, visit: (node: Node, parent: Node | null) => void): void {
  visit(node, parent);
  for (const value of Object.values(node))
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, node, visit);
}

const functionTypes = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

/** The name a function is known by, or null for an anonymous callback. */
function functionName(node: Node, parent: Node | null): string | null {
  if (!functionTypes.has(node.type) || !isNode(node.body)) return null;
  if (isNode(node.id)) return String(node.id.name);
  if (parent === null) return null;
  if (parent.type === 'VariableDeclarator' && parent.init === node && isNode(parent.id)) return nameOf(parent.id);
  if (['Property', 'MethodDefinition', 'PropertyDefinition'].includes(parent.type) && isNode(parent.key))
    return nameOf(parent.key);
  return null;
}

const nameOf = (node: Node): string | null => (node.type === 'Identifier' ? String(node.name) : null);

/** The name that a node declares, if it declares one. */
function declaredName(node: Node, parent: Node | null): string | null {
  if (node.type !== 'Identifier' || parent === null) return null;
  if (parent.type === 'VariableDeclarator') return parent.id === node ? String(node.name) : null;
  const declares =
    ['FunctionDeclaration', 'ClassDeclaration', 'TSInterfaceDeclaration', 'TSTypeAliasDeclaration'].includes(
      parent.type,
    ) ||
    (['TSPropertySignature', 'TSMethodSignature', 'PropertyDefinition', 'MethodDefinition'].includes(parent.type) &&
      parent.key === node);
  return declares ? String(node.name) : null;
}

function namesOf(declaration: Node): string[] {
  if (declaration.type !== 'VariableDeclaration') return isNode(declaration.id) ? [String(declaration.id.name)] : [];
  return (declaration.declarations as Node[]).flatMap((d) => (isNode(d.id) ? (nameOf(d.id) ?? []) : []));
}

function lineFinder(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
}

/** Import cycles between files, as `a.ts -> b.ts -> a.ts`; type-only imports count. */
export function importCycles(files: readonly SourceFile[]): string[] {
  const graph = new Map(files.map((file) => [file.path, file.imports.map((i) => i.path)]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
    if (done.has(path) || trail.includes(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return cycles;
}

/** The value that a share of the numbers does not exceed. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? 0;
}
