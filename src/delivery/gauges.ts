/** The metrics that are read at collection: what is in flight in this worker, and the state of the whole database. */
import type { BatchObservableResult, Observable } from '@opentelemetry/api';
import type { Database } from '../database/database.ts';
import { enqueueLagSeconds, type Gauges, readGauges } from '../operate/gauges.ts';
import { type Instruments, metricDescriptions, observable } from '../telemetry/metrics.ts';
import { inhibitingReasons } from '../vocabulary.ts';
import { within } from './clock.ts';
import type { ErrorReporter } from './services.ts';

/** The database is asked once in this time, no matter how often and by how many collectors. */
const freshMs = 10_000;
/** Longest wait of a collection for the database. After that its metrics keep their values, and age. */
const answerWithinMs = 2_000;

/** Where the gauges come from. */
export interface GaugeSources {
  readonly database: Database;
  /** Messages in flight by method. */
  readonly inFlight: () => ReadonlyMap<string, number>;
  /** Errors of the worker's statements. */
  readonly errors: Pick<ErrorReporter, 'recent'>;
  /** Default: those of production. */
  readonly freshMs?: number;
  readonly lagSeconds?: number;
}

/** Starts observing. `stop` ends it. */
export function observeGauges({ meter }: Instruments, sources: GaugeSources): { stop(): void } {
  const all = metricDescriptions;
  const [inFlight, databaseErrors] = [observable(meter, all.inFlight), observable(meter, all.databaseErrors)];
  const onWorker = (result: BatchObservableResult) => {
    for (const [method, count] of sources.inFlight()) result.observe(inFlight, count, { method });
    result.observe(
      databaseErrors,
      sources.errors.recent().reduce((sum, { count }) => sum + count, 0),
    );
  };
  meter.addBatchObservableCallback(onWorker, [inFlight, databaseErrors]);

  const of = {
    enqueued: observable(meter, all.enqueued),
    inhibited: observable(meter, all.inhibited),
    returned: observable(meter, all.returned),
    pending: observable(meter, all.pending),
    held: observable(meter, all.held),
    guardFailed: observable(meter, all.guardFailed),
    oldestDueSeconds: observable(meter, all.oldestDueSeconds),
    paused: observable(meter, all.paused),
    pausedSenders: observable(meter, all.pausedSenders),
    endpoints: observable(meter, all.endpoints),
    workers: observable(meter, all.workers),
    gaugesAgeSeconds: observable(meter, all.gaugesAgeSeconds),
  };
  const reader = createReader(sources);
  const onDatabase = async (result: BatchObservableResult) => {
    const reading = await reader.now();
    if (reading !== null) observeAll(result, of, reading);
    // Collectors repeat the last value of what is no longer observed: this gauge shows how old it is.
    result.observe(of.gaugesAgeSeconds, reader.ageSeconds());
  };
  const observed = Object.values(of);
  meter.addBatchObservableCallback(onDatabase, observed);
  return {
    stop() {
      meter.removeBatchObservableCallback(onWorker, [inFlight, databaseErrors]);
      meter.removeBatchObservableCallback(onDatabase, observed);
    },
  };
}

interface Reading extends Gauges {
  /** Since the worker started. */
  readonly total: ReadonlyMap<string, { readonly enqueued: number; readonly inhibited: ReadonlyMap<string, number> }>;
  /** Likewise, by domain and then by kind. */
  readonly returns: ReturnCounts;
}

type ReturnCounts = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Recipients choose their domains: the metric must not grow with them. */
const mostDomains = 50;

/** Counts what came back by domain; of `mostDomains`, all others are `other`. */
function createReturnCounts(): { add(returned: Gauges['returned']): void; readonly counts: ReturnCounts } {
  const counts = new Map([['none', new Map([['unmatched', 0]])]]);
  return {
    counts,
    add(returned) {
      for (const { domain, kind, count } of returned) {
        const given = domain ?? 'none';
        const named = counts.has(given) || counts.size < mostDomains ? given : 'other';
        const kinds = counts.get(named) ?? new Map<string, number>();
        counts.set(named, kinds.set(kind, (kinds.get(kind) ?? 0) + count));
      }
    },
  };
}

/** One query of the database for all collections within `freshMs`. Null while the database does not answer. */
function createReader(sources: GaugeSources): { now(): Promise<Reading | null>; ageSeconds(): number } {
  const { database, freshMs: fresh = freshMs, lagSeconds = enqueueLagSeconds } = sources;
  const total = new Map<string, { enqueued: number; inhibited: Map<string, number> }>();
  const returns = createReturnCounts();
  let seenUntil: string | null = null;
  let last: Promise<Reading | null> = Promise.resolve(null);
  let readAt = Number.NEGATIVE_INFINITY;
  let succeededAt = performance.now();
  /** One at a time: queries of a database that hangs must not take all of the worker's connections. */
  let reading = false;

  async function read(): Promise<Reading | null> {
    const gauges = await readGauges(database, { seenUntil, lagSeconds });
    ({ seenUntil } = gauges);
    succeededAt = performance.now();
    for (const { method } of gauges.methods)
      if (!total.has(method)) total.set(method, { enqueued: 0, inhibited: countsAtZero() });
    for (const { method, reason, count } of gauges.enqueued) {
      const sum = total.get(method);
      if (sum === undefined) continue;
      sum.enqueued += count;
      if (reason !== null) sum.inhibited.set(reason, (sum.inhibited.get(reason) ?? 0) + count);
    }
    returns.add(gauges.returned);
    return { ...gauges, total, returns: returns.counts };
  }

  return {
    async now() {
      const now = performance.now();
      if (!reading && now - readAt >= fresh) {
        readAt = now;
        reading = true;
        // The worker itself reports that the database is away.
        last = read()
          .catch(() => null)
          .finally(() => (reading = false));
      }
      return (await within(last, answerWithinMs)) ? last : null;
    },
    ageSeconds: () => (performance.now() - succeededAt) / 1000,
  };
}

/** These series begin at 0, so that the first message that is inhibited already counts. */
function countsAtZero(): Map<string, number> {
  return new Map(inhibitingReasons.map((reason) => [reason, 0]));
}

type Observables = Readonly<
  Record<
    | 'enqueued'
    | 'inhibited'
    | 'returned'
    | 'pending'
    | 'held'
    | 'guardFailed'
    | 'oldestDueSeconds'
    | 'paused'
    | 'pausedSenders'
    | 'endpoints'
    | 'workers',
    Observable
  >
>;

function observeAll(result: BatchObservableResult, of: Observables, reading: Reading): void {
  for (const { method, pending, held, guardFailed, oldestDueSeconds, pausedBy, pausedSenders } of reading.methods) {
    result.observe(of.pending, pending, { method });
    result.observe(of.held, held, { method });
    result.observe(of.guardFailed, guardFailed, { method });
    result.observe(of.oldestDueSeconds, oldestDueSeconds, { method });
    result.observe(of.pausedSenders, pausedSenders, { method });
    for (const kind of ['operator', 'fault'] as const)
      result.observe(of.paused, pausedBy === kind ? 1 : 0, { method, kind });
  }
  for (const [method, { enqueued, inhibited }] of reading.total) {
    result.observe(of.enqueued, enqueued, { method });
    for (const [reason, count] of inhibited) result.observe(of.inhibited, count, { method, reason });
  }
  for (const [domain, kinds] of reading.returns)
    for (const [kind, count] of kinds) result.observe(of.returned, count, { domain, kind });
  for (const [state, count] of Object.entries(reading.endpoints)) result.observe(of.endpoints, count, { state });
  result.observe(of.workers, reading.workers);
}
