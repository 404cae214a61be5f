/** The metrics that are read when somebody collects: what is in flight here, and how the whole database stands. */
import type { BatchObservableResult, Observable } from '@opentelemetry/api';
import type { Database } from '../database/statements.ts';
import { enqueueLagSeconds, type Gauges, readGauges } from '../operate/gauges.ts';
import { type Instruments, metricDescriptions, observable } from '../telemetry/metrics.ts';
import { within } from './clock.ts';

/** However often and by however many it is collected, the database is asked once in this time. */
const freshMs = 10_000;
/** A collection waits no longer than this for the database; its metrics then stay as they were, and age. */
const patienceMs = 2_000;

/** Why a message may be inhibited when it is enqueued: these series begin at 0, so that the first one already counts. */
const reasonsAtEnqueue = [
  'no_address',
  'invalid_address',
  'template_disabled',
  'method_disabled',
  'preference',
  'default_off',
  'suppressed',
  'endpoint_disabled',
  'not_subscribed',
] as const;

export interface GaugeSources {
  readonly database: Database;
  /** Messages in flight by method. */
  readonly inFlight: () => ReadonlyMap<string, number>;
  /** Default: those of production. */
  readonly freshMs?: number;
  readonly lagSeconds?: number;
}

/** Begins to observe; answers with what ends it. */
export function observeGauges({ meter }: Instruments, sources: GaugeSources): { stop(): void } {
  const all = metricDescriptions;
  const inFlight = observable(meter, all.inFlight);
  const onInFlight = (result: BatchObservableResult) => {
    for (const [method, count] of sources.inFlight()) result.observe(inFlight, count, { method });
  };
  meter.addBatchObservableCallback(onInFlight, [inFlight]);

  const of = {
    enqueued: observable(meter, all.enqueued),
    inhibited: observable(meter, all.inhibited),
    pending: observable(meter, all.pending),
    held: observable(meter, all.held),
    oldestDueSeconds: observable(meter, all.oldestDueSeconds),
    paused: observable(meter, all.paused),
    pausedSenders: observable(meter, all.pausedSenders),
    endpoints: observable(meter, all.endpoints),
    workers: observable(meter, all.workers),
    gaugesAgeSeconds: observable(meter, all.gaugesAgeSeconds),
  };
  const look = createLook(sources);
  const onDatabase = async (result: BatchObservableResult) => {
    const seen = await look.now();
    if (seen !== null) tell(result, of, seen);
    // Collectors repeat the last value of what is not observed any more: this one says so.
    result.observe(of.gaugesAgeSeconds, look.ageSeconds());
  };
  const observed = Object.values(of);
  meter.addBatchObservableCallback(onDatabase, observed);
  return {
    stop() {
      meter.removeBatchObservableCallback(onInFlight, [inFlight]);
      meter.removeBatchObservableCallback(onDatabase, observed);
    },
  };
}

interface Seen extends Gauges {
  /** Since the worker started. */
  readonly total: ReadonlyMap<string, { readonly enqueued: number; readonly inhibited: ReadonlyMap<string, number> }>;
}

/** One look at the database for all who ask at the same time or soon after; null while it does not answer. */
function createLook(sources: GaugeSources): { now(): Promise<Seen | null>; ageSeconds(): number } {
  const { database, freshMs: fresh = freshMs, lagSeconds = enqueueLagSeconds } = sources;
  const total = new Map<string, { enqueued: number; inhibited: Map<string, number> }>();
  let seenUntil: string | null = null;
  let last: Promise<Seen | null> = Promise.resolve(null);
  let lookedAt = Number.NEGATIVE_INFINITY;
  let succeededAt = performance.now();
  /** One at a time: looks at a database that hangs must not take the worker's connections one after the other. */
  let looking = false;

  async function read(): Promise<Seen | null> {
    const gauges = await readGauges(database, { seenUntil, lagSeconds });
    ({ seenUntil } = gauges);
    succeededAt = performance.now();
    for (const { method } of gauges.methods)
      if (!total.has(method))
        total.set(method, { enqueued: 0, inhibited: new Map(reasonsAtEnqueue.map((reason) => [reason, 0])) });
    for (const { method, reason, count } of gauges.enqueued) {
      const sum = total.get(method);
      if (sum === undefined) continue;
      sum.enqueued += count;
      if (reason !== null) sum.inhibited.set(reason, (sum.inhibited.get(reason) ?? 0) + count);
    }
    return { ...gauges, total };
  }

  return {
    async now() {
      const now = performance.now();
      if (!looking && now - lookedAt >= fresh) {
        lookedAt = now;
        looking = true;
        // The worker says by itself that the database is away.
        last = read()
          .catch(() => null)
          .finally(() => (looking = false));
      }
      return (await within(last, patienceMs)) ? last : null;
    },
    ageSeconds: () => (performance.now() - succeededAt) / 1000,
  };
}

type Observables = Readonly<
  Record<
    | 'enqueued'
    | 'inhibited'
    | 'pending'
    | 'held'
    | 'oldestDueSeconds'
    | 'paused'
    | 'pausedSenders'
    | 'endpoints'
    | 'workers',
    Observable
  >
>;

function tell(result: BatchObservableResult, of: Observables, seen: Seen): void {
  for (const { method, pending, held, oldestDueSeconds, pausedBy, pausedSenders } of seen.methods) {
    result.observe(of.pending, pending, { method });
    result.observe(of.held, held, { method });
    result.observe(of.oldestDueSeconds, oldestDueSeconds, { method });
    result.observe(of.pausedSenders, pausedSenders, { method });
    for (const kind of ['operator', 'fault'] as const)
      result.observe(of.paused, pausedBy === kind ? 1 : 0, { method, kind });
  }
  for (const [method, { enqueued, inhibited }] of seen.total) {
    result.observe(of.enqueued, enqueued, { method });
    for (const [reason, count] of inhibited) result.observe(of.inhibited, count, { method, reason });
  }
  for (const [state, count] of Object.entries(seen.endpoints)) result.observe(of.endpoints, count, { state });
  result.observe(of.workers, seen.workers);
}
