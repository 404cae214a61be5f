/** The faults of a run, in order, with every choice that they will take: all of it follows from the seed. */
import type { Fault } from './faults/fault.ts';
import { type Random, randomFrom, shuffled } from './random.ts';

export interface Step {
  /** Pause before it, in milliseconds. */
  readonly afterMs: number;
  readonly fault: Fault;
  /** Seed of the choices within the fault. */
  readonly seed: number;
}

/** Endless: how many steps a run takes depends on how long the faults last. Every kind comes once before any is repeated. */
export function* schedule(seed: number, faults: readonly Fault[]): Generator<Step, never> {
  const random = randomFrom(seed);
  const step = (fault: Fault): Step => ({ afterMs: 200 + random() * 800, fault, seed: Math.floor(random() * 2 ** 32) });
  for (const fault of shuffled(faults, random)) yield step(fault);
  for (;;) yield step(weighted(faults, random));
}

function weighted(faults: readonly Fault[], random: Random): Fault {
  let at = random() * faults.reduce((sum, fault) => sum + fault.weight, 0);
  const fault = faults.find(({ weight }) => (at -= weight) <= 0);
  if (fault === undefined) throw new Error('there is no fault to choose');
  return fault;
}
