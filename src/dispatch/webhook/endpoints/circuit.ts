/**
 * A circuit breaker per endpoint, shared by all replicas through its row. While it is open, only one probe at a time is
 * sent. A pure state transition; the health recorder applies it under a row lock.
 */
import type { EndpointEffect } from '../classify-response.ts';

/** The stored state of one breaker. */
export interface Circuit {
  /** Calls without success in a row, refusals included. */
  readonly failures: number;
  /** Calls without a usable response in a row; enough of them open the circuit. */
  readonly faults: number;
  /** Time of the first call without success since the last one with success. */
  readonly failingSince: Date | null;
  /** When the owner was told that the endpoint fails; the owner is then told when it works again. */
  readonly warnedAt: Date | null;
  readonly openedAt: Date | null;
  /** The next probe is not sent before this time. While one is in flight: when it counts as lost. */
  readonly probeAt: Date | null;
  readonly probing: boolean;
  /** Failed probes in a row. */
  readonly probes: number;
  /** Start of the window in which calls and faults are counted. */
  readonly windowAt: Date | null;
  readonly windowCalls: number;
  readonly windowFaults: number;
}

/** Consecutive calls with the same effect. */
export interface Observation {
  readonly effect: EndpointEffect;
  readonly count: number;
  /** The highest attempt number among them. */
  readonly attempt: number;
}

/**
 * Why an endpoint is switched off: by an operator; it answered 410 (`gone`); its URL or credential is refused
 * (`unusable`); no success for five days (`failing`).
 */
export type DisabledReason = 'operator' | 'gone' | 'unusable' | 'failing';

/** What follows from an observation. */
export interface Transition {
  readonly circuit: Circuit;
  /** Why to switch the endpoint off; null: leave it as it is. */
  readonly disable: Exclude<DisabledReason, 'operator'> | null;
  /** What the owner is told. */
  readonly event: 'failing' | 'recovered' | null;
}

/** The state of an endpoint that works. */
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
/** Refused messages may have been refused for their own sake: another message shows it soon. */
const probeDelaysSecondsIfBlamed = [5, 15, 60] as const;
const probeDelaysSeconds = [60, 120, 300, 900] as const;
/** The owner is told after this attempt of one message. */
const attemptToWarn = 4;
const failingSecondsToDisable = 5 * 86_400;
/** Otherwise a single message in five days would be enough. */
const failuresToDisable = 10;

/** The circuit after an observation at `now`, by the database's clock. */
export function observe(circuit: Circuit, seen: Observation, now: Date): Transition {
  switch (seen.effect) {
    case 'none':
      return { circuit, disable: null, event: null };
    case 'healthy':
      return afterSuccess(circuit, seen, now);
    case 'gone':
    case 'unusable':
      return { circuit: failed(circuit, seen, now), disable: seen.effect, event: null };
    case 'refusing':
      // The receiver responds, so a probe would tell nothing new.
      return consequences({ ...failed(circuit, seen, now), ...closed, faults: 0 }, seen, now);
    case 'at_fault':
      return consequences(blamed(failed(circuit, seen, now), now), seen, now);
    case 'failing':
    case 'overloaded':
      return afterFault(circuit, seen, now);
    default:
      return seen.effect satisfies never;
  }
}

function afterSuccess(circuit: Circuit, seen: Observation, now: Date): Transition {
  return {
    circuit: { ...healthyCircuit, ...windowOf(circuit, seen, now) },
    disable: null,
    event: circuit.warnedAt === null ? null : 'recovered',
  };
}

function afterFault(circuit: Circuit, seen: Observation, now: Date): Transition {
  const next = failed(circuit, seen, now);
  return consequences(opened({ ...next, faults: circuit.faults + seen.count }, now), seen, now);
}

/** Whether a success needs no write, because it would change nothing. */
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

/** Opens the circuit, or delays the next probe of an open one. Calls that started before it opened change nothing. */
function opened(circuit: Circuit, now: Date): Circuit {
  if (circuit.openedAt !== null) {
    return circuit.probing ? waiting({ ...circuit, probes: circuit.probes + 1 }, now) : circuit;
  }
  const halfLost = circuit.windowCalls >= windowCallsToOpen && circuit.windowFaults * 2 >= circuit.windowCalls;
  return circuit.faults >= faultsToOpen || halfLost ? waiting({ ...circuit, openedAt: now, probes: 0 }, now) : circuit;
}

/** Opens the circuit at once, because the evidence is complete. */
function blamed(circuit: Circuit, now: Date): Circuit {
  if (circuit.openedAt === null)
    return waiting({ ...circuit, openedAt: now, probes: 0 }, now, probeDelaysSecondsIfBlamed);
  if (!circuit.probing) return circuit;
  return waiting({ ...circuit, probes: circuit.probes + 1 }, now, probeDelaysSecondsIfBlamed);
}

function waiting(circuit: Circuit, now: Date, delays: readonly number[] = probeDelaysSeconds): Circuit {
  const delay = delays[Math.min(circuit.probes, delays.length - 1)] ?? 0;
  return { ...circuit, probing: false, probeAt: new Date(now.getTime() + delay * 1_000) };
}

function consequences(circuit: Circuit, seen: Observation, now: Date): Transition {
  const warn = circuit.warnedAt === null && seen.attempt >= attemptToWarn;
  const days = circuit.failingSince !== null && secondsBetween(circuit.failingSince, now) >= failingSecondsToDisable;
  return {
    circuit: warn ? { ...circuit, warnedAt: now } : circuit,
    disable: days && circuit.failures >= failuresToDisable ? 'failing' : null,
    event: warn ? 'failing' : null,
  };
}

function secondsBetween(from: Date, to: Date): number {
  return (to.getTime() - from.getTime()) / 1_000;
}
