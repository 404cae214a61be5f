/** Parsers of arguments and option values. Each throws a UsageError that names the value and what is expected. */
import { readFileSync } from 'node:fs';
import { suggestion } from '../templates/nearest.ts';
import { UsageError } from './output.ts';

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000 };

/** `30s`, `15m`, `2h`, `7d`, `2w`, `1y` as milliseconds; a year has 365 days. */
export function duration(text: string): number {
  const [, count, unit = ''] = /^(\d+(?:\.\d+)?)([smhdwy])$/.exec(text) ?? [];
  const milliseconds = Number(count) * (unitMs[unit as keyof typeof unitMs] ?? Number.NaN);
  // A Date reaches 285,616 years back from 1970.
  if (milliseconds <= 1000 * unitMs.y) return milliseconds;
  throw new UsageError(`invalid duration "${text}": expected for example 30s, 15m, 2h, 7d, 2w or 1y, at most 1000y`);
}

/** A whole number from 1 to 9,999,999. */
export function positiveInteger(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new UsageError(`invalid number "${text}": expected a whole number from 1 to 9999999`);
}

/** A TCP port; 0 lets the system choose one. */
export function portNumber(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new UsageError(`invalid port "${text}": expected 0-65535`);
}

/** A time with its zone. A time without one could be hours off. */
export function instant(text: string): Date {
  const at = new Date(text);
  if (/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*(Z|[+-]\d{2}:?\d{2})$/.test(text) && !Number.isNaN(at.getTime())) return at;
  throw new UsageError(`invalid time "${text}": expected a time with a zone, for example 2026-11-24T09:30:00Z`);
}

/** Repeatable `key=value`. */
export function keyValue(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`invalid value "${text}": expected key=value`);
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** A repeatable option. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** Parses one of a closed list of words. `what` names the list in the error. */
export function oneOf(what: string, words: readonly string[]): (text: string) => string {
  return (text) => {
    if (words.includes(text)) return text;
    throw new UsageError(`unknown ${what} "${text}": expected one of ${words.join(', ')}${suggestion(text, words)}`);
  };
}

/**
 * The text of a file, without surrounding white space; `-` is standard input. `option` is named if it cannot be read.
 */
export function readText(path: string, option: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8').trim();
  } catch {
    throw new UsageError(`${option}: cannot read ${path === '-' ? 'standard input' : path}`);
  }
}
