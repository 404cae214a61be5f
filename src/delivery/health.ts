/** Whether a worker can deliver: what an orchestrator's readiness probe asks. */
import type { Pool } from 'pg';
import { requireMigrated } from '../database/journal.ts';
import { ConfigurationError, codeOf } from '../errors.ts';
import { within } from './clock.ts';
import { deliveryErrors } from './database-errors.ts';
import type { ErrorRecord, ErrorReporter } from './services.ts';

/** One thing that a worker needs to deliver. */
export interface HealthCheck {
  /** What was checked, for example `database`. */
  readonly name: 'worker' | 'database' | 'migrations' | 'pumps' | 'delivery';
  /** False if it needs attention. */
  readonly ok: boolean;
  /** One sentence for an operator. */
  readonly text: string;
}

/** Whether a worker can deliver, and why not. */
export interface WorkerHealth {
  /** Every check passed. A paused method does not count: another worker would not do better. */
  readonly ready: boolean;
  /** Every check, also those that passed. */
  readonly checks: readonly HealthCheck[];
}

/** How long the database may take to answer a probe. */
const answerWithinMs = 2_000;

/** The errors that stop a delivery, and how long ago one counts: they recur with every try. */
const stopsDelivery = new Set<string>(deliveryErrors);
const troubleMs = 15_000;

/** What the health of a worker is read from. */
export interface HealthSources {
  readonly pool: Pool;
  /** When the worker last looked for due messages with success, by `performance.now()`. */
  readonly polledAt: () => number;
  /** A worker that has not polled for so long is stuck. */
  readonly lateMs: number;
  readonly errors: Pick<ErrorReporter, 'recent'>;
}

/** The health of a worker that has not started or has stopped. */
export const notRunning = (text: string): WorkerHealth => ({
  ready: false,
  checks: [{ name: 'worker', ok: false, text }],
});

/** Asks the database. Never rejects, and takes seconds at most. */
export async function examine({ pool, polledAt, lateMs, errors }: HealthSources): Promise<WorkerHealth> {
  const pollMs = Math.round(performance.now() - polledAt());
  const checks: HealthCheck[] = [
    { name: 'worker', ok: true, text: 'running' },
    ...(await examineDatabase(pool)),
    { name: 'pumps', ok: pollMs <= lateMs, text: `looked for due messages ${pollMs} ms ago` },
    examineDelivery(errors),
  ];
  return { ready: checks.every((check) => check.ok), checks };
}

/** A revoked right or a full disk lets every look succeed, and no message leaves. */
function examineDelivery(errors: Pick<ErrorReporter, 'recent'>): HealthCheck {
  const now = Date.now();
  const ageMs = ({ at }: ErrorRecord) => now - Date.parse(at);
  const trouble = errors.recent().find((error) => stopsDelivery.has(error.what) && ageMs(error) <= troubleMs);
  if (trouble === undefined) return { name: 'delivery', ok: true, text: 'no statement of a delivery fails' };
  const seconds = Math.round(ageMs(trouble) / 1000);
  return { name: 'delivery', ok: false, text: `${trouble.what} (${trouble.code}), ${seconds} s ago` };
}

async function examineDatabase(pool: Pool): Promise<HealthCheck[]> {
  const reachable: HealthCheck = { name: 'database', ok: true, text: 'reachable' };
  const asked = examineMigrated(pool).then(
    (readOnly): HealthCheck[] => [
      readOnly ? { name: 'database', ok: false, text: 'read-only' } : reachable,
      { name: 'migrations', ok: true, text: 'applied' },
    ],
    (error: unknown): HealthCheck[] =>
      error instanceof ConfigurationError
        ? [reachable, { name: 'migrations', ok: false, text: error.message }]
        : [{ name: 'database', ok: false, text: `cannot be asked (${codeOf(error)})` }],
  );
  if (await within(asked, answerWithinMs)) return asked;
  return [{ name: 'database', ok: false, text: `did not answer within ${answerWithinMs / 1000} s` }];
}

/** Returns whether the database is read-only. */
async function examineMigrated(pool: Pool): Promise<boolean> {
  await requireMigrated(pool);
  const { rows } = await pool.query<{ readOnly: boolean }>(
    `SELECT current_setting('transaction_read_only')::boolean AS "readOnly"`,
  );
  return rows[0]?.readOnly === true;
}

/** Shares one result among all calls within a second, so that probes cause no load. */
export function sharedForASecond<T>(ask: () => Promise<T>): () => Promise<T> {
  let last: Promise<T> | null = null;
  let askedAt = 0;
  return () => {
    if (last === null || performance.now() - askedAt > 1_000) {
      askedAt = performance.now();
      last = ask();
    }
    return last;
  };
}
