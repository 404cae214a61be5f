/**
 * Keeps one delivery method's slots full: leases as many jobs as there are free slots, begins them in one statement
 * and lets each run by itself, so that a slow receiver holds one slot and nothing else. (pg-boss's own `work` waits for
 * the slowest message of a batch before it fetches again.)
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DispatchResult } from '../dispatch/dispatcher.ts';
import { pauseForFault, resumeAfterProbe } from '../dispatch/fault-pause.ts';
import { countAddressFault } from '../operate/suppressions.ts';
import type { LeasedJob, PostponedJob, Queue } from '../queue/queue.ts';
import { createAdmission } from './admit.ts';
import { type Begun, begin, type OpenMessage } from './begin.ts';
import { type Attempt, type DeliveryServices, handOver, record } from './deliver.ts';
import { endOverdue, type Flight } from './in-flight.ts';
import { createReserve, type Lot } from './jobs/prefetch.ts';
import type { Solitude } from './isolation.ts';

export interface Pump {
  /** Something may be due: look at once. */
  wake(): void;
  /** Lets no new message in; what is in flight goes on. */
  setPaused(paused: boolean): void;
  /** Tries a single message although the method is paused. */
  probe(): void;
  /** Renews the leases of what is in flight and aborts what was lost or took too long. */
  keep(): Promise<void>;
  readonly inFlight: number;
  /** Leases nothing more, and resolves when nothing is in flight. */
  drain(): Promise<void>;
  /** Aborts what is in flight. */
  abort(reason: string): void;
}

export interface PumpServices extends DeliveryServices {
  readonly queue: Queue;
  readonly solitude: Solitude;
}

/** How long a lease may wait for a slot before it is given back. */
const longestReserveMs = 1000;
/** A lease this old is not used any more: this process stood still meanwhile, and others may have it. */
const staleLeaseMs = 10_000;
const beginAgainMs = 250;

export function createPump(services: PumpServices): Pump {
  const { method, dispatcher, queue, logger, solitude, outage } = services;
  /** Everything that is leased and not settled. */
  const flights = new Map<string, Flight>();
  /** Leased as well, until it may be tried alone. */
  let suspect: { readonly job: LeasedJob; lost: boolean } | null = null;
  /** How many of them are still being dispatched. */
  let dispatching = 0;
  const { concurrency } = dispatcher;
  // Waiting until some slots are free keeps the statements few while the receivers are the slow part.
  const worthLeasing = Math.max(1, Math.floor(concurrency / 4));
  /** The lease that is going on; at most one at a time. */
  let leasing: Promise<void> | null = null;
  let stopped = false;
  /** When the method was paused, or null. Only what started later can show that it is well again. */
  let pausedAt: number | null = null;
  /** There may be due jobs: something woke us, or the last lease came back full. */
  let more = false;
  let drained: (() => void) | null = null;
  const admission = createAdmission(services);
  const reserve = createReserve({ ...services, staleMs: staleLeaseMs });

  // A slot is free when its dispatch has ended, so that the next messages are leased while results are being recorded; but
  // no more results may wait than there are slots, because a crash makes every one of them a possible second mail.
  const hasRoom = () => concurrency - dispatching >= worthLeasing && flights.size - dispatching < concurrency;

  async function lease(limit: number, isProbe = false): Promise<Lot> {
    solitude.enter();
    try {
      const lot = await reserve.take(limit, { ahead: !isProbe });
      const { jobs, leasedAt } = lot;
      const going = jobs.length > 0 ? await admission.admit(jobs, concurrency - dispatching) : [];
      if (going.length > 0 && isFresh(leasedAt)) {
        const { apart } = await beginAndFly(going, { leasedAt, alone: false });
        if (apart.length > 0) await tryAlone(apart, isProbe);
      }
      return lot;
    } finally {
      solitude.leave();
    }
  }

  /** One of them as soon as nothing else is in flight; the others are looked at again soon, here or by another worker. */
  async function tryAlone([first, ...others]: readonly PostponedJob[], isProbe: boolean): Promise<void> {
    if (first === undefined) return;
    await queue.postpone(method, suspect === null ? others : [first, ...others]);
    if (suspect !== null) return;
    const entry = { job: first, lost: false };
    suspect = entry;
    void solitude
      .alone(async () => {
        const mayGo = !stopped && (pausedAt === null || isProbe) && !entry.lost;
        if (mayGo) await Promise.all((await beginAndFly([first], { leasedAt: performance.now(), alone: true })).flying);
        else if (!entry.lost) await queue.postpone(method, [first]);
      })
      .then((had) => (had ? undefined : queue.postpone(method, [first])))
      .catch((error: unknown) => outage.report(error, 'cannot try a message alone', { method }))
      .finally(() => {
        suspect = null;
        drainedIfEmpty();
      });
  }

  async function beginAndFly(jobs: readonly LeasedJob[], { leasedAt, alone }: { leasedAt: number; alone: boolean }) {
    const token = randomUUID();
    const byId = new Map(jobs.map((job) => [job.id, job]));
    const begun = await beginAll([...byId.keys()], { token, leasedAt, alone });
    const late: PostponedJob[] = [];
    const apart: PostponedJob[] = [];
    const flying: Promise<void>[] = [];
    for (const entry of begun) {
      if (entry.verdict === 'settled') {
        if (entry.reason !== null) services.telemetry.stopped(entry.status, entry.reason);
        continue;
      }
      const id = entry.verdict === 'go' ? entry.message.id : entry.id;
      const job = byId.get(id);
      if (job === undefined) continue;
      byId.delete(id);
      if (entry.verdict === 'go') flying.push(fly(job, token, entry.message));
      else {
        const again = { ...job, priority: entry.priority, startAfter: entry.nextAttemptAt };
        (entry.verdict === 'later' ? late : apart).push(again);
      }
    }
    // What is left is settled, or has no message at all.
    await Promise.all([queue.finish(method, [...byId.values()]), queue.postpone(method, late)]);
    return { flying, apart };
  }

  /** Again while the database is away and the lease is young: otherwise these messages would wait until it has run out. */
  async function beginAll(
    ids: readonly string[],
    { token, leasedAt, alone }: { token: string; leasedAt: number; alone: boolean },
  ): Promise<Begun[]> {
    const maxAttempts = dispatcher.retryDelaysSeconds.length + 1;
    for (;;) {
      try {
        return await begin(ids, { ...services, token, maxAttempts, alone });
      } catch (error) {
        if (stopped || !isFresh(leasedAt)) throw error;
        outage.report(error, 'cannot begin', { method });
        await sleep(beginAgainMs);
      }
    }
  }

  async function fly(job: LeasedJob, token: string, message: OpenMessage): Promise<void> {
    const abort = new AbortController();
    const startedAt = performance.now();
    const gaveUp = new Promise<DispatchResult>((giveUp) => {
      const expiresAt = message.expiresInMs === null ? null : startedAt + message.expiresInMs;
      flights.set(job.id, { job, startedAt, expiresAt, abort, giveUp });
    });
    const attempt: Attempt = { message, job, token, signal: abort.signal, gaveUp };
    solitude.enter();
    dispatching += 1;
    const ended = await handOver(attempt, services);
    dispatching -= 1;
    // Nothing more is leased from the first moment, not from when the pause is on record.
    if (isMethodFault(ended.result)) pausedAt ??= performance.now();
    if (more) turn();
    await record(attempt, ended, services);
    // An operator's retry may have brought it back here already, under a lease of its own.
    if (flights.get(job.id)?.abort === abort) flights.delete(job.id);
    await reactTo(ended.result, message, startedAt);
    solitude.leave();
    drainedIfEmpty();
    if (more) turn();
  }

  function drainedIfEmpty(): void {
    if (flights.size === 0 && suspect === null) drained?.();
  }

  async function reactTo(result: DispatchResult, message: OpenMessage, startedAt: number): Promise<void> {
    try {
      const address = message.recipient.email;
      if (result.outcome === 'failed' && result.addressFault && address !== undefined)
        await countAddressFault(services.database.pool, { method, address, reason: result.reason });
      if (result.outcome === 'retry' && (result.pauseMethod || result.countAttempt === false)) {
        if (result.pauseMethod) await stopFor(result);
      } else if (
        pausedAt !== null &&
        startedAt > pausedAt &&
        (await resumeAfterProbe(services.database.pool, { method }))
      ) {
        logger.info({ method }, 'method resumed: the probe was answered');
        resume();
      }
    } catch (error) {
      outage.report(error, 'cannot record the state of the method', { method });
    }
  }

  async function stopFor(fault: Extract<DispatchResult, { outcome: 'retry' | 'failed' | 'unknown' }>): Promise<void> {
    pausedAt ??= performance.now();
    const { reason, detail, retryAfterSeconds: atLeastSeconds = 0 } = fault;
    const pause = { reason, detail, atLeastSeconds, worker: services.worker };
    const paused = await pauseForFault(services.database.pool, { method }, pause);
    if (paused?.fresh)
      logger.error(
        { method, reason: fault.reason, detail: fault.detail },
        'method paused: it is at fault itself; it is probed and resumes by itself',
      );
  }

  function resume(): void {
    pausedAt = null;
    more = true;
    turn();
  }

  /** Leases until nothing is due or no slot is free. */
  function turn(): void {
    if (leasing !== null || stopped || pausedAt !== null || solitude.closed || !hasRoom()) return;
    leasing = loop().finally(() => {
      leasing = null;
      if (more) turn();
    });
  }

  async function loop(): Promise<void> {
    while (more && hasRoom() && !stopped && pausedAt === null && !solitude.closed) {
      more = false;
      try {
        if ((await lease((concurrency - dispatching) * admission.leaseFactor)).more) more = true;
      } catch (error) {
        // The next pulse tries again; trying at once would only hammer a database in trouble.
        outage.report(error, 'cannot lease', { method });
      }
    }
  }

  async function probe(): Promise<void> {
    try {
      // Nothing to probe with: the next message is the probe.
      if ((await lease(1, true)).jobs.length === 0 && (await resumeAfterProbe(services.database.pool, { method })))
        resume();
    } catch (error) {
      outage.report(error, 'cannot lease a probe', { method });
    }
  }

  return {
    wake() {
      more = true;
      turn();
    },
    setPaused(paused) {
      if (paused === (pausedAt !== null)) return;
      if (!paused) return resume();
      pausedAt = performance.now();
      void reserve.giveBack(0);
    },
    probe() {
      if (leasing === null && !stopped && !solitude.closed) leasing = probe().finally(() => (leasing = null));
    },
    async keep() {
      endOverdue(flights.values(), dispatcher.timeoutSeconds * 1000);
      void reserve.giveBack(longestReserveMs); // It may wait for somebody's lock, which must hold up no heartbeat.
      const flying = [...flights.values()];
      const waiting = suspect !== null && !flights.has(suspect.job.id) ? suspect : null;
      const jobs = (waiting === null ? flying : [...flying, waiting]).map(({ job }) => job);
      const lost = await queue.keep(method, jobs);
      for (const { job, abort } of flying) if (lost.includes(job.id)) abort.abort(new Error('lease lost'));
      if (waiting !== null && lost.includes(waiting.job.id)) waiting.lost = true;
    },
    get inFlight() {
      return flights.size;
    },
    async drain() {
      stopped = true;
      await leasing;
      await reserve.giveBack(0);
      if (flights.size > 0 || suspect !== null) await new Promise<void>((resolve) => (drained = resolve));
      await services.settler.flush();
    },
    abort(reason) {
      for (const flight of flights.values()) flight.abort.abort(new Error(reason));
    },
  };
}

function isFresh(leasedAt: number): boolean {
  return performance.now() - leasedAt < staleLeaseMs;
}

function isMethodFault(result: DispatchResult): boolean {
  return result.outcome === 'retry' && result.pauseMethod === true;
}
