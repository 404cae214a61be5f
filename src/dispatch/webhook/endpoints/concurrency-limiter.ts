/**
 * Limits the concurrent calls to each endpoint in one process (AIMD): the limit grows by one with every success and
 * shrinks with every fault. Messages over the limit get a later time instead of blocking a slot, so a slow or dead
 * endpoint never holds a slot that another could use. The state belongs to one dispatcher; time is a parameter.
 */
import type { EndpointEffect } from '../classify-response.ts';

/** The leased messages of one endpoint, in order. */
export interface CapacityRequest {
  readonly endpointId: string;
  readonly messageIds: readonly string[];
  /** The endpoint's own limit for concurrent calls from one process. */
  readonly maxConcurrency: number;
  /** Requests per second over all replicas; null: no limit. */
  readonly requestsPerSecond: number | null;
  /** Set while the circuit of the endpoint is open. */
  readonly open: { readonly probeAt: Date; readonly probeIsOurs: boolean } | null;
}

/** Decides how many messages may go to each endpoint, and when to look at the others again. */
export interface ConcurrencyLimiter {
  /** How many of these messages may go now, as far as this process is concerned. */
  capacity(request: CapacityRequest): number;
  /** When to look again at the messages that may not go. The first `admitted` messages of the request go. */
  schedule(request: CapacityRequest, admitted: number, now: Date): ReadonlyMap<string, Date>;
  /** Starts a call. Call the returned function once with its result. */
  startCall(endpointId: string, now: Date): (effect: EndpointEffect, now: Date) => void;
}

interface EndpointLoad {
  inFlight: number;
  limit: number;
  /** Duration of one call in seconds, smoothed. */
  seconds: number;
  /** The time after the last one that was given to a waiting message, and whether the circuit was open then. */
  nextTime: number;
  open: boolean;
  usedAt: number;
}

/** The limit before the first result. */
const initialLimit = 2;
/** Calls that take longer than this on average make their endpoint a slow one. */
const slowSeconds = 2;
/** The share of all slots that one slow endpoint may take. */
const slowShare = 0.1;
const smoothing = 0.2;
/** The shortest and the longest wait for messages over the limit. */
const minWaitSeconds = 1;
const maxWaitSeconds = 300;
/** Distance between messages that wait for an open circuit to close. */
const recoverySpacingSeconds = 0.2;
/** A probe usually has its result by then. */
const probeSeconds = 10;
const maxEndpoints = 10_000;
const forgetMs = 600_000;

/** @param concurrency concurrent calls in this process, over all endpoints. */
export function createConcurrencyLimiter(concurrency: number): ConcurrencyLimiter {
  const loads = new Map<string, EndpointLoad>();
  const slowLimit = Math.max(1, Math.floor(concurrency * slowShare));

  function loadOf(endpointId: string): EndpointLoad {
    const known = loads.get(endpointId);
    if (known) return known;
    const load = { inFlight: 0, limit: initialLimit, seconds: 0.5, nextTime: 0, open: false, usedAt: 0 };
    loads.set(endpointId, load);
    return load;
  }

  function limitOf(load: EndpointLoad, request: CapacityRequest): number {
    const bySpeed = load.seconds > slowSeconds ? slowLimit : Number.POSITIVE_INFINITY;
    return Math.min(load.limit, request.maxConcurrency, bySpeed);
  }

  function forgetIdle(now: number): void {
    if (loads.size <= maxEndpoints) return;
    for (const [id, load] of loads) if (load.inFlight === 0 && now - load.usedAt > forgetMs) loads.delete(id);
  }

  return {
    capacity(request) {
      if (request.open !== null) return request.open.probeIsOurs ? 1 : 0;
      const load = loadOf(request.endpointId);
      return Math.max(0, Math.min(limitOf(load, request) - load.inFlight, request.messageIds.length));
    },
    schedule(request, admitted, now) {
      const load = loadOf(request.endpointId);
      const time = now.getTime();
      const earliest = time + earliestSeconds(request.open, time) * 1_000;
      const stepMs = spacingSeconds(load, limitOf(load, request), request) * 1_000;
      const changed = load.open !== (request.open !== null);
      load.open = request.open !== null;
      load.nextTime = changed ? earliest : Math.max(load.nextTime, earliest);
      load.usedAt = time;
      const times = new Map<string, Date>();
      for (const id of request.messageIds.slice(admitted)) {
        times.set(id, new Date(load.nextTime));
        // Beyond the longest wait messages share one time; those that do not fit then are scheduled again.
        load.nextTime = Math.min(load.nextTime + stepMs, earliest + maxWaitSeconds * 1_000);
      }
      return times;
    },
    startCall(endpointId, now) {
      const load = loadOf(endpointId);
      load.inFlight += 1;
      return (effect, end) => {
        load.inFlight -= 1;
        load.usedAt = end.getTime();
        load.seconds += smoothing * ((end.getTime() - now.getTime()) / 1_000 - load.seconds);
        load.limit = nextLimit(load.limit, effect, concurrency);
        forgetIdle(load.usedAt);
      };
    },
  };
}

function spacingSeconds(load: EndpointLoad, limit: number, { open, requestsPerSecond }: CapacityRequest): number {
  if (open !== null) return recoverySpacingSeconds;
  return Math.max(load.seconds / limit, requestsPerSecond ? 1 / requestsPerSecond : 0);
}

/** While a circuit is open: the time of its next probe. While that probe is in flight: some time after it. */
function earliestSeconds(open: CapacityRequest['open'], time: number): number {
  if (open === null) return minWaitSeconds;
  const toProbe = (open.probeAt.getTime() - time) / 1_000;
  return toProbe > 0 ? Math.max(minWaitSeconds, toProbe) : probeSeconds;
}

/** Additive increase, multiplicative decrease. */
function nextLimit(limit: number, effect: EndpointEffect, max: number): number {
  if (effect === 'healthy') return Math.min(limit + 1, max);
  if (effect === 'failing') return Math.max(1, Math.floor(limit / 2));
  return effect === 'overloaded' ? 1 : limit;
}
