/**
 * Keeps the slots of one delivery method full: leases as many jobs as there are free slots, begins them in one
 * statement and lets each run on its own, so that a slow receiver holds one slot only. (pg-boss's own `work` waits for
 * the slowest message of a batch before it fetches again.)
 */
import { resumeAfterProbe } from '../dispatch/fault-pause.ts';
import { createAdmission } from './admit.ts';
import { deliverBatch } from './deliver.ts';
import { createInFlight } from './in-flight.ts';
import { createIsolatedJob, type IsolatedJob } from './isolation.ts';
import { createPrefetch, type Prefetch } from './jobs/prefetch.ts';
import { leaseProbe } from './jobs/probe.ts';
import { createMethodPause, methodFaultOf } from './react.ts';
import type { DeliveryServices, MethodServices } from './services.ts';

/** Delivers the messages of one method. */
export interface Pump {
  /** Something may be due: look at once. */
  wake(): void;
  /** Lets no new message in; what is in flight goes on. */
  setPaused(paused: boolean): void;
  /** Tries a single message although the method is paused. */
  probe(): void;
  /** Renews the leases of what is in flight, and aborts what lost its lease or took too long. */
  heartbeat(): Promise<void>;
  readonly inFlight: number;
  /** Leases nothing more, and resolves when nothing is in flight. */
  drain(): Promise<void>;
  /** Aborts what is in flight. */
  abort(reason: string): void;
  /** Ends what is in flight as `unknown`, although its dispatch goes on. */
  giveUp(): void;
}

/** How long a job that was leased ahead may wait for a slot before it is requeued. */
const maxPrefetchMs = 1000;
/** Leases in a row that may find nothing, before there are only five a second. */
const maxEmptyLeases = 20;
const emptyLeaseMs = 200;

/** Creates the pump of one method. It leases nothing before it is woken. */
export function createPump(services: MethodServices): Pump {
  return new MethodPump(services);
}

class MethodPump implements Pump {
  readonly #services: DeliveryServices;
  readonly #prefetch: Prefetch;
  readonly #isolated: IsolatedJob;
  readonly #stopping = new AbortController();
  readonly #drained = Promise.withResolvers<void>();
  /** The lease that is going on; at most one at a time. */
  #leasing: Promise<void> | null = null;
  /** Jobs may be due: something woke us, or the last lease came back full. */
  #more = false;
  /** Leases that found nothing may go on: any role that may connect can notify. */
  #emptyLeases = maxEmptyLeases;
  #retry: NodeJS.Timeout | undefined;

  constructor(services: MethodServices) {
    const { dispatcher, telemetry, isolation } = services;
    const pause = createMethodPause(() => this.wake());
    const inFlight = createInFlight({
      timeoutMs: dispatcher.timeoutSeconds * 1000,
      beginTelemetry: (message) => telemetry.begin(message),
      onOpened: () => isolation.enter(),
      onDispatched: (result) => {
        // Nothing more is leased from now on, not from when the pause is recorded.
        if (methodFaultOf(result) !== null) pause.begin();
        this.#fill();
      },
      onSettled: () => {
        isolation.leave();
        this.#endDrain();
        this.#fill();
      },
    });
    const admission = createAdmission(services);
    this.#services = { ...services, admission, inFlight, pause, stopping: this.#stopping.signal };
    this.#prefetch = createPrefetch(services);
    this.#isolated = createIsolatedJob(services);
  }

  wake(): void {
    this.#more = true;
    this.#fill();
  }

  setPaused(paused: boolean): void {
    const { pause } = this.#services;
    if (paused === (pause.since !== null)) return;
    if (!paused) return pause.end();
    pause.begin();
    void this.#prefetch.giveBack(0);
  }

  probe(): void {
    if (this.#leasing === null && this.#mayLease) this.#run(this.#probe());
  }

  async heartbeat(): Promise<void> {
    const { inFlight, queue, method } = this.#services;
    inFlight.endOverdue();
    void this.#prefetch.giveBack(maxPrefetchMs); // It may wait for a lock, which must not hold up heartbeats.
    const isolated = this.#isolated.job;
    const waiting = isolated !== null && !inFlight.has(isolated.id) ? [isolated] : [];
    const lost = await queue.heartbeat(method, [...inFlight.jobs(), ...waiting]);
    inFlight.abortLost(lost);
    if (waiting.some(({ id }) => lost.includes(id))) this.#isolated.markLost();
  }

  get inFlight(): number {
    return this.#services.inFlight.size;
  }

  async drain(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#retry);
    await this.#leasing;
    await this.#prefetch.giveBack(0);
    this.#endDrain();
    await this.#drained.promise;
    await Promise.all([this.#services.removals.flush(), this.#services.settlements.flush()]);
  }

  abort(reason: string): void {
    this.#services.inFlight.abortAll(reason);
  }

  giveUp(): void {
    this.#services.inFlight.giveUpAll();
  }

  get #mayLease(): boolean {
    return !this.#stopping.signal.aborted && !this.#services.isolation.closed;
  }

  /**
   * A slot is free when its dispatch has ended, so that the next messages are leased while results are being recorded.
   * No more results may wait than there are slots, because a crash makes every one of them a possible second copy.
   */
  get #hasRoom(): boolean {
    const { inFlight, dispatcher } = this.#services;
    const { size, dispatching } = inFlight;
    // Waiting until some slots are free keeps the statements few while the receivers are the slow part.
    const worthLeasing = Math.max(1, Math.floor(dispatcher.concurrency / 4));
    return dispatcher.concurrency - dispatching >= worthLeasing && size - dispatching < dispatcher.concurrency;
  }

  get #mayFill(): boolean {
    return this.#more && this.#services.pause.since === null && this.#mayLease && this.#hasRoom;
  }

  /** Leases until nothing is due or no slot is free. */
  #fill(): void {
    if (this.#leasing !== null || !this.#mayFill) return;
    if (this.#emptyLeases < 1) {
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined;
        this.#emptyLeases += 1;
        this.#fill();
      }, emptyLeaseMs);
      return;
    }
    this.#run(this.#leaseWhileDue());
  }

  #run(leasing: Promise<void>): void {
    this.#leasing = leasing.finally(() => {
      this.#leasing = null;
      this.#fill();
    });
  }

  async #leaseWhileDue(): Promise<void> {
    const { admission, inFlight, dispatcher, errors, method } = this.#services;
    while (this.#mayFill && this.#emptyLeases >= 1) {
      this.#more = false;
      try {
        const limit = (dispatcher.concurrency - inFlight.dispatching) * admission.leaseFactor;
        const { count, more } = await this.#lease(limit, { probe: false });
        this.#emptyLeases = count > 0 ? maxEmptyLeases : this.#emptyLeases - 1;
        if (more) this.#more = true;
      } catch (error) {
        // The next poll tries again. Trying at once would burden a database in trouble.
        errors.report(error, 'cannot lease', { method });
      }
    }
  }

  /** Leases up to `limit` jobs and delivers them. Returns how many there were, and whether more may be due. */
  async #lease(limit: number, { probe }: { readonly probe: boolean }) {
    const services = this.#services;
    services.isolation.enter();
    try {
      const batch = probe
        ? await leaseProbe(this.#prefetch, services)
        : await this.#prefetch.take(limit, { ahead: true });
      const { toIsolate } = await deliverBatch(batch, { isolated: false }, services);
      await this.#isolated.start(toIsolate, {
        mayRun: () => !this.#stopping.signal.aborted && (services.pause.since === null || probe),
        run: async (job) => {
          const alone = { jobs: [job], leasedAt: performance.now() };
          await (await deliverBatch(alone, { isolated: true }, services)).ended;
        },
        onEnd: () => this.#endDrain(),
      });
      return { count: batch.jobs.length, more: batch.more };
    } finally {
      services.isolation.leave();
    }
  }

  async #probe(): Promise<void> {
    const { database, method, pause, errors } = this.#services;
    try {
      // Without a message to probe with, the next one is the probe.
      const { count } = await this.#lease(1, { probe: true });
      if (count === 0 && (await resumeAfterProbe(database.pool, { method }))) pause.end();
    } catch (error) {
      errors.report(error, 'cannot lease a probe', { method });
    }
  }

  #endDrain(): void {
    const idle = this.#leasing === null && this.#services.inFlight.size === 0 && this.#isolated.job === null;
    if (this.#stopping.signal.aborted && idle) this.#drained.resolve();
  }
}
