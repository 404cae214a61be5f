/** What may be stored: JSON that Postgres takes, checked before anything is written. */
import type { Issue } from '../errors.ts';
import type { JsonValue } from '../vocabulary.ts';

/** Bytes of JSON that one notification may have, without its recipients. */
export const longestNotification = 262_144;
/** More levels than anybody writes on purpose: an object that refers to itself ends here. */
const deepest = 100;

/**
 * The first thing in a value that JSON or Postgres cannot carry, or null. JSON.stringify would turn NaN into null and a
 * Map into {} without a word, and throw on bigint and on a circle.
 */
export function jsonFault(value: unknown, path: string): Issue | null {
  // A value that shares its parts may have far more nodes than bytes that are worth sending.
  let nodes = 0;
  return visit(value, path, 0);

  function visit(node: unknown, at: string, depth: number): Issue | null {
    if (depth > deepest) return { path: at, message: `is nested deeper than ${deepest} levels, or refers to itself` };
    if (++nodes > longestNotification) return { path, message: 'is too large; store it elsewhere and pass a link' };
    if (typeof node !== 'object' || node === null) return scalarFault(node, at);
    if (node instanceof Map || node instanceof Set)
      return {
        path: at,
        message: `is a ${node.constructor.name}, which JSON cannot carry; pass an array or an object`,
      };
    if ('toJSON' in node && typeof node.toJSON === 'function') return visit(node.toJSON(), at, depth + 1);
    for (const [key, member] of Object.entries(node)) {
      const below = Array.isArray(node) ? `${at}[${key}]` : at === '' ? key : `${at}.${key}`;
      const fault = scalarFault(key, below) ?? visit(member, below, depth + 1);
      if (fault !== null) return fault;
    }
    return null;
  }
}

function scalarFault(value: unknown, path: string): Issue | null {
  switch (typeof value) {
    case 'string':
      return value.includes('\u0000')
        ? { path: path.replaceAll('\u0000', '?'), message: 'holds a NUL byte, which Postgres cannot store; remove it' }
        : null;
    case 'number':
      return Number.isFinite(value) ? null : { path, message: 'is no finite number; JSON has no other' };
    case 'bigint':
    case 'function':
    case 'symbol':
      return { path, message: `is a ${typeof value}, which JSON cannot carry; pass a string or a number` };
    default:
      return null;
  }
}

/** JSON as Postgres takes it: half a surrogate pair (a text that was cut inside an emoji) becomes U+FFFD. */
export function storableJson(value: JsonValue | object): string {
  // JSON.stringify escapes halves, and halves only; an even number of backslashes before is text, not an escape.
  return JSON.stringify(value).replace(/(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/g, '$1\ufffd');
}
