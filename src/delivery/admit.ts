/** Asks a dispatcher which of the leased messages its receivers can take now, and gives the others back. */
import type { LeasedJob } from '../queue/queue.ts';
import { readPlaces } from './jobs/requeue.ts';
import type { PumpServices } from './pump.ts';

export interface Admission {
  /** Jobs to lease for each free slot. */
  readonly reach: number;
  /** Gives back what its receiver cannot take now, before an attempt is opened for it; `free` slots at most stay. */
  admitted(jobs: readonly LeasedJob[], free: number): Promise<readonly LeasedJob[]>;
}

const furthestReach = 16;

export function createAdmission(
  services: Pick<PumpServices, 'method' | 'dispatcher' | 'database' | 'queue'>,
): Admission {
  const { method, dispatcher, database, queue } = services;
  let reach = 1;
  return {
    get reach() {
      return reach;
    },
    async admitted(jobs, free) {
      const later = await dispatcher.admit?.(jobs.map((job) => job.id));
      if (later === undefined || (later.size === 0 && reach === 1)) return jobs;
      const going = jobs.filter((job) => !later.has(job.id)).slice(0, free);
      const goes = new Set(going);
      const waiting = jobs.filter((job) => !goes.has(job));
      const { priorities, soon } = await readPlaces(
        database,
        waiting.map((job) => job.id),
      );
      await queue.postpone(
        method,
        waiting.map((job) => ({
          ...job,
          priority: priorities.get(job.id) ?? 0,
          // What was admitted and finds no slot comes again in a moment.
          startAfter: later.get(job.id) ?? soon,
        })),
      );
      // Where most are given back, the next lease is larger: a backlog of a dead receiver must not hold up those behind it.
      reach = going.length * 2 < jobs.length ? Math.min(reach * 2, furthestReach) : 1;
      return going;
    },
  };
}
