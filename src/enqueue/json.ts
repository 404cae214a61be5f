/** What may be stored: JSON that Postgres accepts, checked before anything is written. */
import type { Issue } from '../errors.ts';
import type { JsonValue } from '../vocabulary.ts';
import { bounds } from './bounds.ts';

/**
 * Returns the first value inside `value` that JSON or Postgres cannot hold, or null. JSON.stringify would silently turn
 * NaN into null and a Map into {}, and throw on bigint and on a cycle.
 */
export function findUnstorable(value: unknown, path: string): Issue | null {
  // A value that shares its parts may have far more nodes than bytes that are worth sending.
  let nodes = 0;
  return visit(value, path, 0);

  function visit(node: unknown, at: string, depth: number): Issue | null {
    if (depth > bounds.depth)
      return { path: at, message: `is nested deeper than ${bounds.depth} levels, or refers to itself` };
    if (++nodes > bounds.notificationBytes)
      return { path, message: 'is too large; store it elsewhere and pass a link' };
    if (typeof node !== 'object' || node === null) return unstorableScalar(node, at);
    if (node instanceof Map || node instanceof Set)
      return {
        path: at,
        message: `is a ${node.constructor.name}, which JSON cannot hold; pass an array or an object`,
      };
    if ('toJSON' in node && typeof node.toJSON === 'function') return visit(node.toJSON(), at, depth + 1);
    for (const [key, member] of Object.entries(node)) {
      const below = Array.isArray(node) ? `${at}[${key}]` : at === '' ? key : `${at}.${key}`;
      const issue = unstorableScalar(key, below) ?? visit(member, below, depth + 1);
      if (issue !== null) return issue;
    }
    return null;
  }
}

function unstorableScalar(value: unknown, path: string): Issue | null {
  switch (typeof value) {
    case 'string':
      return value.includes('\u0000')
        ? { path: path.replaceAll('\u0000', '?'), message: 'holds a NUL byte, which Postgres cannot store; remove it' }
        : null;
    case 'number':
      return Number.isFinite(value) ? null : { path, message: 'is not a finite number; JSON has no other' };
    case 'bigint':
    case 'function':
    case 'symbol':
      return { path, message: `is a ${typeof value}, which JSON cannot hold; pass a string or a number` };
    default:
      return null;
  }
}

/**
 * Returns the JSON of a value as Postgres accepts it: half a surrogate pair (a text that was cut inside an emoji)
 * becomes U+FFFD.
 */
export function storableJson(value: JsonValue | object): string {
  const json = JSON.stringify(value);
  if (!json.includes('\\ud')) return json;
  // JSON.stringify escapes only lone surrogates; an even number of backslashes before one is text, not an escape.
  return json.replace(/(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/g, '$1\ufffd');
}
