/** Runs a worker: opens what it needs, one pump per delivery method over one queue, and ends it again. */
import type { Pool } from 'pg';
import { requireMigrated } from '../database/journal.ts';
import { ConfigurationError } from '../errors.ts';
import { guardProblem, recipientGuard } from '../guard/guard-function.ts';
import { openQueue } from '../queue/queue.ts';
import { createLinks } from '../recipients/links.ts';
import { createRenderer } from '../templates/render.ts';
import { createTenants, tenantStatement } from '../tenants/tenants.ts';
import { silentLogger } from '../vocabulary.ts';
import { openConnections } from './connections.ts';
import { createErrorReporter } from './database-errors.ts';
import { createFileBudget } from './file-budget.ts';
import { observeGauges } from './gauges.ts';
import { createGuards } from './guards/guards.ts';
import { examine, sharedForASecond, type WorkerHealth } from './health.ts';
import { createIsolation } from './isolation.ts';
import { createRemovals } from './jobs/remove.ts';
import { createRequeue } from './jobs/requeue.ts';
import type { WorkerOptions } from './options.ts';
import { createTemplateVersions } from './prepare.ts';
import { createPump, type Pump } from './pump.ts';
import { startSchedule } from './schedule.ts';
import { createSettlements } from './settle.ts';
import { type Closing, closeAll, drain } from './stop.ts';
import { createTelemetry } from './telemetry.ts';
import { waitForConnections } from './wait-for-connections.ts';
import { startWatchdog } from './watchdog.ts';
import type { Settlements, WorkerServices } from './services.ts';

/** How long a worker that could not start may take to close what it had opened, in milliseconds. */
const closeMs = 5000;
const defaultPollSeconds = 1;
const defaultSuperviseSeconds = 3;
const defaultStopTimeoutSeconds = 30;

/** A worker that delivers. */
export interface RunningWorker {
  readonly stop: () => Promise<void>;
  readonly health: () => Promise<WorkerHealth>;
}

/** Starts it; if that fails, closes what was opened. The signal ends the wait for connections. */
export async function startWorker(name: string, options: WorkerOptions, signal: AbortSignal): Promise<RunningWorker> {
  const closing: Closing = [];
  try {
    return await runWorker(name, options, { closing, signal });
  } catch (error) {
    await closeAll(closing, performance.now() + closeMs);
    throw error;
  }
}

async function runWorker(
  name: string,
  options: WorkerOptions,
  { closing, signal }: { readonly closing: Closing; readonly signal: AbortSignal },
): Promise<RunningWorker> {
  const { dispatchers, pollSeconds = defaultPollSeconds, logger = silentLogger } = options;
  let wakeAll = () => undefined as void;
  const onIsolationEnd = () => wakeAll();
  const services = await waitForConnections(
    (opened) => openServices(name, options, { closing: opened, onIsolationEnd }),
    closing,
    { logger, signal },
  );
  const { pool } = services.database;
  for (const [method, dispatcher] of Object.entries(dispatchers)) {
    await dispatcher.start?.({ method, pool, logger: services.logger });
    closing.unshift(async () => dispatcher.close?.());
  }
  const telemetry = createTelemetry(options.telemetry);
  const { pumps, settlements } = createPumps(options, services, telemetry);
  wakeAll = () => pumps.forEach((pump) => pump.wake());
  const inFlight = () => new Map([...pumps].map(([method, pump]) => [method, pump.inFlight]));
  const gauges = observeGauges(telemetry.instruments, { ...services, inFlight });
  closing.unshift(async () => gauges.stop());
  closing.push(startWatchdog(options.watchdogSeconds ?? 0));
  const superviseSeconds = options.superviseSeconds ?? defaultSuperviseSeconds;
  const schedule = await startSchedule({ pollSeconds, superviseSeconds }, pumps, services);
  services.logger.info({ worker: name, methods: Object.keys(dispatchers) }, 'worker started');
  const stopMs = (options.stopTimeoutSeconds ?? defaultStopTimeoutSeconds) * 1000;
  const lateMs = 30_000 + 3000 * pollSeconds;
  return {
    async stop() {
      const endsAt = performance.now() + stopMs;
      await drain({ pumps, settlements, schedule, endsAt }, services);
      await closeAll(closing, endsAt);
      services.logger.info({}, 'worker stopped');
    },
    health: sharedForASecond(() =>
      examine({ pool, polledAt: () => schedule.polledAt, lateMs, errors: services.errors }),
    ),
  };
}

async function openServices(
  worker: string,
  options: WorkerOptions,
  { closing, onIsolationEnd }: { readonly closing: Closing; readonly onIsolationEnd: () => void },
): Promise<WorkerServices> {
  const { dispatchers, brand, logger = silentLogger } = options;
  const errors = createErrorReporter(logger);
  const connections = await openConnections(worker, options, errors);
  const { database, queuePool } = connections;
  closing.unshift(() => connections.close());
  closing.push(async () => connections.destroy());
  await requireMigrated(database.pool);
  await requireMethods(database.pool, Object.keys(dispatchers));
  await requireRecipientGuard(database.pool, options.recipientGuard);
  const queue = await openQueue({
    ...connections.queue,
    pool: queuePool,
    logger,
    onError: (error, what) => errors.report(error, what),
    superviseSeconds: options.superviseSeconds ?? defaultSuperviseSeconds,
  });
  closing.unshift(() => queue.close());
  return {
    worker,
    database,
    queue,
    queuePool,
    logger,
    errors,
    tenants: createTenants((id) => database.run(tenantStatement, [id]), { brand, logger }),
    renderer: createRenderer(),
    versions: createTemplateVersions(database),
    isolation: createIsolation(onIsolationEnd),
    files: createFileBudget(),
    decryptLabels: options.decryptLabels ?? plainLabels,
    links: options.links === undefined ? null : createLinks(options.links),
    recipientGuard: options.recipientGuard ?? null,
  };
}

function createPumps(
  { dispatchers }: WorkerOptions,
  services: WorkerServices,
  telemetry: ReturnType<typeof createTelemetry>,
): { readonly pumps: ReadonlyMap<string, Pump>; readonly settlements: readonly Settlements[] } {
  const pumps = new Map<string, Pump>();
  const all: Settlements[] = [];
  for (const [method, dispatcher] of Object.entries(dispatchers)) {
    const requeue = createRequeue({ ...services, method });
    const removals = createRemovals({ ...services, method });
    const settlements = createSettlements({ ...services, method, requeue, removals });
    all.push(settlements);
    const shared = { ...services, method, telemetry: telemetry.of(method), requeue };
    pumps.set(method, createPump({ ...shared, dispatcher, removals, settlements, guards: createGuards(shared) }));
  }
  return { pumps, settlements: all };
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

async function requireRecipientGuard(pool: Pool, name: string | undefined): Promise<void> {
  const problem = name === undefined ? null : await guardProblem(pool, name, recipientGuard);
  if (problem !== null) throw new ConfigurationError('recipientGuard', problem);
}

/** What a worker without `decryptLabels` does: it must not send encrypted labels. */
function plainLabels(secrets: Readonly<Record<string, string>>, _: string, sealId: string | null) {
  if (sealId === null) return { ...secrets };
  throw new ConfigurationError('decryptLabels', 'is missing, but the secret labels of a message are encrypted');
}
