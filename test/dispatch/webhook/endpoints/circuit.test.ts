import { describe, expect, test } from 'vitest';
import {
  healthyCircuit,
  isPristine,
  observe,
  type Circuit,
  type Transition,
} from '../../../../src/dispatch/webhook/endpoints/circuit.ts';
import type { EndpointEffect } from '../../../../src/dispatch/webhook/classify-response.ts';

const start = new Date('2026-11-24T08:00:00Z').getTime();
const at = (seconds: number) => new Date(start + seconds * 1_000);

/** Applies effects one after the other, one second apart from `from`. */
function run(circuit: Circuit, effects: readonly EndpointEffect[], { from = 0, attempt = 1 } = {}): Transition {
  let last: Transition = { circuit, disable: null, event: null };
  for (const [index, effect] of effects.entries())
    last = observe(last.circuit, { effect, count: 1, attempt }, at(from + index));
  return last;
}
const times = (count: number, effect: EndpointEffect) => Array.from({ length: count }, () => effect);

describe('the circuit opens', () => {
  test('at the fifth fault in a row, with a probe after a minute', () => {
    expect(run(healthyCircuit, times(4, 'failing')).circuit.openedAt).toBeNull();
    const { circuit } = run(healthyCircuit, times(5, 'failing'));
    expect(circuit).toMatchObject({ openedAt: at(4), probeAt: at(64), probing: false, failures: 5 });
  });

  test('when a burst is recorded at once', () => {
    const { circuit } = observe(healthyCircuit, { effect: 'overloaded', count: 7, attempt: 1 }, at(0));
    expect(circuit.openedAt).toEqual(at(0));
  });

  test('at once by evidence, and another message never waits longer than a minute to prove the opposite', () => {
    let { circuit } = run(healthyCircuit, ['refusing', 'refusing', 'at_fault']);
    expect(circuit).toMatchObject({ openedAt: at(2), probeAt: at(2 + 5) });
    for (const [index, seconds] of [15, 60, 60, 60].entries()) {
      ({ circuit } = run({ ...circuit, probing: true }, ['at_fault'], { from: 1000 * index }));
      expect(circuit).toMatchObject({ probing: false, probeAt: at(1000 * index + seconds) });
    }
    // A call that began before the circuit opened.
    expect(run(circuit, ['at_fault'], { from: 9000 }).circuit.probeAt).toEqual(circuit.probeAt);
  });

  test('when half of ten calls within five minutes were faults', () => {
    const mixed: EndpointEffect[] = [
      'healthy',
      'failing',
      'healthy',
      'failing',
      'healthy',
      'failing',
      'healthy',
      'failing',
      'healthy',
      'failing',
    ];
    expect(run(healthyCircuit, mixed.slice(0, 9)).circuit.openedAt).toBeNull();
    expect(run(healthyCircuit, mixed).circuit.openedAt).toEqual(at(9));
  });

  test('not when the faults are further apart than the window', () => {
    let circuit: Circuit = healthyCircuit;
    for (let n = 0; n < 20; n += 1)
      circuit = run(circuit, [n % 2 === 0 ? 'healthy' : 'failing'], { from: n * 60 }).circuit;
    expect(circuit.openedAt).toBeNull();
  });

  test('not for refusals: it answers', () => {
    expect(run(healthyCircuit, times(100, 'refusing')).circuit.openedAt).toBeNull();
    expect(
      run(healthyCircuit, ['failing', 'failing', 'failing', 'failing', 'refusing', 'failing']).circuit.openedAt,
    ).toBeNull();
  });

  test('not for what is not its doing', () => {
    expect(run(healthyCircuit, times(100, 'none')).circuit).toEqual(healthyCircuit);
  });
});

describe('an open circuit', () => {
  const open = run(healthyCircuit, times(5, 'failing')).circuit;

  test('is not opened further by calls that began before', () => {
    expect(run(open, times(20, 'failing'), { from: 10 }).circuit).toMatchObject({
      openedAt: at(4),
      probeAt: at(64),
      probes: 0,
    });
  });

  test('is probed after 1, 2, 5, 15, 15 minutes', () => {
    let circuit = open;
    const waits: number[] = [];
    for (let probe = 0; probe < 5; probe += 1) {
      const now = circuit.probeAt ?? at(0);
      waits.push((now.getTime() - (probe === 0 ? at(4) : at(1_000 * probe)).getTime()) / 1_000);
      circuit = observe(
        { ...circuit, probing: true },
        { effect: 'failing', count: 1, attempt: 1 },
        at(1_000 * (probe + 1)),
      ).circuit;
    }
    expect(waits).toEqual([60, 120, 300, 900, 900]);
  });

  test.each(['healthy', 'refusing'] as const)('is closed by a probe that is %s', (effect) => {
    const { circuit } = observe({ ...open, probing: true }, { effect, count: 1, attempt: 1 }, at(70));
    expect(circuit).toMatchObject({ openedAt: null, probeAt: null, probing: false, probes: 0, faults: 0 });
    expect(isPristine(circuit)).toBe(effect === 'healthy');
  });

  test('needs five faults again once it was closed', () => {
    const closed = run(open, ['healthy'], { from: 400 }).circuit;
    expect(run(closed, times(4, 'failing'), { from: 401 }).circuit.openedAt).toBeNull();
  });
});

describe('the endpoint is disabled', () => {
  test.each(['gone', 'unusable'] as const)('at once when it is %s', (effect) => {
    expect(run(healthyCircuit, [effect]).disable).toBe(effect);
  });

  test.each(['failing', 'refusing'] as const)('after five days of nothing but %s', (effect) => {
    const { circuit } = run(healthyCircuit, times(9, effect));
    expect(run(circuit, [effect], { from: 5 * 86_400 - 1 }).disable).toBeNull();
    expect(run(circuit, [effect], { from: 5 * 86_400 }).disable).toBe('failing');
  });

  test('not when one call in between succeeded, nor for a handful of calls', () => {
    const { circuit } = run(healthyCircuit, [...times(9, 'failing'), 'healthy', ...times(20, 'failing')]);
    expect(run(circuit, ['failing'], { from: 5 * 86_400 }).disable).toBeNull();
    const { circuit: few } = run(healthyCircuit, times(3, 'failing'));
    expect(run(few, ['failing'], { from: 6 * 86_400 }).disable).toBeNull();
  });
});

describe('the owner hears', () => {
  test('once that it fails, at the fourth attempt of a message, and once that it works again', () => {
    expect(run(healthyCircuit, ['failing'], { attempt: 3 }).event).toBeNull();
    const warned = run(healthyCircuit, ['failing'], { attempt: 4 });
    expect(warned.event).toBe('failing');
    expect(run(warned.circuit, ['refusing'], { attempt: 5 }).event).toBeNull();
    const recovered = run(warned.circuit, ['healthy']);
    expect(recovered.event).toBe('recovered');
    expect(run(recovered.circuit, ['healthy']).event).toBeNull();
  });
});
