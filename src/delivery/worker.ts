/** The worker: one pump per delivery method over one queue, woken by NOTIFY and by a poll underneath. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { notRunning, type WorkerHealth } from './health.ts';
import { checkedOptions, type WorkerOptions } from './options.ts';
import type { RunningWorker } from './run-worker.ts';

/** Delivers messages. Any number of workers may run side by side. */
export interface Worker {
  /** The name of this worker, which rows and logs contain. */
  readonly name: string;
  /**
   * Checks settings, database and dispatchers, then delivers. Waits while the server has no connection left, until
   * `stop` is called.
   *
   * @throws {ConfigurationError} if something that delivery needs is missing or wrong.
   * @throws {Error} if it was stopped: a stopped worker does not start again.
   */
  start(): Promise<void>;
  /** Leases nothing more, finishes or requeues what is in flight, closes every connection. Safe to repeat. */
  stop(): Promise<void>;
  /** Whether it can deliver now: running, not stopping, the database reachable and migrated. Never rejects. */
  health(): Promise<WorkerHealth>;
}

/**
 * Creates a worker. Nothing is opened before `start`.
 *
 * @throws {ConfigurationError} if an option is out of bounds.
 */
export function createWorker(given: WorkerOptions): Worker {
  const options = checkedOptions(given);
  const name = options.name ?? `${hostname()}:${process.pid}:${randomBytes(3).toString('hex')}`;
  let starting: Promise<RunningWorker> | null = null;
  let stopped: Promise<void> | null = null;
  const stopping = new AbortController();
  let running: RunningWorker | null = null;
  return {
    name,
    async start() {
      if (stopped !== null) throw new Error('this worker was stopped; create another one to deliver again');
      starting ??= import('./run-worker.ts').then(({ startWorker }) => startWorker(name, options, stopping.signal));
      running = await starting;
    },
    stop() {
      stopping.abort();
      stopped ??= (async () => {
        const worker = await starting?.catch(() => null);
        await worker?.stop();
      })();
      return stopped;
    },
    async health() {
      if (stopped !== null) return notRunning('is stopping, or has stopped');
      return running === null ? notRunning('has not started') : running.health();
    },
  };
}
