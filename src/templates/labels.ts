/** Finds the labels and data that a template's texts use, without evaluating them. */
import type { Expression, Part, Path, Position } from './syntax.ts';

/** One use of a path whose place below the root is known. */
export interface PathUse {
  /** From the root, with `[]` for "each element of": `['data', 'builds', '[]', 'name']`. */
  readonly path: readonly string[];
  readonly position: Position;
  /** It is inside `default` or `lookup`, so a message without it can be rendered. */
  readonly mayBeAbsent: boolean;
  /** The number of loops around the innermost `if` or `unless` that decides about this use; -1 without one. */
  readonly conditionDepth: number;
  /** The number of loops around it. */
  readonly loops: number;
}

/**
 * One use of a label. `mayBeAbsent`: it is inside `default` or `lookup`, so a message without the label can be
 * rendered.
 */
export interface LabelUse {
  readonly label: string;
  readonly position: Position;
  readonly mayBeAbsent: boolean;
}

/** Returns every use of a label in one text, in order. */
export function labelUses(parts: readonly Part[]): LabelUse[] {
  return pathUses(parts).flatMap(({ path: [root, label], position, mayBeAbsent }) =>
    root === 'labels' && label !== undefined ? [{ label, position, mayBeAbsent }] : [],
  );
}

interface Place {
  readonly loops: number;
  readonly conditionDepth: number;
}

/** Returns every use of a path in one text, in order. */
export function pathUses(parts: readonly Part[], at: Place = { loops: 0, conditionDepth: -1 }): PathUse[] {
  return parts.flatMap((part): PathUse[] => {
    if (part.kind === 'text') return [];
    if (part.kind === 'value') return usesOf(part.expression, false, at);
    const decided = { ...at, conditionDepth: at.loops };
    const isCondition = part.name === 'if' || part.name === 'unless';
    const inner = isCondition ? decided : part.name === 'each' ? { ...at, loops: at.loops + 1 } : at;
    return [
      // A condition may be about what is absent; in a helper it may not.
      ...usesOf(part.subject, false, isCondition && part.subject.kind === 'path' ? decided : at),
      ...pathUses(part.body, inner),
      ...pathUses(part.otherwise, decided),
    ];
  });
}

function usesOf(expression: Expression, mayBeAbsent: boolean, at: Place): PathUse[] {
  if (expression.kind === 'literal') return [];
  const { position } = expression;
  const use = (path: readonly string[], absent: boolean) => {
    return { path, position, mayBeAbsent: absent, ...at };
  };
  if (expression.kind === 'path') return expression.absolute === null ? [] : [use(expression.absolute, mayBeAbsent)];
  const { name, args, options } = expression;
  const label = name === 'lookup' ? lookedUpLabel(args) : null;
  return [
    ...(label === null ? [] : [use(['labels', label], true)]),
    ...args.flatMap((arg, index) => usesOf(arg, (name === 'default' || name === 'lookup') && index === 0, at)),
    ...[...options.values()].flatMap((option) => usesOf(option, false, at)),
  ];
}

function lookedUpLabel([from, key]: readonly Expression[]): string | null {
  return isWhole(from, 'labels') && key?.kind === 'literal' ? String(key.value) : null;
}

function isWhole(expression: Expression | undefined, root: string): expression is Path {
  return expression?.kind === 'path' && expression.absolute?.join('.') === root;
}

/**
 * Returns the fields of the data without which no text can be rendered, sorted: those that a text uses outside of
 * conditions and loops.
 */
export function requiredData(uses: readonly PathUse[]): string[] {
  const needed = uses.filter(({ path: [root, field = '[]'], mayBeAbsent, conditionDepth, loops }) => {
    const isField = root === 'data' && !/^(?:\[\]|\d+|length)$/.test(field);
    return isField && !mayBeAbsent && conditionDepth < 0 && loops === 0;
  });
  return [...new Set(needed.map(({ path }) => String(path[1])))].sort();
}

/** Names of labels, sorted. A name is in one of the two lists only. */
export function requiredAndOptional(uses: readonly LabelUse[]): { required: string[]; optional: string[] } {
  const required = new Set(uses.filter((use) => !use.mayBeAbsent).map((use) => use.label));
  const optional = new Set(uses.map((use) => use.label).filter((label) => !required.has(label)));
  return { required: [...required].sort(), optional: [...optional].sort() };
}
