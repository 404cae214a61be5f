/** JSON of the database, whose numbers have more digits than those of JavaScript. */
import type { JsonValue } from '../vocabulary.ts';

/**
 * Parses the text of a `jsonb` value. A number that JavaScript would change, such as an id above 2^53, becomes the text
 * of its digits: a link to another order is worse than a number that is text.
 */
export function exactJson(text: string | null): JsonValue {
  if (text === null) return null;
  if (!/[\d.]{16}|0\.00000/.test(text)) return JSON.parse(text) as JsonValue;
  return JSON.parse(text, (_key: string, value: JsonValue, context?: { readonly source?: string }) =>
    typeof value === 'number' ? exactNumber(value, context?.source) : value,
  ) as JsonValue;
}

function exactNumber(value: number, source = String(value)): JsonValue {
  const digits = source.includes('.') ? source.replace(/\.?0+$/, '') : source;
  return String(value) === digits ? value : source;
}
