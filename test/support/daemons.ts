/** Servers of other makers, each a process on a free port of 127.0.0.1, so that the judge shares no code with what sends. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { until } from './wait.ts';

export interface Daemon {
  readonly port: number;
  readonly pid: number;
  /** Both outputs so far. */
  readonly output: () => string;
  /** Ends it and waits for that. Safe to repeat. */
  readonly close: () => Promise<void>;
}

export interface DaemonOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Output that shows that it listens; by default it listens when its port accepts a connection. */
  readonly ready?: RegExp;
  /** A free one by default. */
  readonly port?: number;
}

/** Why a program cannot run here, or null. */
export function missing(program: string, debianPackage: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/bin'];
  return folders.some((folder) => existsSync(join(folder, program)))
    ? null
    : `needs the Debian package ${debianPackage}`;
}

/** Why Debian's Python cannot import a module here, or null. */
export function pythonMissing(module: string, debianPackage: string): string | null {
  try {
    execFileSync('/usr/bin/python3', ['-c', `import ${module}`], { stdio: 'ignore' });
    return null;
  } catch {
    return `needs the Debian package ${debianPackage}`;
  }
}

/** For `describe` and `test`: `const { name, skip } = needing(missing(...), missing(...))`. */
export function needing(...reasons: readonly (string | null)[]): {
  readonly skip: boolean;
  readonly name: (text: string) => string;
} {
  const told = reasons.filter((reason) => reason !== null).join(', ');
  return { skip: told !== '', name: (text) => (told === '' ? text : `${text} (skipped: ${told})`) };
}

/** Starts a program and waits until it listens. It is killed when this process exits. */
export async function startDaemon(
  program: string,
  args: (port: number) => readonly string[],
  { env = {}, ready, port: given }: DaemonOptions = {},
): Promise<Daemon> {
  const port = given ?? (await freePort());
  const child = spawn(program, args(port), {
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/bin`, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (text = (text + chunk).slice(-1_000_000)));
  const killNow = () => child.kill('SIGKILL');
  process.once('exit', killNow);
  child.once('error', (error) => (text += String(error)));
  const exited = once(child, 'exit').catch(() => undefined);
  const close = async () => {
    process.off('exit', killNow);
    if (isRunning(child)) child.kill('SIGTERM');
    const kill = setTimeout(killNow, 3000);
    await exited;
    clearTimeout(kill);
  };
  try {
    await until(() => (ready === undefined ? connects(port) : ready.test(text)), { what: `${program} to listen` });
  } catch (error) {
    await close();
    throw new Error(`${program} does not listen: ${text}`, { cause: error });
  }
  return { port, pid: child.pid ?? 0, output: () => text, close };
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/** A port of 127.0.0.1 on which nothing listens. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

export async function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
