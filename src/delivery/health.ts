/** Whether a worker can deliver: what an orchestrator's readiness probe asks. */
import type { Pool } from 'pg';
import { requireMigrated } from '../database/journal.ts';
import { ConfigurationError, codeOf } from '../errors.ts';
import { within } from './clock.ts';

/** One thing that a worker needs in order to deliver. */
export interface HealthCheck {
  readonly name: 'worker' | 'database' | 'migrations' | 'pumps';
  readonly ok: boolean;
  readonly text: string;
}

export interface WorkerHealth {
  /** Every check is well. A paused method does not count against it: another worker would not do better. */
  readonly ready: boolean;
  readonly checks: readonly HealthCheck[];
}

/** How long the database may take to answer a probe. */
const patienceMs = 2_000;

export interface HealthSources {
  readonly pool: Pool;
  /** When the worker last looked for due messages with success, by `performance.now()`. */
  readonly polledAt: () => number;
  /** A worker that has not polled for so long is stuck. */
  readonly lateMs: number;
}

export const notRunning = (text: string): WorkerHealth => ({
  ready: false,
  checks: [{ name: 'worker', ok: false, text }],
});

/** Asks the database; never rejects, and ends within seconds. */
export async function examine({ pool, polledAt, lateMs }: HealthSources): Promise<WorkerHealth> {
  const pollMs = Math.round(performance.now() - polledAt());
  const checks: HealthCheck[] = [
    { name: 'worker', ok: true, text: 'running' },
    ...(await examineDatabase(pool)),
    { name: 'pumps', ok: pollMs <= lateMs, text: `looked for due messages ${pollMs} ms ago` },
  ];
  return { ready: checks.every((check) => check.ok), checks };
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
  if (await within(asked, patienceMs)) return asked;
  return [{ name: 'database', ok: false, text: `did not answer within ${patienceMs / 1000} s` }];
}

/** Answers whether the database is read-only. */
async function examineMigrated(pool: Pool): Promise<boolean> {
  await requireMigrated(pool);
  const { rows } = await pool.query<{ readOnly: boolean }>(
    `SELECT current_setting('transaction_read_only')::boolean AS "readOnly"`,
  );
  return rows[0]?.readOnly === true;
}

/** The same answer for all who ask within a second: probes must not add up to load. */
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
