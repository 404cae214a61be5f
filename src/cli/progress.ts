/** Progress of long work on standard error: a bar in a terminal, otherwise a line every five seconds. */
import { styleText } from 'node:util';
import { countText } from './output.ts';

/** Progress of one piece of work. */
export interface Progress {
  /** Reports how much is done so far. */
  readonly at: (done: number) => void;
  /** Removes the bar. */
  readonly end: () => void;
}

const barWidth = 24;
/** Shorter work prints nothing outside a terminal. */
const lineEveryMs = 5000;

/** Starts at 0 of `total`. `what` is the past participle of the action, for example "deleted". */
export function startProgress(what: string, total: number): Progress {
  return process.stderr.isTTY ? bar(what, total) : lines(what, total);
}

const style = (name: 'cyan' | 'dim', text: string) => styleText(name, text, { stream: process.stderr });

function bar(what: string, total: number): Progress {
  return {
    at: (done) => {
      const share = total === 0 ? 1 : Math.min(done / total, 1);
      const full = Math.round(share * barWidth);
      const drawn = style('cyan', '█'.repeat(full)) + style('dim', '░'.repeat(barWidth - full));
      process.stderr.write(`\r${drawn} ${countText(done)} of ${countText(total)} ${what}\u001b[K`);
    },
    end: () => process.stderr.write('\r\u001b[K'),
  };
}

function lines(what: string, total: number): Progress {
  let next = Date.now() + lineEveryMs;
  return {
    at: (done) => {
      if (Date.now() < next) return;
      next = Date.now() + lineEveryMs;
      process.stderr.write(`${countText(done)} of ${countText(total)} ${what}\n`);
    },
    end: () => undefined,
  };
}
