/** Every metric of pg-herald, made by the OpenTelemetry API alone: without an SDK they are no-ops. */
import {
  type Counter,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
  type Observable,
} from '@opentelemetry/api';

/** The name of pg-herald's tracer and meter. */
export const instrumentationScope = 'pg-herald';

/** One metric, as it is documented and registered. */
export interface MetricDescription {
  readonly name: string;
  /** `observed counter` and `gauge` are read at each collection, the others count as things happen. */
  readonly kind: 'counter' | 'observed counter' | 'histogram' | 'gauge';
  /**
   * `worker`: what this process does; add up over workers. `database`: every worker says the same; take the maximum.
   */
  readonly scope: 'worker' | 'database';
  readonly unit?: 's';
  /** Every label has few values, none of them made by users: methods, and the closed lists of notification.ts. */
  readonly labels: readonly string[];
  readonly description: string;
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[];
}

const queueBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200];
const dispatchBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 600];

/** Names hold their unit, so that they are the same for Prometheus and for every other backend. */
export const metricDescriptions = {
  attempts: {
    name: 'herald.attempts',
    kind: 'counter',
    scope: 'worker',
    labels: ['method', 'outcome', 'reason'],
    description: 'Attempts that ended, by outcome',
  },
  retries: {
    name: 'herald.retries',
    kind: 'counter',
    scope: 'worker',
    labels: ['method'],
    description: 'Attempts after which the message waits for another one',
  },
  stopped: {
    name: 'herald.stopped',
    kind: 'counter',
    scope: 'worker',
    labels: ['method', 'status', 'reason'],
    description: 'Messages that ended, or are held, without a further attempt: expired, inhibited, attempts spent',
  },
  alerts: {
    name: 'herald.alerts',
    kind: 'counter',
    scope: 'worker',
    labels: ['method'],
    description: 'Attempts whose outcome an operator should look at, for example a DMARC refusal',
  },
  queueSeconds: {
    name: 'herald.queue.seconds',
    kind: 'histogram',
    scope: 'worker',
    unit: 's',
    labels: ['method'],
    description: 'From when a message was due (enqueued, scheduled or to be retried) to its attempt',
    buckets: queueBuckets,
  },
  dispatchSeconds: {
    name: 'herald.dispatch.seconds',
    kind: 'histogram',
    scope: 'worker',
    unit: 's',
    labels: ['method', 'outcome'],
    description: 'From the start of a dispatch to its outcome',
    buckets: dispatchBuckets,
  },
  inFlight: {
    name: 'herald.in_flight',
    kind: 'gauge',
    scope: 'worker',
    labels: ['method'],
    description: 'Messages that this worker has leased and not settled',
  },
  databaseErrors: {
    name: 'herald.database_errors',
    kind: 'observed counter',
    scope: 'worker',
    labels: [],
    description: 'Statements of this worker that failed; `pg-herald status` says which',
  },
  gaugesAgeSeconds: {
    name: 'herald.gauges.age.seconds',
    kind: 'gauge',
    scope: 'worker',
    unit: 's',
    labels: [],
    description: 'Age of the metrics about the whole database; grows while the database does not answer',
  },
  enqueued: {
    name: 'herald.enqueued',
    kind: 'observed counter',
    scope: 'database',
    labels: ['method'],
    description: 'Messages enqueued by any process since this worker started, inhibited ones included; 15 s behind',
  },
  inhibited: {
    name: 'herald.inhibited',
    kind: 'observed counter',
    scope: 'database',
    labels: ['method', 'reason'],
    description: 'Messages that a rule stopped when they were enqueued, since this worker started; 15 s behind',
  },
  returned: {
    name: 'herald.returned',
    kind: 'observed counter',
    scope: 'database',
    labels: ['domain', 'kind'],
    description:
      'Reports about sent messages by the domain of the recipient, since this worker started; 15 s behind. ' +
      'Of 50 domains, all others are `other`',
  },
  pending: {
    name: 'herald.pending',
    kind: 'gauge',
    scope: 'database',
    labels: ['method'],
    description: 'Messages that wait for their time or for a worker',
  },
  held: {
    name: 'herald.held',
    kind: 'gauge',
    scope: 'database',
    labels: ['method'],
    description: 'Messages that wait for an operator; counts to 10,000',
  },
  guardFailed: {
    name: 'herald.guard_failed',
    kind: 'gauge',
    scope: 'database',
    labels: ['method'],
    description: 'Messages whose guard gave no answer: they wait, and are held after an hour; counts to 10,000',
  },
  oldestDueSeconds: {
    name: 'herald.oldest_due.seconds',
    kind: 'gauge',
    scope: 'database',
    unit: 's',
    labels: ['method'],
    description: 'How long the oldest due message has been waiting; 0 if none is due',
  },
  paused: {
    name: 'herald.paused',
    kind: 'gauge',
    scope: 'database',
    labels: ['method', 'kind'],
    description: '1 while the method is paused by an operator or after a fault of its own, else 0',
  },
  pausedSenders: {
    name: 'herald.paused_senders',
    kind: 'gauge',
    scope: 'database',
    labels: ['method'],
    description: 'Senders of the method that are paused because they are at fault, while the others continue',
  },
  endpoints: {
    name: 'herald.endpoints',
    kind: 'gauge',
    scope: 'database',
    labels: ['state'],
    description: 'Endpoints by the state of their circuit: healthy, failing, open, disabled',
  },
  workers: {
    name: 'herald.workers',
    kind: 'gauge',
    scope: 'database',
    labels: [],
    description: 'Workers that are connected to the database',
  },
} as const satisfies Record<string, MetricDescription>;

/** The instruments that count as things happen. */
export interface Instruments {
  readonly meter: Meter;
  readonly attempts: Counter;
  readonly retries: Counter;
  readonly stopped: Counter;
  readonly alerts: Counter;
  readonly queueSeconds: Histogram;
  readonly dispatchSeconds: Histogram;
}

/** A meter taken before an SDK is registered stays a no-op, so this is called when a worker starts and not before. */
export function createInstruments(provider: MeterProvider = metrics.getMeterProvider()): Instruments {
  const meter = provider.getMeter(instrumentationScope);
  const all = metricDescriptions;
  const counter = (of: MetricDescription) => meter.createCounter(of.name, { description: of.description });
  const histogram = (of: MetricDescription) =>
    meter.createHistogram(of.name, {
      description: of.description,
      ...(of.unit && { unit: of.unit }),
      advice: { explicitBucketBoundaries: [...(of.buckets ?? [])] },
    });
  return {
    meter,
    attempts: counter(all.attempts),
    retries: counter(all.retries),
    stopped: counter(all.stopped),
    alerts: counter(all.alerts),
    queueSeconds: histogram(all.queueSeconds),
    dispatchSeconds: histogram(all.dispatchSeconds),
  };
}

/** An instrument that is read at each collection; observed by a callback of `meter.addBatchObservableCallback`. */
export function observable(meter: Meter, of: MetricDescription): Observable {
  const options = { description: of.description, ...(of.unit && { unit: of.unit }) };
  return of.kind === 'observed counter'
    ? meter.createObservableCounter(of.name, options)
    : meter.createObservableGauge(of.name, options);
}
