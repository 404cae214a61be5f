/** Walks a template's syntax tree. */
import type { Call, Expression, Part } from './syntax.ts';

/** Every call of a helper in one text, in order, those within other calls included. */
export function callsOf(parts: readonly Part[]): Call[] {
  return parts.flatMap((part): Call[] => {
    if (part.kind === 'text') return [];
    if (part.kind === 'value') return callsIn(part.expression);
    return [...callsIn(part.subject), ...callsOf(part.body), ...callsOf(part.otherwise)];
  });
}

function callsIn(expression: Expression): Call[] {
  if (expression.kind !== 'call') return [];
  return [expression, ...[...expression.args, ...expression.options.values()].flatMap(callsIn)];
}

/** What the loops of one text run over, as it is written, sorted. A loop over what is not known is left out. */
export function loopsOf(parts: readonly Part[]): string[] {
  return parts
    .flatMap((part): string[] => {
      if (part.kind !== 'block') return [];
      const { name, subject, body, otherwise } = part;
      const list = subject.kind === 'call' ? subject.args[0] : subject;
      const path = name === 'each' && list?.kind === 'path' && list.absolute !== null ? [list.absolute.join('.')] : [];
      return [...path, ...loopsOf(body), ...loopsOf(otherwise)];
    })
    .sort();
}
