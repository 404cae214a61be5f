/** The end of a worker, within its stop timeout, whatever the database and the receivers do. */
import { within } from './clock.ts';
import type { Pump } from './pump.ts';
import { type Schedule, startHeartbeats } from './schedule.ts';
import type { Settlements, WorkerServices } from './services.ts';

/** Called in order when the worker stops, or could not start. */
export type Closing = (() => Promise<unknown>)[];

/** Shares of the stop timeout: for what is in flight to finish, to return after its abort, and to be recorded. */
const shares = { finish: 0.65, abort: 0.2, record: 0.08 } as const;

/** What is drained. */
export interface Draining {
  readonly pumps: ReadonlyMap<string, Pump>;
  readonly settlements: readonly Settlements[];
  readonly schedule: Schedule;
  /** By `performance.now()`. */
  readonly endsAt: number;
}

/**
 * Lets what is in flight finish. Then aborts it, which requeues what surely did not leave. Then records what has no
 * reply yet as unknown. Then gives up.
 */
export async function drain(
  { pumps, settlements, schedule, endsAt }: Draining,
  { logger }: Pick<WorkerServices, 'logger'>,
): Promise<void> {
  const all = [...pumps.values()];
  const stopMs = endsAt - performance.now();
  const inFlight = () => all.reduce((sum, pump) => sum + pump.inFlight, 0);
  const drained = Promise.all(all.map((pump) => pump.drain()));
  const heartbeats = startHeartbeats(pumps, () => undefined);
  const stopped = schedule.stop();
  if (!(await within(drained, stopMs * shares.finish))) {
    for (const pump of all) pump.abort('shutdown');
    if (!(await within(drained, stopMs * shares.abort))) {
      for (const pump of all) pump.giveUp();
      if (!(await within(drained, stopMs * shares.record))) {
        for (const one of settlements) one.abandon();
        logger.warn({ inFlight: inFlight() }, 'stopping before everything in flight was recorded; its leases run out');
      }
    }
  }
  await within(stopped, Math.max(endsAt - performance.now(), 0) / 4);
  for (const timer of heartbeats) timer.stop();
}

/** Closes one after the other until the time is over. */
export async function closeAll(closing: Closing, endsAt: number): Promise<void> {
  for (const [index, close] of closing.entries()) {
    const leftMs = Math.max(endsAt - performance.now(), minCloseMs) / (closing.length - index);
    await within(
      close().catch(() => undefined),
      leftMs,
    );
  }
}

/** Even a worker that is late closes what closes at once. */
const minCloseMs = 200;
