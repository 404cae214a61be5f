/** What was done to the scene, when, and which deliveries it may have caught in the act. */

/** What a fault touches. Only what is touched is excused by it. */
export type Touched = 'worker' | 'enqueuer' | 'database' | 'receiver';

export interface Incident {
  readonly fault: string;
  readonly touched: Touched;
  /** Milliseconds since 1970. For a fault that lasts, `until` is when its cause was gone. */
  readonly at: number;
  until: number;
  /** Messages whose attempt was open on those who were hit. */
  readonly inFlight: readonly string[];
}

/** Milliseconds from one time to another during which none of these incidents lasted. */
export function undisturbedMs(from: number, to: number, incidents: readonly Incident[]): number {
  let free = 0;
  let at = from;
  for (const incident of incidents.toSorted((a, b) => a.at - b.at)) {
    if (incident.until <= at) continue;
    if (incident.at >= to) break;
    free += Math.max(0, incident.at - at);
    at = incident.until;
  }
  return free + Math.max(0, to - at);
}
