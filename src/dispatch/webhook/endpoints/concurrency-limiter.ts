/**
 * Fairness between endpoints in one process. Each has a lane: how many calls it may have under way, which grows with
 * every success and shrinks with every fault, and a place in time for what does not fit. Nothing here waits; whoever
 * does not fit is told when to come again, so that a slow or dead endpoint never holds a slot that another could use.
 * State of one dispatcher; time is a parameter.
 */
import type { EndpointEffect } from '../classify-response.ts';

/** The messages of one endpoint that want to go now, in order. */
export interface LaneRequest {
  readonly endpointId: string;
  readonly messageIds: readonly string[];
  /** The endpoint's own limit for calls under way in one process. */
  readonly maxConcurrency: number;
  /** Requests a second, over all replicas; null: no limit. */
  readonly requestsPerSecond: number | null;
  /** Set while its circuit is open. */
  readonly open: { readonly probeAt: Date; readonly probeIsOurs: boolean } | null;
}

export interface Lanes {
  /** How many of these messages may go as far as this process is concerned. */
  room(request: LaneRequest): number;
  /** When those that may not go shall come again. The first `admitted` messages of the request go. */
  place(request: LaneRequest, admitted: number, now: Date): ReadonlyMap<string, Date>;
  /** A call begins; the answer ends it. */
  enter(endpointId: string, now: Date): (effect: EndpointEffect, now: Date) => void;
}

interface Lane {
  inFlight: number;
  limit: number;
  /** Time of one call in seconds, smoothed. */
  seconds: number;
  /** Up to when the lane is given away, and whether that was while the circuit was open. */
  horizon: number;
  open: boolean;
  usedAt: number;
}

/** Nobody knows yet whether it works. */
const firstLimit = 2;
/** A call that takes longer than this makes its endpoint a slow one. */
const slowSeconds = 2;
/** All slow endpoints that there may be at once leave room for the others. */
const slowShare = 0.1;
const smoothing = 0.2;
/** The first wait for what does not fit, and the longest; how far apart messages come after a circuit has closed. */
const leastSeconds = 1;
const longestSeconds = 300;
const rampSeconds = 0.2;
/** A probe usually has its answer by then. */
const probeSeconds = 10;
const maxLanes = 10_000;
const forgetMs = 600_000;

/** @param concurrency calls under way at once in this process, over all endpoints. */
export function createLanes(concurrency: number): Lanes {
  const lanes = new Map<string, Lane>();
  const slowLimit = Math.max(1, Math.floor(concurrency * slowShare));

  function laneOf(endpointId: string): Lane {
    const known = lanes.get(endpointId);
    if (known) return known;
    const lane = { inFlight: 0, limit: firstLimit, seconds: 0.5, horizon: 0, open: false, usedAt: 0 };
    lanes.set(endpointId, lane);
    return lane;
  }

  function limitOf(lane: Lane, request: LaneRequest): number {
    return Math.min(
      lane.limit,
      request.maxConcurrency,
      lane.seconds > slowSeconds ? slowLimit : Number.POSITIVE_INFINITY,
    );
  }

  function forget(now: number): void {
    if (lanes.size <= maxLanes) return;
    for (const [id, lane] of lanes) if (lane.inFlight === 0 && now - lane.usedAt > forgetMs) lanes.delete(id);
  }

  return {
    room(request) {
      if (request.open !== null) return request.open.probeIsOurs ? 1 : 0;
      const lane = laneOf(request.endpointId);
      return Math.max(0, Math.min(limitOf(lane, request) - lane.inFlight, request.messageIds.length));
    },
    place(request, admitted, now) {
      const lane = laneOf(request.endpointId);
      const time = now.getTime();
      const limit = limitOf(lane, request);
      const seconds = Math.max(lane.seconds / limit, request.requestsPerSecond ? 1 / request.requestsPerSecond : 0);
      const step = (request.open === null ? seconds : rampSeconds) * 1_000;
      const earliest = time + earliestSeconds(request.open, time) * 1_000;
      const turned = lane.open !== (request.open !== null);
      lane.open = request.open !== null;
      lane.horizon = turned ? earliest : Math.max(lane.horizon, earliest);
      lane.usedAt = time;
      const places = new Map<string, Date>();
      for (const id of request.messageIds.slice(admitted)) {
        places.set(id, new Date(lane.horizon));
        // Beyond the longest wait they share a place; whoever still does not fit then gets another.
        lane.horizon = Math.min(lane.horizon + step, earliest + longestSeconds * 1_000);
      }
      return places;
    },
    enter(endpointId, now) {
      const lane = laneOf(endpointId);
      lane.inFlight += 1;
      return (effect, end) => {
        lane.inFlight -= 1;
        lane.usedAt = end.getTime();
        lane.seconds += smoothing * ((end.getTime() - now.getTime()) / 1_000 - lane.seconds);
        lane.limit = nextLimit(lane.limit, effect, concurrency);
        forget(lane.usedAt);
      };
    },
  };
}

/** While a circuit is open: the time of its next probe. While that probe is under way: some time after it. */
function earliestSeconds(open: LaneRequest['open'], time: number): number {
  if (open === null) return leastSeconds;
  const toProbe = (open.probeAt.getTime() - time) / 1_000;
  return toProbe > 0 ? Math.max(leastSeconds, toProbe) : probeSeconds;
}

/** Additive increase, multiplicative decrease. */
function nextLimit(limit: number, effect: EndpointEffect, most: number): number {
  if (effect === 'healthy') return Math.min(limit + 1, most);
  if (effect === 'failing') return Math.max(1, Math.floor(limit / 2));
  return effect === 'overloaded' ? 1 : limit;
}
