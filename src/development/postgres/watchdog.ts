/**
 * The watchdog of a local server: a shell in its own session that waits for the end of its standard input. The kernel
 * closes that pipe however this process ends, even by SIGKILL; the shell then stops the server and removes its
 * folder. The ordinary stop uses it too, so the clean-up after a crash is exercised by every run.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Account } from './binaries.ts';

/** Ends a server with this process. */
export interface Watchdog {
  /** Names the process that must not outlive this one; undefined: none at the moment. */
  readonly watch: (pid: number | undefined) => void;
  /** Stops the watched process immediately, removes the folder, and resolves when both are gone. */
  readonly end: () => Promise<void>;
}

// SIGQUIT is PostgreSQL's immediate shutdown, even while it starts; SIGKILL would leave its shared memory behind.
const script = `
pid=
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then
  tries=0
  kill -QUIT "$pid" 2>/dev/null
  while kill -0 "$pid" 2>/dev/null; do
    # A zombie: the init process of a container does not collect it.
    state=
    [ -r "/proc/$pid/stat" ] && read -r _ _ state _ 2>/dev/null <"/proc/$pid/stat"
    [ "$state" = Z ] && break
    tries=$((tries + 1))
    [ "$tries" -eq 200 ] && kill -KILL "$pid" 2>/dev/null
    [ "$tries" -ge 220 ] && break
    sleep 0.05
  done
fi
tries=0
while [ -n "$1" ] && ! rm -rf "$1" 2>/dev/null && [ "$tries" -lt 40 ]; do
  tries=$((tries + 1))
  sleep 0.05
done
`;

/** Starts the watchdog. It removes `folder`, if given, at the end. */
export function startWatchdog(folder: string | undefined, account: Account | undefined): Watchdog {
  const shell = spawn('/bin/sh', ['-c', script, 'pg-herald-watchdog', folder ?? ''], {
    ...account,
    cwd: '/',
    // Its own session, so that Ctrl-C in the terminal does not reach it before the server has stopped.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const exited = once(shell, 'exit');
  exited.catch(() => undefined);
  shell.unref();
  (shell.stdin as Socket).unref();
  // The shell may have been killed.
  shell.stdin.on('error', () => undefined);
  return {
    watch: (pid) => {
      shell.stdin.write(`${pid ?? ''}\n`);
    },
    end: async () => {
      shell.ref();
      shell.stdin.end();
      await exited;
    },
  };
}
