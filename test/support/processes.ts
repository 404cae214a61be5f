/** Starts programs of ours as processes of their own, and sees to it that none is left. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until, type WaitOptions } from './wait.ts';

/** Characters of output that are kept. */
const longestOutput = 1_000_000;

export interface StartOptions {
  readonly args?: readonly string[];
  /** Added to this process's environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** A command that runs the program, for example `['unshare', '-m', ...]`; it must replace itself by it (exec). */
  readonly through?: readonly string[];
  /** Path of the Node that runs it; this one by default. */
  readonly node?: string;
  /** Whether `type` may be used; by default its standard input is empty. */
  readonly typed?: boolean;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Program {
  readonly pid: number;
  /** Everything it wrote so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Waits for a whole line of standard output that matches, also one that is already there. */
  readonly line: (pattern: RegExp, options?: WaitOptions) => Promise<string>;
  /** Writes to its standard input, which stays open. */
  readonly type: (text: string) => void;
  /** Sends the signal, SIGKILL by default, and waits for the end. */
  readonly kill: (signal?: NodeJS.Signals) => Promise<Exit>;
  readonly exited: Promise<Exit>;
  readonly running: () => boolean;
}

/** Starts a TypeScript or JavaScript file with this Node, or another. It is killed when this process exits. */
export function startProgram(
  file: string | URL,
  { args = [], env = {}, cwd, through = [], node = process.execPath, typed = false }: StartOptions = {},
): Program {
  const [command = '', ...rest] = [...through, node, file instanceof URL ? fileURLToPath(file) : file, ...args];
  const child = spawn(command, rest, {
    cwd,
    env: { ...process.env, ...env },
    stdio: [typed ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: collect(child, 'stdout'), stderr: collect(child, 'stderr') };
  const running = () => child.exitCode === null && child.signalCode === null;
  const killNow = () => child.kill('SIGKILL');
  process.once('exit', killNow);
  // "close" comes after the last output, "exit" before it.
  const exited = once(child, 'close').then(([code, signal]) => {
    process.off('exit', killNow);
    return { code, signal } as Exit;
  });
  return {
    pid: child.pid ?? 0,
    stdout: output.stdout,
    stderr: output.stderr,
    line: (pattern, options) => lineOf({ ...output, running }, pattern, options),
    type: (text) => void child.stdin?.write(text),
    kill: (signal = 'SIGKILL') => {
      if (running()) child.kill(signal);
      return exited;
    },
    exited,
    running,
  };
}

/**
 * For a test file: `const start = programs(afterAll)`. What still runs when the hook is called is killed, and the hook
 * fails, because a test must end what it starts.
 */
export function programs(hook: (check: () => Promise<void>) => void): typeof startProgram {
  const started: { file: string; program: Program }[] = [];
  hook(async () => {
    const left = started.filter(({ program }) => program.running());
    await Promise.all(left.map(({ program }) => program.kill()));
    if (left.length > 0) throw new Error(`left running: ${left.map(({ file }) => file).join(', ')}`);
  });
  return (file, options) => {
    const program = startProgram(file, options);
    started.push({ file: String(file), program });
    return program;
  };
}

/** Whether any process of this machine with the id is alive; a zombie is not. */
export function isAlive(pid: number): Promise<boolean> {
  return new Promise((answer) => {
    execFile('ps', ['-o', 'stat=', '-p', String(pid)], (_error, stdout) => answer(/^[^Z]/.test(stdout.trim())));
  });
}

function collect(child: ChildProcess, name: 'stdout' | 'stderr'): () => string {
  let text = '';
  child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-longestOutput);
  });
  return () => text;
}

type Output = Pick<Program, 'stdout' | 'stderr' | 'running'>;

async function lineOf({ stdout, stderr, running }: Output, pattern: RegExp, options?: WaitOptions): Promise<string> {
  let ended = false;
  const found = await until(
    () => {
      const wholeLines = stdout().split('\n').slice(0, -1);
      const line = wholeLines.find((each) => pattern.test(each));
      // One more look after the end: the last output may come after it.
      if (line === undefined && ended) return { line };
      ended = !running();
      return line !== undefined && { line };
    },
    { what: `a line that matches ${pattern}`, ...options },
  );
  if (found.line === undefined)
    throw new Error(`ended without a line that matches ${pattern}: ${stderr() || stdout()}`);
  return found.line;
}
