/** Finds the labels that a template's texts use, without evaluating them. */
import type { Expression, Part, Position } from './syntax.ts';

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
  return parts.flatMap((part): LabelUse[] => {
    if (part.kind === 'text') return [];
    if (part.kind === 'value') return usesOf(part.expression, false);
    return [...usesOf(part.subject, false), ...labelUses(part.body), ...labelUses(part.otherwise)];
  });
}

function usesOf(expression: Expression, mayBeAbsent: boolean): LabelUse[] {
  if (expression.kind === 'literal') return [];
  if (expression.kind === 'path') {
    const [root, label] = expression.absolute ?? [];
    return root === 'labels' && label !== undefined ? [{ label, position: expression.position, mayBeAbsent }] : [];
  }
  const { name, args, options, position } = expression;
  const [from, key] = args;
  const lookedUp = name === 'lookup' && from?.kind === 'path' && from.absolute?.join('.') === 'labels';
  return [
    ...(lookedUp && key?.kind === 'literal' ? [{ label: String(key.value), position, mayBeAbsent: true }] : []),
    ...args.flatMap((arg, position) => usesOf(arg, name === 'default' && position === 0)),
    ...[...options.values()].flatMap((option) => usesOf(option, false)),
  ];
}

/** Names of labels, sorted. A name is in one of the two lists only. */
export function requiredAndOptional(uses: readonly LabelUse[]): { required: string[]; optional: string[] } {
  const required = new Set(uses.filter((use) => !use.mayBeAbsent).map((use) => use.label));
  const optional = new Set(uses.map((use) => use.label).filter((label) => !required.has(label)));
  return { required: [...required].sort(), optional: [...optional].sort() };
}
