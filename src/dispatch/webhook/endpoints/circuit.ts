/**
 * The health of one endpoint and what follows from it, shared by all replicas through its row. Open: nothing is tried
 * but one probe at a time. A pure state transition; `ledger.ts` applies it under a row lock.
 */
import type { EndpointEffect } from '../classify-response.ts';

export interface Circuit {
  /** Calls without success in a row, refusals included. */
  readonly failures: number;
  /** Calls in a row to which there was no usable answer; what opens the circuit. */
  readonly faults: number;
  /** The first call without success since the last one with. */
  readonly failingSince: Date | null;
  /** The owner was told that it fails, and is told when it works again. */
  readonly warnedAt: Date | null;
  readonly openedAt: Date | null;
  /** Not before this time is the next probe; while one is under way, when it counts as lost. */
  readonly probeAt: Date | null;
  readonly probing: boolean;
  /** Probes in a row that failed. */
  readonly probes: number;
  /** Calls and faults in the window that began at this time. */
  readonly windowAt: Date | null;
  readonly windowCalls: number;
  readonly windowFaults: number;
}

/** Calls that came out the same way, one after the other. */
export interface Observation {
  readonly effect: EndpointEffect;
  readonly count: number;
  /** The highest number of an attempt among them. */
  readonly attempt: number;
}

export type DisabledReason = 'operator' | 'gone' | 'unusable' | 'failing';

export interface Transition {
  readonly circuit: Circuit;
  /** Switch the endpoint off; null: leave it as it is. */
  readonly disable: Exclude<DisabledReason, 'operator'> | null;
  /** What the owner should hear. */
  readonly news: 'failing' | 'recovered' | null;
}

export const healthyCircuit: Circuit = {
  failures: 0,
  faults: 0,
  failingSince: null,
  warnedAt: null,
  openedAt: null,
  probeAt: null,
  probing: false,
  probes: 0,
  windowAt: null,
  windowCalls: 0,
  windowFaults: 0,
};

const faultsToOpen = 5;
const windowSeconds = 300;
const windowCallsToOpen = 10;
const probeDelaysSeconds = [60, 120, 300, 900] as const;
/** The attempt of one message after which its owner hears of it. */
const attemptToWarn = 4;
const failingSecondsToDisable = 5 * 86_400;
/** Without this a single message in five days would do. */
const failuresToDisable = 10;

export function observe(circuit: Circuit, seen: Observation, now: Date): Transition {
  switch (seen.effect) {
    case 'none':
      return { circuit, disable: null, news: null };
    case 'healthy':
      return {
        circuit: { ...healthyCircuit, ...windowOf(circuit, seen, now) },
        disable: null,
        news: circuit.warnedAt === null ? null : 'recovered',
      };
    case 'gone':
    case 'unusable':
      return { circuit: failed(circuit, seen, now), disable: seen.effect, news: null };
    case 'refusing':
      // It answers, so there is nothing to probe for.
      return consequences({ ...failed(circuit, seen, now), ...closed, faults: 0 }, seen, now);
    case 'failing':
    case 'overloaded': {
      const next = failed(circuit, seen, now);
      return consequences(opened({ ...next, faults: circuit.faults + seen.count }, now), seen, now);
    }
    default:
      return seen.effect satisfies never;
  }
}

/** Whether a success needs no write: nothing would change that anybody looks at. */
export function isPristine({ failures, openedAt, warnedAt }: Circuit): boolean {
  return failures === 0 && openedAt === null && warnedAt === null;
}

const closed = { openedAt: null, probeAt: null, probing: false, probes: 0 } as const;

function failed(circuit: Circuit, seen: Observation, now: Date): Circuit {
  return {
    ...circuit,
    ...windowOf(circuit, seen, now),
    failures: circuit.failures + seen.count,
    failingSince: circuit.failingSince ?? now,
  };
}

function windowOf(circuit: Circuit, seen: Observation, now: Date) {
  const fresh = circuit.windowAt === null || secondsBetween(circuit.windowAt, now) >= windowSeconds;
  const faults = seen.effect === 'failing' || seen.effect === 'overloaded' ? seen.count : 0;
  return {
    windowAt: fresh ? now : circuit.windowAt,
    windowCalls: (fresh ? 0 : circuit.windowCalls) + seen.count,
    windowFaults: (fresh ? 0 : circuit.windowFaults) + faults,
  };
}

/** Opens the circuit, or puts off the next probe of an open one. Calls that began before it opened change nothing. */
function opened(circuit: Circuit, now: Date): Circuit {
  if (circuit.openedAt !== null) {
    return circuit.probing ? waiting({ ...circuit, probes: circuit.probes + 1 }, now) : circuit;
  }
  const halfLost = circuit.windowCalls >= windowCallsToOpen && circuit.windowFaults * 2 >= circuit.windowCalls;
  return circuit.faults >= faultsToOpen || halfLost ? waiting({ ...circuit, openedAt: now, probes: 0 }, now) : circuit;
}

function waiting(circuit: Circuit, now: Date): Circuit {
  const delay = probeDelaysSeconds[Math.min(circuit.probes, probeDelaysSeconds.length - 1)] ?? 0;
  return { ...circuit, probing: false, probeAt: new Date(now.getTime() + delay * 1_000) };
}

function consequences(circuit: Circuit, seen: Observation, now: Date): Transition {
  const warn = circuit.warnedAt === null && seen.attempt >= attemptToWarn;
  const days = circuit.failingSince !== null && secondsBetween(circuit.failingSince, now) >= failingSecondsToDisable;
  return {
    circuit: warn ? { ...circuit, warnedAt: now } : circuit,
    disable: days && circuit.failures >= failuresToDisable ? 'failing' : null,
    news: warn ? 'failing' : null,
  };
}

function secondsBetween(from: Date, to: Date): number {
  return (to.getTime() - from.getTime()) / 1_000;
}
