/** Programs in processes of their own, and how they are spoken to: one question, one answer, over Node's IPC. */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { shippedSql } from '../src/database/shipped-sql.ts';

export interface Child {
  readonly pid: number;
  /** Sends a question and resolves with the answer; rejects with the program's error or when it ends. */
  readonly ask: <Answer>(what: string, input?: unknown) => Promise<Answer>;
  /** Asks it to end, and kills it if it does not. */
  readonly end: () => Promise<void>;
}

const root = fileURLToPath(new URL('..', import.meta.url));
/** Below the project's node_modules, so that imports of libraries resolve as they do for users. */
const built = `${root}node_modules/.cache/bench`;

/**
 * Compiles what runs in processes of its own: memory and start-up are then those of the published package, without
 * Node's own compiler.
 */
export function compilePrograms(): void {
  execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', `${root}bench/tsconfig.json`], {
    stdio: 'inherit',
  });
  // As scripts/build.ts does: the compiled module has no SQL files beside it.
  const sql = JSON.stringify(shippedSql());
  writeFileSync(compiled('src/database/shipped-sql.ts'), `const sql = ${sql};\nexport const shippedSql = () => sql;\n`);
}

/** Path of a module of ours in compiled form, for peers that share it. */
export function compiled(path: string): string {
  return `${built}/${path.replace(/\.ts$/, '.js')}`;
}

export interface ChildOptions {
  /** Directory for a CPU profile that is written when the program ends. */
  readonly profile?: string | undefined;
  /** Options of Node for this program; default: none, so that its memory is what Node takes by default. */
  readonly nodeOptions?: readonly string[];
}

/** Starts `bench/programs/<name>.ts`, or a peer's file by its whole path, and waits until it has started. */
export async function startChild(
  program: string,
  input: unknown,
  { profile, nodeOptions = [] }: ChildOptions = {},
): Promise<Child> {
  const file = program.includes('/') ? program : compiled(`bench/programs/${program}.ts`);
  const child = fork(file, [JSON.stringify(input)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // As an application in production.
    env: { ...process.env, NODE_ENV: 'production' },
    execArgv: [...nodeOptions, ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`])],
  });
  const conversation = converse(child);
  await conversation.ask('start');
  return { pid: child.pid ?? 0, ...conversation };
}

function converse(child: ChildProcess): Pick<Child, 'ask' | 'end'> {
  const open = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let last = 0;
  const exited = once(child, 'exit').then(([code]) => {
    for (const request of open.values()) request.reject(new Error(`a program of the benchmark ended with ${code}`));
  });
  const killNow = () => child.kill('SIGKILL');
  process.once('exit', killNow);
  child.on('message', (message: { id: number; answer?: unknown; error?: string }) => {
    const waiting = open.get(message.id);
    open.delete(message.id);
    if (message.error === undefined) waiting?.resolve(message.answer);
    else waiting?.reject(new Error(message.error));
  });
  return {
    ask: <Answer>(what: string, input?: unknown) =>
      new Promise<Answer>((resolve, reject) => {
        const id = ++last;
        open.set(id, { resolve: (value) => resolve(value as Answer), reject });
        child.send({ id, what, input });
      }),
    async end() {
      const timer = setTimeout(killNow, 10_000);
      if (child.connected) child.disconnect();
      await exited;
      clearTimeout(timer);
      process.off('exit', killNow);
    },
  };
}
