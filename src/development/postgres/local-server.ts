/** Runs a PostgreSQL server from its programs, in a new or an existing folder, on a free port. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { lchown, lstat, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { Account, Binaries } from './binaries.ts';
import { startWatchdog } from './watchdog.ts';

const run = promisify(execFile);

/** A longer path may not fit, with the name of the socket, into the 104 bytes of a socket address. */
const longestSocketFolder = 80;

/** `fast` ends sessions and writes a checkpoint; `immediate` is a crash. */
export type Shutdown = 'fast' | 'immediate';

/** A running server. */
export interface LocalServer {
  readonly port: number;
  readonly folder: string;
  readonly pid: () => number | undefined;
  readonly stop: () => Promise<void>;
  readonly restart: (shutdown: Shutdown) => Promise<void>;
}

interface LocalOptions {
  readonly binaries: Binaries;
  readonly account: Account | undefined;
  readonly settings: Readonly<Record<string, string>>;
  /**
   * Password of the superuser `postgres` of a new cluster, in which every connection needs one. Default: connections
   * are trusted, so anyone on the machine is superuser. Only for tests.
   */
  readonly superuserPassword?: string | undefined;
  /** Kept when the server stops. Its cluster, if there is one, is used again. Default: a temporary folder. */
  readonly folder?: string | undefined;
  /** Used if it is free. Default: a random free port. */
  readonly port?: number | undefined;
}

/** Starts a server on 127.0.0.1; it ends with this process. Throws an error with the server's own message. */
export async function startLocal(options: LocalOptions): Promise<LocalServer> {
  const folder = await prepareFolder(options);
  const watchdog = startWatchdog(options.folder === undefined ? folder : undefined, options.account);
  const launch = { ...options, folder, watch: watchdog.watch };
  try {
    if (!existsSync(join(folder, 'data', 'PG_VERSION'))) await initialize(launch);
    const { port, server } = await startOnFreePort(launch);
    let current = server;
    const shutDown = async (shutdown: Shutdown) => {
      await end(current, shutdown === 'fast' ? 'SIGINT' : 'SIGQUIT');
      watchdog.watch(undefined);
    };
    let stopped: Promise<void> | undefined;
    return {
      port,
      folder,
      pid: () => (current.exitCode === null && current.signalCode === null ? current.pid : undefined),
      // A kept folder needs a checkpoint; a temporary one does not.
      stop: () =>
        (stopped ??= (options.folder === undefined ? Promise.resolve() : shutDown('fast')).then(watchdog.end)),
      restart: async (shutdown) => {
        await shutDown(shutdown);
        current = await startServer(launch, port);
      },
    };
  } catch (error) {
    await watchdog.end();
    throw error;
  }
}

type Launch = LocalOptions & { readonly folder: string; readonly watch: (pid: number | undefined) => void };

async function prepareFolder({ folder, account }: LocalOptions): Promise<string> {
  const prepared = folder === undefined ? await mkdtemp(join(tmpdir(), 'pg-herald-')) : resolve(folder);
  await mkdir(prepared, { recursive: true, mode: 0o700 });
  // Otherwise a user who can put a link here would get what it points to.
  if (!(await lstat(prepared)).isDirectory()) throw new Error(`${prepared} is not a folder: remove it ${remedy}`);
  if (account) await lchown(prepared, account.uid, account.gid);
  return prepared;
}

async function initialize(launch: Launch): Promise<void> {
  const { folder, account, superuserPassword } = launch;
  if (superuserPassword === undefined) return initdb(launch, ['--auth=trust']);
  const passwordFile = join(folder, 'superuser-password');
  // A run that was killed may have left it.
  await rm(passwordFile, { force: true });
  await writeFile(passwordFile, superuserPassword, { mode: 0o600, flag: 'wx' });
  try {
    if (account) await lchown(passwordFile, account.uid, account.gid);
    await initdb(launch, ['--auth=scram-sha-256', `--pwfile=${passwordFile}`]);
  } finally {
    await rm(passwordFile);
  }
}

async function initdb({ binaries, account, folder, watch }: Launch, authentication: readonly string[]): Promise<void> {
  const common = ['-D', join(folder, 'data'), '-U', 'postgres', '--no-sync', '--locale=C', '--encoding=UTF8'];
  const settled = run(join(binaries.folder, 'initdb'), [...common, ...authentication], {
    ...account,
    cwd: folder,
    env: cleanEnvironment,
    timeout: 120_000,
  });
  watch(settled.child.pid);
  try {
    await settled;
  } catch (error) {
    const output = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    throw new Error(`initdb failed in ${folder}: ${mainLine(output.split('\n'))} ${remedy}`);
  } finally {
    watch(undefined);
  }
}

async function startOnFreePort(launch: Launch): Promise<{ port: number; server: ChildProcess }> {
  for (let tries = 1; ; tries += 1) {
    const port = tries === 1 && launch.port !== undefined ? launch.port : await freePort();
    try {
      return { port, server: await startServer(launch, port) };
    } catch (error) {
      if (tries === 5 || !String(error).includes('could not bind')) throw error;
    }
  }
}

/** Resolves when the server accepts connections. */
async function startServer(
  { binaries, account, settings, folder, watch }: Launch,
  port: number,
): Promise<ChildProcess> {
  const sockets = folder.length > longestSocketFolder ? '' : folder;
  const all = { ...settings, listen_addresses: '127.0.0.1', port: String(port), unix_socket_directories: sockets };
  const server = spawn(
    join(binaries.folder, 'postgres'),
    ['-D', join(folder, 'data'), ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    // Its own session, so that Ctrl-C in the terminal does not stop the database before its clients.
    { ...account, cwd: folder, env: cleanEnvironment, detached: true, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  watch(server.pid);
  const lastLines: string[] = [];
  await new Promise<void>((ready, fail) => {
    const failed = () => {
      watch(undefined);
      fail(new Error(`PostgreSQL did not start on port ${port}: ${mainLine(lastLines)} ${remedy}`));
    };
    server.once('error', failed).once('exit', failed);
    createInterface({ input: server.stderr }).on('line', (line) => {
      if (lastLines.push(line) > 20) lastLines.shift();
      // A standby accepts "read-only connections".
      if (/database system is ready to accept (read-only )?connections$/.test(line)) ready();
    });
  });
  server.removeAllListeners('error').removeAllListeners('exit');
  // The process may end without stopping the server; the watchdog then does.
  server.unref();
  (server.stderr as Socket).unref();
  return server;
}

async function end(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  server.ref();
  const exited = once(server, 'exit');
  server.kill(signal);
  await exited;
}

/**
 * A free port below the range of ephemeral ports. While the server restarts, a client that reconnects could otherwise
 * get this port for its own end and connect to itself.
 */
export async function freePort(): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    const probe = createServer();
    try {
      const port = randomInt(20_000, 32_000);
      probe.listen(port, '127.0.0.1');
      await once(probe, 'listening');
      return port;
    } catch (error) {
      if (tries === 50) throw error;
    } finally {
      probe.close();
    }
  }
}

const remedy = '(set DATABASE_URL to use a server of your own)';

/** The line that says what went wrong. */
function mainLine(lines: readonly string[]): string {
  const said = lines.filter((line) => line.trim() !== '');
  return said.find((line) => /FATAL|PANIC|error:/.test(line)) ?? said.at(-1) ?? 'no output';
}

/** The caller's settings for PostgreSQL (PGDATA, PGPORT, PGOPTIONS, LC_*) must not reach this server. */
const cleanEnvironment: NodeJS.ProcessEnv = { PATH: '/usr/bin:/bin', LC_ALL: 'C' };
