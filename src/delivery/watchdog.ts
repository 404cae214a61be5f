/**
 * Kills a process whose event loop is blocked forever. An endless loop in a dispatcher stops the heartbeats, so that
 * other workers take over its messages, but a supervisor does not restart the process while it lives.
 */
import { url as debuggerUrl } from 'node:inspector';
import { Worker } from 'node:worker_threads';

// Source text, because a bundled application could not find a file again. The thread counts its own ticks, so that a
// machine that slept does not look like a blocked loop.
const thread = `
const { workerData: { ticks, seconds } } = require('node:worker_threads');
let seen = -1;
let silent = 0;
setInterval(() => {
  const [tick, debugged] = [Atomics.load(ticks, 0), Atomics.load(ticks, 1)];
  silent = tick === seen && debugged === 0 ? silent + 1 : 0;
  seen = tick;
  if (silent < seconds * 2) return;
  require('node:fs').writeSync(2, 'pg-herald: the event loop has been blocked for ' + seconds
    + ' s; ending the process, its messages go to other workers\\n');
  process.kill(process.pid, 'SIGKILL');
}, 500);
`;

/** Watches this process from a thread of its own until the returned function is called. 0 seconds: not at all. */
export function startWatchdog(seconds: number): () => Promise<void> {
  if (seconds === 0) return async () => undefined;
  const ticks = new Int32Array(new SharedArrayBuffer(8));
  const watcher = new Worker(thread, {
    eval: true,
    workerData: { ticks, seconds },
    execArgv: [],
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 },
  });
  watcher.unref();
  // The worker also delivers without a watcher.
  watcher.on('error', () => undefined);
  const tick = setInterval(() => {
    Atomics.add(ticks, 0, 1);
    Atomics.store(ticks, 1, debuggerUrl() === undefined ? 0 : 1);
  }, 250);
  tick.unref();
  return async () => {
    clearInterval(tick);
    await watcher.terminate();
  };
}
