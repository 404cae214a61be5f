import { describe, expect, test } from 'vitest';
import type { EndpointEffect } from '../../../../src/dispatch/webhook/classify-response.ts';
import {
  createLanes,
  type LaneRequest,
  type Lanes,
} from '../../../../src/dispatch/webhook/endpoints/concurrency-limiter.ts';

const start = new Date('2026-11-24T08:00:00Z').getTime();
const at = (seconds: number) => new Date(start + seconds * 1_000);
const ids = (count: number) => Array.from({ length: count }, (_, index) => `m${index}`);
const request = (changes: Partial<LaneRequest> = {}): LaneRequest => ({
  endpointId: 'e',
  messageIds: ids(100),
  maxConcurrency: 10,
  requestsPerSecond: null,
  open: null,
  ...changes,
});

function call(lanes: Lanes, effect: EndpointEffect, seconds = 0.1, count = 1): void {
  for (let n = 0; n < count; n += 1) lanes.enter('e', at(0))(effect, at(seconds));
}
const waits = (places: ReadonlyMap<string, Date>, from = 0) =>
  [...places.values()].map((time) => (time.getTime() - at(from).getTime()) / 1_000);

describe('the room of an endpoint', () => {
  test('begins with two calls, grows with every success and ends at its own limit', () => {
    const lanes = createLanes(100);
    expect(lanes.room(request())).toBe(2);
    call(lanes, 'healthy', 0.1, 3);
    expect(lanes.room(request())).toBe(5);
    call(lanes, 'healthy', 0.1, 50);
    expect(lanes.room(request())).toBe(10);
    expect(lanes.room(request({ messageIds: ids(4) }))).toBe(4);
  });

  test('is halved by a fault and down to one when it is overloaded', () => {
    const lanes = createLanes(100);
    call(lanes, 'healthy', 0.1, 20);
    call(lanes, 'failing', 0.1, 2);
    expect(lanes.room(request())).toBe(5);
    call(lanes, 'overloaded');
    expect(lanes.room(request())).toBe(1);
    call(lanes, 'failing', 0.1, 9);
    expect(lanes.room(request())).toBe(1);
  });

  test('is taken by calls under way', () => {
    const lanes = createLanes(100);
    const leave = lanes.enter('e', at(0));
    lanes.enter('e', at(0));
    expect(lanes.room(request())).toBe(0);
    leave('refusing', at(1));
    expect(lanes.room(request())).toBe(1);
    expect(lanes.room(request({ endpointId: 'another' }))).toBe(2);
  });

  test('of a slow endpoint is a tenth of all slots', () => {
    const lanes = createLanes(50);
    call(lanes, 'healthy', 15, 30);
    expect(lanes.room(request({ maxConcurrency: 50 }))).toBe(5);
  });

  test('of an open circuit is one probe, for the replica that won it', () => {
    const lanes = createLanes(100);
    const open = { probeAt: at(60), probeIsOurs: false };
    expect(lanes.room(request({ open }))).toBe(0);
    expect(lanes.room(request({ open: { ...open, probeIsOurs: true } }))).toBe(1);
  });
});

describe('what does not fit', () => {
  test('comes again at the pace of the endpoint, one after the other', () => {
    const lanes = createLanes(100);
    call(lanes, 'healthy', 1, 60);
    const places = waits(lanes.place(request({ maxConcurrency: 2 }), 90, at(0)));
    expect(places).toHaveLength(10);
    expect(places[0]).toBe(1);
    expect((places[9] ?? 0) - (places[0] ?? 0)).toBeCloseTo(4.5, 1);
  });

  test('goes behind what was put off before', () => {
    const lanes = createLanes(100);
    const first = waits(lanes.place(request(), 0, at(0)));
    const second = waits(lanes.place(request(), 0, at(0)));
    expect(Math.min(...second)).toBeGreaterThan(Math.max(...first));
  });

  test('keeps the rate', () => {
    const lanes = createLanes(100);
    expect(waits(lanes.place(request({ requestsPerSecond: 1 }), 97, at(0)))).toEqual([1, 2, 3]);
  });

  test('waits five minutes at most', () => {
    const lanes = createLanes(100);
    const places = waits(lanes.place(request({ messageIds: ids(10_000), requestsPerSecond: 1 }), 0, at(0)));
    expect(Math.max(...places)).toBeLessThanOrEqual(301);
  });

  test('waits for the probe of an open circuit and then comes little by little', () => {
    const lanes = createLanes(100);
    const places = waits(lanes.place(request({ open: { probeAt: at(120), probeIsOurs: false } }), 0, at(0)));
    expect(places[0]).toBe(120);
    expect(places[10]).toBeCloseTo(122);
  });

  test('does not wait for what was given away while the circuit was open', () => {
    const lanes = createLanes(100);
    lanes.place(request({ open: { probeAt: at(600), probeIsOurs: false } }), 0, at(0));
    expect(waits(lanes.place(request(), 99, at(0)))).toEqual([1]);
  });

  test('waits a little longer while the probe is under way', () => {
    const lanes = createLanes(100);
    expect(waits(lanes.place(request({ open: { probeAt: at(-1), probeIsOurs: true } }), 99, at(0)))).toEqual([10]);
  });
});
