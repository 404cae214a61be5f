/** The worker's log: one JSON object per line on standard error, in the form of pino. */
import { printableJson } from '../printable.ts';
import type { Logger } from '../vocabulary.ts';
import type { LogLevel } from './settings.ts';

const levels = { debug: 20, info: 30, warn: 40, error: 50, silent: 100 } as const;

/** Logs entries of at least this level. */
export function createLogger(
  least: LogLevel,
  write: (line: string) => void = (line) => process.stderr.write(line),
): Logger {
  const at = (level: keyof typeof levels) => (fields: object, message: string) => {
    if (levels[level] < levels[least]) return;
    const entry = { level: levels[level], time: Date.now(), pid: process.pid, ...fields, msg: message };
    write(`${printableJson(entry)}\n`);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
