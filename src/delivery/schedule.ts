/** Everything that a worker does by the clock, and when it is notified. */
import { claimProbe } from '../dispatch/fault-pause.ts';
import { applyRetention } from '../operate/retention.ts';
import { every, throttled } from './clock.ts';
import { failDeadLetters, requeueOrphans } from './jobs/recover.ts';
import { pollMethods } from './poll.ts';
import type { Pump } from './pump.ts';
import { createRegistration } from './register.ts';
import { type NotificationCheck, verifyNotifications } from './verify-notifications.ts';
import type { WorkerServices } from './services.ts';

interface ScheduleOptions {
  readonly pollSeconds: number;
  readonly superviseSeconds: number;
}

/** The timers and the listener of a worker. */
export interface Schedule {
  /** When the last poll succeeded, by `performance.now()`. */
  readonly polledAt: number;
  stop(): Promise<void>;
}

/** What the schedule keeps going. */
export type Pumps = ReadonlyMap<string, Pump>;

/** Longest wait between two polls while the database is away: the bound on how late delivery resumes. */
const maxPollMs = 5000;
/** Any role that may connect can notify: no more polls than this, whatever arrives. */
const notifiedPollMs = 200;
const heartbeatMs = 2000;
const deadLetterMs = 10_000;
const retentionMs = 5000;
const orphanMs = 120_000;
const registerMs = 10_000;
const maxDeadLetters = 100;

/** Starts the timers and listens for notifications. Polls once before it returns. */
export async function startSchedule(
  options: ScheduleOptions,
  pumps: Pumps,
  services: WorkerServices,
): Promise<Schedule> {
  const { queue, database } = services;
  const reporter = (what: string) => (error: unknown) => services.errors.report(error, what);
  let polledAt = performance.now();
  const poll = async () => {
    await pollAll(pumps, services);
    polledAt = performance.now();
  };
  const notified = throttled(notifiedPollMs, () =>
    poll()
      .then(() => pumps.forEach((pump) => pump.wake()))
      .catch(reporter('cannot poll for due messages')),
  );
  const check = verifyNotifications({ pool: database.pool, errors: services.errors, logger: services.logger });
  const listener = await listen(pumps, { check, pollSoon: () => notified.call() }, services);
  const registration = createRegistration([...pumps.keys()], () => check.arrive, services);
  const timers = [
    every(registerMs, () => registration.write(), reporter('cannot register the worker')),
    every(options.pollSeconds * 1000, poll, reporter('cannot poll for due messages'), maxPollMs),
    ...startHeartbeats(pumps, reporter('cannot renew leases')),
    every(
      options.superviseSeconds * 1000,
      // What a dead worker held is due from then on: it need not wait for the next poll.
      () => queue.supervise().then(poll),
      reporter('cannot look for leases that ran out'),
    ),
    every(deadLetterMs, () => settleDeadLetters(services), reporter('cannot settle dead letters')),
    every(retentionMs, () => applyRetention(database.pool), reporter('cannot apply the retention')),
    every(
      orphanMs,
      () => requeueOrphans(database.pool, [...pumps.keys()]),
      reporter('cannot look for messages without a job'),
    ),
  ];
  await poll().catch(reporter('cannot poll for due messages'));
  await registration.write().catch(reporter('cannot register the worker'));
  return {
    get polledAt() {
      return polledAt;
    },
    async stop() {
      for (const timer of [...timers, notified]) timer.stop();
      await Promise.all([listener?.close(), registration.remove()]);
    },
  };
}

/** Renews leases. Each method on its own: a lock on a job of one makes only its heartbeats wait. */
export function startHeartbeats(pumps: Pumps, report: (error: unknown) => void): { stop(): void }[] {
  return [...pumps.values()].map((pump) => every(heartbeatMs, () => pump.heartbeat(), report));
}

async function listen(
  pumps: Pumps,
  { check, pollSoon }: { readonly check: NotificationCheck; readonly pollSoon: () => void },
  { queue, errors }: WorkerServices,
): Promise<{ close(): Promise<void> } | null> {
  const onNotification = (payload: string) => {
    if (check.received(payload)) return;
    if (payload !== '*') pumps.get(payload)?.wake();
    // Something changed, a pause perhaps: an operator's takes effect now, not at the next poll.
    else pollSoon();
  };
  try {
    const listener = await queue.listen(onNotification);
    if (listener !== null) void check.run();
    return listener;
  } catch (error) {
    errors.report(error, 'cannot listen for notifications, polling only');
    return null;
  }
}

async function pollAll(pumps: Pumps, { database, errors }: WorkerServices): Promise<void> {
  const states = await pollMethods(database, [...pumps.keys()]);
  errors.recovered();
  for (const state of states) {
    const pump = pumps.get(state.method);
    if (pump === undefined) continue;
    pump.setPaused(state.paused);
    if (state.probeDue && (await claimProbe(database.pool, { method: state.method }))) pump.probe();
    else if (state.due && !state.paused) pump.wake();
  }
}

async function settleDeadLetters({ database, queue }: WorkerServices): Promise<void> {
  const dead = await queue.leaseDeadLetters(maxDeadLetters);
  if (dead.length === 0) return;
  await failDeadLetters(
    database.pool,
    dead.map((entry) => entry.messageId),
  );
  await queue.removeDeadLetters(dead.map((entry) => entry.job));
}
