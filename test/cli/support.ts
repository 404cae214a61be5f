/** The command line as a child process: its output and its exit code. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** What a program of ours gets of this process's environment. */
const passed = { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE };

/** Nothing else of this process's environment is passed on, and standard input is at its end. */
export function runCli(args: readonly string[], env: Readonly<Record<string, string>>, cwd?: string): Promise<Result> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [main, ...args],
      { cwd, env: { ...passed, NO_COLOR: '1', ...env } },
      (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
    child.stdin?.end();
  });
}

/** The same in a terminal of 80 columns, typing the answer as soon as the question is there. Everything it showed. */
export function runInTerminal(
  args: readonly string[],
  { env, answer, columns = 80 }: { env: Readonly<Record<string, string>>; answer?: string; columns?: number },
): Promise<{ code: number | null; shown: string }> {
  const words = [process.execPath, main, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
  const child = spawn('script', ['-qec', `stty cols ${columns}; exec ${words.join(' ')}`, '/dev/null'], {
    env: { ...passed, TERM: 'xterm-256color', ...env },
  });
  return new Promise((resolve) => {
    let shown = '';
    let answered = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text;
      if (answered || answer === undefined || !/\[y\/N\] /.test(shown)) return;
      answered = true;
      child.stdin.write(`${answer}\r`);
    });
    child.once('close', (code) => resolve({ code, shown: shown.replaceAll('\r\n', '\n') }));
  });
}

export function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
}
