/**
 * The log on standard error: one JSON object per line in the form of pino or, in a terminal, one line for people.
 */
import { styleText } from 'node:util';
import { printable, printableJson } from '../printable.ts';
import type { Logger } from '../vocabulary.ts';
import type { LogLevel } from './settings.ts';

const levels = { debug: 20, info: 30, warn: 40, error: 50, silent: 100 } as const;
type Level = keyof typeof levels;

interface LogOutput {
  /** Whether people read it. Default: whether standard error is a terminal. */
  readonly isTerminal?: boolean;
  readonly write?: (line: string) => void;
}

/** Logs entries of at least this level. */
export function createLogger(
  least: LogLevel,
  { isTerminal = process.stderr.isTTY, write = (line) => process.stderr.write(line) }: LogOutput = {},
): Logger {
  const lineOf = isTerminal ? textLine : jsonLine;
  const at = (level: Level) => (fields: object, message: string) => {
    if (levels[level] >= levels[least]) write(`${lineOf(level, fields, message)}\n`);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function jsonLine(level: Level, fields: object, message: string): string {
  return printableJson({ level: levels[level], time: Date.now(), pid: process.pid, ...fields, msg: message });
}

const colors = { debug: 'dim', info: 'cyan', warn: 'yellow', error: 'red', silent: 'dim' } as const;

/** `14:03:27 warn  the message  method=smtp reason=tls` */
function textLine(level: Level, fields: object, message: string): string {
  const style = (name: 'dim' | (typeof colors)[Level], text: string) =>
    styleText(name, text, { stream: process.stderr });
  const time = new Date().toTimeString().slice(0, 8);
  const more = Object.entries(fields).map(([name, value]) => `${name}=${printable(fieldText(value))}`);
  const line = `${style('dim', time)} ${style(colors[level], level.padEnd(5))} ${printable(message)}`;
  return more.length === 0 ? line : `${line}  ${style('dim', more.join(' '))}`;
}

function fieldText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}
