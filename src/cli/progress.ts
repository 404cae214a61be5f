/** Progress of long work on standard error: a bar in a terminal, a plain line now and then elsewhere. */
import { colorAside } from './output.ts';

export interface Progress {
  /** Says how much is done so far. */
  readonly at: (done: number) => void;
  /** Takes the bar away. */
  readonly end: () => void;
}

const barWidth = 24;
/** Work that ends sooner says nothing outside of a terminal. */
const lineEveryMs = 5000;

/** `what` is what is counted, for example "deleted". */
export function startProgress(what: string, total: number): Progress {
  return process.stderr.isTTY ? bar(what, total) : lines(what, total);
}

function bar(what: string, total: number): Progress {
  return {
    at: (done) => {
      const share = total === 0 ? 1 : Math.min(done / total, 1);
      const full = Math.round(share * barWidth);
      const drawn = colorAside('cyan', '█'.repeat(full)) + colorAside('dim', '░'.repeat(barWidth - full));
      process.stderr.write(`\r${drawn} ${count(done)} of ${count(total)} ${what}\u001b[K`);
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
      process.stderr.write(`${count(done)} of ${count(total)} ${what}\n`);
    },
    end: () => undefined,
  };
}

/** With separators, the same for every locale. */
export function count(n: number): string {
  return n.toLocaleString('en-US');
}
