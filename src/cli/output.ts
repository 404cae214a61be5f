/** How the command line prints: tables for people, JSON for programs, one clear line for an error. */
import { styleText } from 'node:util';
import { ConfigurationError, InvalidNotificationError } from '../errors.ts';
import { type TableFit, tableText, wrapped } from './table.ts';

/** The input was wrong, or the surroundings are: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The command was understood and did not succeed: exit code 1. Already said, so nothing more is printed. */
export class Unsuccessful extends Error {
  override readonly name = 'Unsuccessful';
}

type Color = Parameters<typeof styleText>[0];

export function color(style: Color, text: string): string {
  return styleText(style, text);
}

export function print(text: string): void {
  console.log(text);
}

/** Beside the result: progress, hints. Never part of what a program reads. */
export function printAside(text: string): void {
  console.error(text);
}

/** Colours for `printAside`: standard error may be a terminal where standard output is none, and the other way round. */
export function colorAside(style: Color, text: string): string {
  return styleText(style, text, { stream: process.stderr });
}

export function printJson(value: unknown): void {
  console.log(JSON.stringify(value, null, process.stdout.isTTY ? 2 : undefined));
}

/** Columns by heading. Says so when there is nothing. */
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
  print(tableText({ headings, rows, width: terminalWidth(), styleHeading, ...fit }));
}

/** Prints a text so that lines break between words in a terminal, the further ones indented. */
export function printWrapped(text: string, indent = 0): void {
  print(wrapped(text, { width: terminalWidth(), indent }));
}

/** Name and value, a line each; what is null or an empty list is left out. */
export function printFields(fields: object): void {
  for (const [name, value] of Object.entries(fields)) {
    if (value === null || (Array.isArray(value) && value.length === 0)) continue;
    printWrapped(`${color('bold', name.padEnd(16))} ${fieldText(value)}`, 17);
  }
}

function fieldText(value: unknown): string {
  if (value instanceof Date) return timeText(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Undefined where standard output is no terminal. */
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

export function statusText(status: string): string {
  return color(statusColors[status] ?? 'dim', status);
}

/** UTC to the second, in a form that sorts. */
export function timeText(date: Date | null): string {
  return date === null ? '' : date.toISOString().replace('T', ' ').slice(0, 19);
}

/** The error as one line with its remedy, and the exit code. Never a stack, never a password. */
export function explainError(error: unknown): { line: string; code: number } | null {
  if (error instanceof Unsuccessful) return null;
  if (error instanceof UsageError || error instanceof ConfigurationError || error instanceof InvalidNotificationError)
    return { line: error.message, code: 2 };
  return (
    databaseError(error) ?? {
      line: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
      code: 1,
    }
  );
}

function databaseError(error: unknown): { line: string; code: number } | null {
  if (typeof error !== 'object' || error === null || !('code' in error) || typeof error.code !== 'string') return null;
  const { code } = error;
  const message = error instanceof Error ? error.message : '';
  if (['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT', 'EHOSTUNREACH', 'ECONNRESET', 'EAI_AGAIN'].includes(code))
    return {
      line: `cannot reach PostgreSQL at ${placeOf(error)} (${code}); is it running, and is DATABASE_URL right?`,
      code: 2,
    };
  if (code === '28P01' || code === '28000')
    return { line: 'PostgreSQL refused the login; check user and password in DATABASE_URL', code: 2 };
  if (code === '3D000') return { line: `${message}; create it, or correct DATABASE_URL`, code: 2 };
  if (code === '3F000' || code === '42P01')
    return { line: `the database is not migrated (${message}); run "pg-herald migrate"`, code: 2 };
  if (code === '42501') return { line: `${message}; the role of DATABASE_URL lacks a right`, code: 2 };
  if (/^HE\d{3}$/.test(code))
    return {
      line: [message.replace(/^herald: /, ''), 'hint' in error ? error.hint : ''].filter(Boolean).join('. '),
      code: 2,
    };
  return null;
}

function placeOf(error: object): string {
  // Several addresses of one name fail together.
  const first: unknown = 'errors' in error && Array.isArray(error.errors) ? error.errors[0] : error;
  if (typeof first !== 'object' || first === null || !('address' in first))
    return 'hostname' in error ? String(error.hostname) : 'the host of DATABASE_URL';
  return `${String(first.address)}:${'port' in first ? String(first.port) : '5432'}`;
}
