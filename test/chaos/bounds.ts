/** The bounds that follow from the design (ARCHITECTURE.md), and whether a run kept them. */
import type { Comparison } from './comparison.ts';

/** Seconds without a sign of life after which a worker counts as dead. */
const leaseSeconds = 15;
/** The 20 s of ARCHITECTURE.md, and one more: here all processes and the database share the cores of one machine. */
const takeoverSeconds = leaseSeconds + 6;

export interface Measured extends Comparison {
  /** Messages in flight where a fault hit, summed up. */
  readonly inFlightAtFaults: number;
  /** Milliseconds; 0 when there was nothing to recover from. */
  readonly longestRecoveryMs: { readonly killedWorker: number; readonly database: number };
  /** Attempts to connect, per second and worker or enqueuer process, while the database accepted none; null when it was never away. */
  readonly attemptsPerSecondAway: number | null;
}

export interface Bound {
  readonly name: string;
  readonly measured: number;
  readonly most: number;
  readonly holds: boolean;
}

export function boundsOf(measured: Measured): Bound[] {
  const bound = (name: string, value: number, most: number): Bound => ({
    name,
    measured: value,
    most,
    holds: value <= most,
  });
  const { longestRecoveryMs: recovery } = measured;
  return [
    bound('lost', measured.lost, 0),
    bound('commits lost by the database', measured.lostCommits, 0),
    bound('phantoms', measured.phantom, 0),
    bound('not settled as sent', measured.unsettled, 0),
    bound('cancelled and sent', measured.cancelledAndSent, 0),
    bound('unexplained duplicates', measured.unexplained, 0),
    bound('duplicates, at most those in flight at faults', measured.duplicates, measured.inFlightAtFaults),
    bound('ms to recover from a killed worker', recovery.killedWorker, takeoverSeconds * 1000),
    bound('ms to recover from a database that was away', recovery.database, 10_000),
    ...(measured.attemptsPerSecondAway === null
      ? []
      : [bound('connection attempts per second and process while away', measured.attemptsPerSecondAway, 20)]),
  ];
}
