/**
 * The watchdog of a local server: a shell in a session of its own that waits for the end of its standard input. The
 * kernel closes that pipe however this process ends, SIGKILL included; then the shell stops the server and removes its
 * folder. It is also the ordinary way to stop, so that the way out after a crash is the one every run takes.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Account } from './account.ts';

export interface Janitor {
  /** Names the process that must not outlive us; undefined: none at the moment. */
  readonly watch: (pid: number | undefined) => void;
  /** Ends the watched process at once, removes the folder, and returns when both are gone. */
  readonly end: () => Promise<void>;
}

// SIGQUIT is PostgreSQL's immediate shutdown, also for a starting server; SIGKILL would leave its shared memory behind.
const script = `
pid=
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then
  tries=0
  kill -QUIT "$pid" 2>/dev/null
  while kill -0 "$pid" 2>/dev/null; do
    # Dead, but init of a container does not collect it.
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

/** Starts the watchdog; with a folder, that folder is removed at the end. */
export function startJanitor(folder: string | undefined, account: Account | undefined): Janitor {
  const shell = spawn('/bin/sh', ['-c', script, 'pg-herald-janitor', folder ?? ''], {
    ...account,
    cwd: '/',
    // Its own session: Ctrl-C in the terminal must not reach it before the server is stopped.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const exited = once(shell, 'exit');
  exited.catch(() => undefined);
  shell.unref();
  (shell.stdin as Socket).unref();
  // Somebody killed the shell: the server then needs no more names from us.
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
