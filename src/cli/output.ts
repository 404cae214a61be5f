/**
 * How the command line prints: tables for people, JSON for programs. Everything that is printed goes through here, and
 * what others wrote (titles, replies, reasons, names) cannot steer the terminal.
 */
import { randomInt } from 'node:crypto';
import { styleText } from 'node:util';
import { printable, printableJson, printableLines } from '../printable.ts';
import { type TableFit, tableText, wrapped } from './table.ts';

/** Invalid usage or environment: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The command ran and did not succeed: exit code 1. Without a message, the command has printed why. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}

/** Nothing was done, and the caller is to try again: exit code 75, the EX_TEMPFAIL of mail servers. */
export class TryAgain extends Error {
  override readonly name = 'TryAgain';
}

type Color = Parameters<typeof styleText>[0];

/** Marks the style codes of this process: a text with any other code cannot have been styled here. */
const mark = randomInt(1_000_000_000);
const ownCode = new RegExp(`\u001b\\[(\\d+);${mark}m`);

/** Colours for standard output; none if it is not a terminal or NO_COLOR is set. */
export function color(style: Color, text: string): string {
  return styled(style, text, process.stdout);
}

/** Colours for `printStderr`. Standard error can be a terminal when standard output is not, and the other way round. */
export function colorStderr(style: Color, text: string): string {
  return styled(style, text, process.stderr);
}

function styled(style: Color, text: string, stream: NodeJS.WriteStream): string {
  // The text is added afterwards, so that only codes from here are marked.
  const [open = '', close = ''] = styleText(style, '|', { stream })
    .replaceAll(/m(?=\||$)/g, `;${mark}m`)
    .split('|');
  return open + text + close;
}

/** Replaces control characters by escapes, except the styles of `color`. */
function withoutControls(text: string): string {
  return text
    .split(ownCode)
    .map((part, index) => (index % 2 === 1 ? `\u001b[${part}m` : printableLines(part)))
    .join('');
}

/** Prints one line of the result. */
export function print(text: string): void {
  console.log(withoutControls(text));
}

/** Prints progress and hints, which are never part of what a program reads. */
export function printStderr(text: string): void {
  console.error(withoutControls(text));
}

/** Prints JSON, indented: people read it too, in the pipe of kubectl or ssh. */
export function printJson(value: unknown): void {
  console.log(printableJson(value, 2));
}

/** Prints one line of a stream of JSON values. */
export function printJsonLine(value: unknown): void {
  console.log(printableJson(value));
}

/** Prints rows under headings, or `empty` if there are none. */
export function printTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  empty: string,
  fit: TableFit = {},
): void {
  if (rows.length === 0) {
    print(color('dim', empty));
    return;
  }
  const styleHeading = (heading: string) => color('bold', heading);
  const cells = rows.map((row) => row.map(withoutBreaks));
  print(tableText({ headings, rows: cells, width: terminalWidth(), styleHeading, ...fit }));
}

/** Makes the line breaks and tabs of a value visible, so that it stays within its line. */
export function withoutBreaks(text: string): string {
  return text.replace(/[\t\n\r]/g, printable);
}

/** Prints a text with line breaks between words that fit the terminal. All lines but the first are indented. */
export function printWrapped(text: string, indent = 0): void {
  print(wrapped(text, { width: terminalWidth(), indent }));
}

/** Prints a name and value per line. Leaves out null and empty lists. */
export function printFields(fields: object): void {
  for (const [name, value] of Object.entries(fields)) {
    if (value === null || (Array.isArray(value) && value.length === 0)) continue;
    printWrapped(`${color('bold', name.padEnd(16))} ${withoutBreaks(fieldText(value))}`, 17);
  }
}

function fieldText(value: unknown): string {
  if (value instanceof Date) return timeText(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Cells per line; undefined if standard output is not a terminal. */
export function terminalWidth(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns : undefined;
}

const statusColors: Readonly<Record<string, Color>> = {
  sent: 'green',
  failed: 'red',
  held: 'yellow',
  pending: 'cyan',
  sending: 'cyan',
  expired: 'yellow',
};

/** A status in its colour. */
export function statusText(status: string): string {
  return color(statusColors[status] ?? 'dim', status);
}

/** UTC to the second, in a form that sorts; empty for null. */
export function timeText(date: Date | null): string {
  return date === null ? '' : date.toISOString().replace('T', ' ').slice(0, 19);
}

/** Seconds in the largest useful unit, for example `26 min`. */
export function ageText(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}

/** A number with separators, the same for every locale. */
export function countText(n: number): string {
  return n.toLocaleString('en-US');
}

/** `1 message`, `2,500 messages`. */
export function plural(n: number, noun: string): string {
  return `${countText(n)} ${noun}${n === 1 ? '' : 's'}`;
}
