import { describe, expect, test } from 'vitest';
import type { EndpointEffect } from '../../../../src/dispatch/webhook/classify-response.ts';
import {
  createConcurrencyLimiter,
  type CapacityRequest,
  type ConcurrencyLimiter,
} from '../../../../src/dispatch/webhook/endpoints/concurrency-limiter.ts';

const start = new Date('2026-11-24T08:00:00Z').getTime();
const at = (seconds: number) => new Date(start + seconds * 1_000);
const ids = (count: number) => Array.from({ length: count }, (_, index) => `m${index}`);
const request = (changes: Partial<CapacityRequest> = {}): CapacityRequest => ({
  endpointId: 'e',
  messageIds: ids(100),
  maxConcurrency: 10,
  requestsPerSecond: null,
  open: null,
  ...changes,
});

function call(limiter: ConcurrencyLimiter, effect: EndpointEffect, seconds = 0.1, count = 1): void {
  for (let n = 0; n < count; n += 1) limiter.startCall('e', at(0))(effect, at(seconds));
}
const waits = (places: ReadonlyMap<string, Date>, from = 0) =>
  [...places.values()].map((time) => (time.getTime() - at(from).getTime()) / 1_000);

describe('the room of an endpoint', () => {
  test('begins with two calls, grows with every success and ends at its own limit', () => {
    const limiter = createConcurrencyLimiter(100);
    expect(limiter.capacity(request())).toBe(2);
    call(limiter, 'healthy', 0.1, 3);
    expect(limiter.capacity(request())).toBe(5);
    call(limiter, 'healthy', 0.1, 50);
    expect(limiter.capacity(request())).toBe(10);
    expect(limiter.capacity(request({ messageIds: ids(4) }))).toBe(4);
  });

  test('is halved by a fault and down to one when it is overloaded', () => {
    const limiter = createConcurrencyLimiter(100);
    call(limiter, 'healthy', 0.1, 20);
    call(limiter, 'failing', 0.1, 2);
    expect(limiter.capacity(request())).toBe(5);
    call(limiter, 'overloaded');
    expect(limiter.capacity(request())).toBe(1);
    call(limiter, 'failing', 0.1, 9);
    expect(limiter.capacity(request())).toBe(1);
  });

  test('is taken by calls under way', () => {
    const limiter = createConcurrencyLimiter(100);
    const leave = limiter.startCall('e', at(0));
    limiter.startCall('e', at(0));
    expect(limiter.capacity(request())).toBe(0);
    leave('refusing', at(1));
    expect(limiter.capacity(request())).toBe(1);
    expect(limiter.capacity(request({ endpointId: 'another' }))).toBe(2);
  });

  test('of a slow endpoint is a tenth of all slots', () => {
    const limiter = createConcurrencyLimiter(50);
    call(limiter, 'healthy', 15, 30);
    expect(limiter.capacity(request({ maxConcurrency: 50 }))).toBe(5);
  });

  test('of an open circuit is one probe, for the replica that won it', () => {
    const limiter = createConcurrencyLimiter(100);
    const open = { probeAt: at(60), probeIsOurs: false };
    expect(limiter.capacity(request({ open }))).toBe(0);
    expect(limiter.capacity(request({ open: { ...open, probeIsOurs: true } }))).toBe(1);
  });
});

describe('what does not fit', () => {
  test('comes again at the pace of the endpoint, one after the other', () => {
    const limiter = createConcurrencyLimiter(100);
    call(limiter, 'healthy', 1, 60);
    const places = waits(limiter.schedule(request({ maxConcurrency: 2 }), 90, at(0)));
    expect(places).toHaveLength(10);
    expect(places[0]).toBe(1);
    expect((places[9] ?? 0) - (places[0] ?? 0)).toBeCloseTo(4.5, 1);
  });

  test('goes behind what was put off before', () => {
    const limiter = createConcurrencyLimiter(100);
    const first = waits(limiter.schedule(request(), 0, at(0)));
    const second = waits(limiter.schedule(request(), 0, at(0)));
    expect(Math.min(...second)).toBeGreaterThan(Math.max(...first));
  });

  test('keeps the rate', () => {
    const limiter = createConcurrencyLimiter(100);
    expect(waits(limiter.schedule(request({ requestsPerSecond: 1 }), 97, at(0)))).toEqual([1, 2, 3]);
  });

  test('waits five minutes at most', () => {
    const limiter = createConcurrencyLimiter(100);
    const places = waits(limiter.schedule(request({ messageIds: ids(10_000), requestsPerSecond: 1 }), 0, at(0)));
    expect(Math.max(...places)).toBeLessThanOrEqual(301);
  });

  test('waits for the probe of an open circuit and then comes little by little', () => {
    const limiter = createConcurrencyLimiter(100);
    const places = waits(limiter.schedule(request({ open: { probeAt: at(120), probeIsOurs: false } }), 0, at(0)));
    expect(places[0]).toBe(120);
    expect(places[10]).toBeCloseTo(122);
  });

  test('does not wait for what was given away while the circuit was open', () => {
    const limiter = createConcurrencyLimiter(100);
    limiter.schedule(request({ open: { probeAt: at(600), probeIsOurs: false } }), 0, at(0));
    expect(waits(limiter.schedule(request(), 99, at(0)))).toEqual([1]);
  });

  test('waits a little longer while the probe is under way', () => {
    const limiter = createConcurrencyLimiter(100);
    expect(waits(limiter.schedule(request({ open: { probeAt: at(-1), probeIsOurs: true } }), 99, at(0)))).toEqual([10]);
  });
});
