/** The worker's log: one JSON object per line on standard error, as pino writes it. */
import type { LogLevel } from './config.ts';
import type { Logger } from '../vocabulary.ts';

const levels = { debug: 20, info: 30, warn: 40, error: 50, silent: 100 } as const;

export function createLogger(
  least: LogLevel,
  write: (line: string) => void = (line) => process.stderr.write(line),
): Logger {
  const at = (level: keyof typeof levels) => (fields: object, message: string) => {
    if (levels[level] >= levels[least])
      write(
        `${JSON.stringify({ level: levels[level], time: Date.now(), pid: process.pid, ...fields, msg: message })}\n`,
      );
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
