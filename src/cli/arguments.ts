/** Parsers of arguments and option values. Each throws a UsageError that names the value and what is expected. */
import { readFileSync } from 'node:fs';
import { suggestion } from '../templates/nearest.ts';
import { isUuid } from '../vocabulary.ts';
import { CommandFailed, UsageError } from './output.ts';

/** A message id. */
export function messageId(text: string): string {
  if (isUuid(text)) return text;
  throw new UsageError(
    `invalid message id "${text}": expected a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057 (see ` +
      '"pg-herald messages list")',
  );
}

/** Ends the command because no message has this id. */
export function noSuchMessage(id: string): never {
  throw new CommandFailed(`no message ${id}: it may have been purged, or its transaction was rolled back`);
}

/** `30s`, `15m`, `2h`, `7d` as milliseconds. */
export function duration(text: string): number {
  const parts = /^(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(text);
  const unit = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[parts?.[2] ?? ''];
  if (parts === null || unit === undefined)
    throw new UsageError(`invalid duration "${text}": expected for example 30s, 15m, 2h or 7d`);
  return Number(parts[1]) * unit;
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
