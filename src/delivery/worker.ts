/** The worker: one pump per delivery method over one queue, woken by NOTIFY and by a pulse underneath. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Pool } from 'pg';
import { requireMigrated } from '../database/journal.ts';
import { type Database, openDatabase } from '../database/statements.ts';
import { ConfigurationError } from '../errors.ts';
import { type Logger, silentLogger } from '../vocabulary.ts';
import { claimProbe } from '../dispatch/fault-pause.ts';
import { applyRetention } from '../operate/retention.ts';
import { openQueue, type Queue } from '../queue/queue.ts';
import { createRenderer, type Renderer } from '../templates/render.ts';
import { every, within } from './clock.ts';
import { observeGauges } from './gauges.ts';
import { examine, notRunning, sharedForASecond, type WorkerHealth } from './health.ts';
import { listenToOurselves } from './verify-notifications.ts';
import { checkOptions, type WorkerOptions } from './options.ts';
import { createOutage, type Outage } from './database-errors.ts';
import { createPump, type Pump } from './pump.ts';
import { bury, rescue, takePulse } from './poll.ts';
import { createSettler, type Settler } from './settler.ts';
import { createSolitude } from './isolation.ts';
import { createTelemetry } from './telemetry.ts';
import { createTemplateVersions } from './versions.ts';
import { startWatchdog } from './watchdog.ts';

export interface Worker {
  readonly name: string;
  /** Checks settings, database and dispatchers, then delivers. Throws ConfigurationError. */
  start(): Promise<void>;
  /** Leases nothing more, finishes or hands back what is in flight, closes every connection. Safe to repeat. */
  stop(): Promise<void>;
  /** Whether it can deliver at this moment: running, not stopping, the database reachable and migrated. Never rejects. */
  health(): Promise<WorkerHealth>;
}

/** Longest wait between two looks while the database is away: the bound on how late delivery goes on. */
const longestPulseMs = 5000;
/** How long each part may take to close. */
const closeMs = 3000;
const defaultSuperviseSeconds = 3;

/** Creates a worker; nothing happens before `start`. Any number of them may run side by side. */
export function createWorker(options: WorkerOptions): Worker {
  checkOptions(options);
  const name = options.name ?? `${hostname()}:${process.pid}:${randomBytes(3).toString('hex')}`;
  let running: Promise<RunningWorker> | null = null;
  let stopped: Promise<void> | null = null;
  let up: RunningWorker | null = null;
  return {
    name,
    async start() {
      running ??= run(name, options);
      up = await running;
    },
    stop() {
      stopped ??= (async () => {
        const worker = await running?.catch(() => null);
        await worker?.stop();
      })();
      return stopped;
    },
    async health() {
      if (stopped !== null) return notRunning('is stopping, or has stopped');
      return up === null ? notRunning('has not started') : up.health();
    },
  };
}

type RunningWorker = Pick<Worker, 'stop' | 'health'>;

interface Parts {
  readonly database: Database;
  readonly queue: Queue;
  readonly pumps: ReadonlyMap<string, Pump>;
  readonly settlers: readonly Settler[];
  /** When the last pulse was taken, by `performance.now()`. */
  pulsedAt: number;
  readonly outage: Outage;
  readonly logger: Logger;
}

async function run(name: string, options: WorkerOptions): Promise<RunningWorker> {
  const logger = options.logger ?? silentLogger;
  const outage = createOutage(logger);
  const database = openDatabase(
    {
      connectionString: options.connectionString,
      applicationName: `pg-herald worker ${name}`,
      maxConnections: 8,
      prepare: options.prepareStatements ?? true,
    },
    (error) => outage.report(error, 'database connection lost'),
  );
  const { pool } = database;
  const closing: (() => Promise<unknown>)[] = [() => pool.end()];
  try {
    await requireMigrated(pool);
    await requireMethods(pool, Object.keys(options.dispatchers));
    const queue = await openQueue({
      connectionString: options.connectionString,
      logger,
      onError: (error, what) => outage.report(error, what),
      superviseSeconds: options.superviseSeconds ?? defaultSuperviseSeconds,
      sessionState: options.prepareStatements ?? true,
    });
    closing.unshift(() => queue.close());
    for (const [method, dispatcher] of Object.entries(options.dispatchers)) {
      await dispatcher.start?.({ method, pool, logger });
      closing.unshift(async () => dispatcher.close?.());
    }
    const telemetry = createTelemetry(options.telemetry);
    const parts = assemble(name, options, { database, queue, outage, telemetry });
    const inFlight = () => new Map([...parts.pumps].map(([method, pump]) => [method, pump.inFlight]));
    const gauges = observeGauges(telemetry.instruments, { database, inFlight });
    closing.unshift(async () => gauges.stop());
    closing.push(startWatchdog(options.watchdogSeconds ?? 0));
    const timers = await beat(options, parts);
    logger.info({ worker: name, methods: Object.keys(options.dispatchers) }, 'worker started');
    const lateMs = 30_000 + 3000 * (options.pollSeconds ?? 1);
    return {
      stop: () => stop(parts, { options, timers, closing, logger }),
      health: sharedForASecond(() => examine({ pool, lastPulseAt: () => parts.pulsedAt, lateMs })),
    };
  } catch (error) {
    await closeAll(closing);
    throw error;
  }
}

function assemble(
  worker: string,
  options: WorkerOptions,
  {
    database,
    queue,
    outage,
    telemetry,
  }: Pick<Parts, 'database' | 'queue' | 'outage'> & { telemetry: ReturnType<typeof createTelemetry> },
): Parts {
  const logger = options.logger ?? silentLogger;
  const renderer: Renderer = createRenderer();
  const versions = createTemplateVersions(database);
  const pumps = new Map<string, Pump>();
  const settlers: Settler[] = [];
  const solitude = createSolitude(() => {
    for (const pump of pumps.values()) pump.wake();
  });
  for (const [method, dispatcher] of Object.entries(options.dispatchers)) {
    const settler = createSettler({ method, worker, database, queue, logger, outage });
    settlers.push(settler);
    const decryptLabels = options.decryptLabels;
    pumps.set(
      method,
      createPump({
        method,
        worker,
        dispatcher,
        versions,
        renderer,
        settler,
        brand: options.brand,
        logger,
        telemetry: telemetry.of(method),
        database,
        queue,
        solitude,
        outage,
        decryptLabels: (message) =>
          decryptLabels === undefined
            ? (message.secrets ?? {})
            : decryptLabels(message.secrets ?? {}, message.template),
      }),
    );
  }
  return { database, queue, pumps, settlers, outage, logger, pulsedAt: performance.now() };
}

/** Starts everything that happens by the clock. Answers with what ends it. */
async function beat(options: WorkerOptions, parts: Parts): Promise<() => Promise<void>> {
  const report = (what: string) => (error: unknown) => parts.outage.report(error, what);
  const echo = `?${randomBytes(6).toString('hex')}`;
  let heard: () => void = () => undefined;
  const hearing = new Promise<void>((resolve) => (heard = resolve));
  const wake = (method: string) => {
    if (method === echo) heard();
    // Something has changed, a pause perhaps: an operator's takes effect now, not at the next pulse.
    if (method !== '*') parts.pumps.get(method)?.wake();
    else
      void pulse(parts)
        .catch(report('cannot look for due messages'))
        .then(() => parts.pumps.forEach((pump) => pump.wake()));
  };
  const listener = await parts.queue.listen(wake).catch((error: unknown) => {
    report('cannot listen for wake-ups, polling only')(error);
    return null;
  });
  if (listener !== null) void listenToOurselves(parts, echo, hearing);
  const pollMs = (options.pollSeconds ?? 1) * 1000;
  const timers = [
    every(pollMs, () => pulse(parts), report('cannot look for due messages'), longestPulseMs),
    ...keepLeases(parts.pumps.values(), report('cannot renew leases')),
    every(
      (options.superviseSeconds ?? defaultSuperviseSeconds) * 1000,
      // What a dead worker held is due from then on: it need not wait for the next pulse.
      () => parts.queue.supervise().then(() => pulse(parts)),
      report('cannot look for leases that ran out'),
    ),
    every(10_000, () => settleDead(parts), report('cannot settle dead letters')),
    every(5000, () => applyRetention(parts.database.pool), report('cannot delete what is not kept any more')),
    every(
      120_000,
      () => rescue(parts.database.pool, [...parts.pumps.keys()]),
      report('cannot look for messages without a job'),
    ),
  ];
  await pulse(parts).catch(report('cannot look for due messages'));
  return async () => {
    for (const timer of timers) timer.stop();
    await listener?.close();
  };
}

/** Each method by itself: somebody who locks a job of one makes its heartbeats wait, and no other's. */
function keepLeases(pumps: Iterable<Pump>, report: (error: unknown) => void) {
  return [...pumps].map((pump) => every(2000, () => pump.keep(), report));
}

async function pulse(parts: Parts): Promise<void> {
  const states = await takePulse(parts.database, [...parts.pumps.keys()]);
  parts.outage.over();
  for (const state of states) {
    const pump = parts.pumps.get(state.method);
    if (pump === undefined) continue;
    pump.setPaused(state.paused);
    if (state.probeDue && (await claimProbe(parts.database.pool, { method: state.method }))) pump.probe();
    else if (state.due && !state.paused) pump.wake();
  }
  parts.pulsedAt = performance.now();
}

async function settleDead({ database, queue }: Parts): Promise<void> {
  const dead = await queue.takeDead(100);
  if (dead.length === 0) return;
  await bury(
    database.pool,
    dead.map((entry) => entry.messageId),
  );
  await queue.finishDead(dead.map((entry) => entry.job));
}

async function stop(
  parts: Parts,
  context: { options: WorkerOptions; timers: () => Promise<void>; closing: (() => Promise<unknown>)[]; logger: Logger },
): Promise<void> {
  const timeoutMs = (context.options.stopTimeoutSeconds ?? 30) * 1000;
  const pumps = [...parts.pumps.values()];
  const drained = Promise.all(pumps.map((pump) => pump.drain()));
  const keeping = keepLeases(pumps, () => undefined);
  await context.timers();
  // First let them finish; then abort, which hands back what can safely be handed back; then leave.
  if (!(await within(drained, timeoutMs * 0.7))) {
    for (const pump of pumps) pump.abort('shutdown');
    if (!(await within(drained, timeoutMs * 0.25))) {
      for (const settler of parts.settlers) settler.abandon();
      context.logger.warn(
        { inFlight: pumps.reduce((sum, pump) => sum + pump.inFlight, 0) },
        'stopping with messages in flight; their leases run out',
      );
    }
  }
  for (const timer of keeping) timer.stop();
  await closeAll(context.closing);
  context.logger.info({}, 'worker stopped');
}

async function closeAll(closing: readonly (() => Promise<unknown>)[]): Promise<void> {
  // A connection whose other end is silent never says that it has ended.
  for (const close of closing)
    await within(
      close().catch(() => undefined),
      closeMs,
    );
}

async function requireMethods(pool: Pool, methods: readonly string[]): Promise<void> {
  const result = await pool.query<{ name: string }>('SELECT name FROM herald.method WHERE name = ANY ($1)', [methods]);
  const known = new Set(result.rows.map((row) => row.name));
  const unknown = methods.filter((method) => !known.has(method));
  if (unknown.length > 0)
    throw new ConfigurationError(
      'dispatchers',
      `no queue for ${unknown.join(', ')}; run "pg-herald migrate --method ${unknown[0]}"`,
    );
}
