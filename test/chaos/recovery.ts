/** How long deliveries stood still after a fault, read from the attempts on record afterwards. */
import type { Pool } from 'pg';
import { type Incident, undisturbedMs } from './incidents.ts';

export interface Recovery {
  readonly fault: string;
  /** Milliseconds without those in which another fault went on. */
  readonly ms: number;
}

/**
 * Until the last message that a killed worker held was taken over: its attempt is then recorded as `unknown`, and the message
 * waits for five minutes.
 */
export async function recoveryOfWorkers(pool: Pool, incidents: readonly Incident[]): Promise<Recovery[]> {
  const kills = incidents.filter(({ fault, inFlight }) => fault.startsWith('SIGKILL a worker') && inFlight.length > 0);
  const recoveries: Recovery[] = [];
  for (const kill of kills) {
    const { rows } = await pool.query<{ at: Date | null }>(
      `SELECT max(taken.at) AS at FROM unnest($1::uuid[]) AS id CROSS JOIN LATERAL (
         SELECT min(finished_at) AS at FROM herald.attempt
         WHERE message_id = id AND reason = 'worker_lost' AND finished_at >= $2) AS taken`,
      [kill.inFlight, new Date(kill.at)],
    );
    const at = rows[0]?.at;
    if (!at) continue;
    const disturbing = incidents.filter((other) => other !== kill && other.touched !== 'enqueuer');
    recoveries.push({ fault: kill.fault, ms: undisturbedMs(kill.at, at.getTime(), disturbing) });
  }
  return recoveries;
}

/** Until the first attempt that began after the database was back. */
export async function recoveryOfDatabase(pool: Pool, incidents: readonly Incident[]): Promise<Recovery[]> {
  const faults = /^(restart|crash) the database|unreachable/;
  const recoveries: Recovery[] = [];
  for (const incident of incidents.filter(({ fault }) => faults.test(fault))) {
    const { rows } = await pool.query<{ at: Date | null }>(
      'SELECT min(started_at) AS at FROM herald.attempt WHERE started_at >= $1',
      [new Date(incident.until)],
    );
    const at = rows[0]?.at;
    const disturbing = incidents.filter((other) => other !== incident);
    if (at) recoveries.push({ fault: incident.fault, ms: undisturbedMs(incident.until, at.getTime(), disturbing) });
  }
  return recoveries;
}

export const longest = (recoveries: readonly Recovery[]): number =>
  Math.max(0, ...recoveries.map(({ ms }) => Math.round(ms)));
