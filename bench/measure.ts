/** Rounds, medians and spread. */
import { type Metric, rowOf } from './rows.ts';

/** One of the programs that are compared. Its figure is a rate or a time, the same kind for all of a comparison. */
export interface Contender {
  readonly name: string;
  /** One round; `warm-up` rounds are not counted and may be smaller. */
  readonly measure: (round: 'warm-up' | 'counted') => Promise<number>;
}

export type Figures = ReadonlyMap<string, readonly number[]>;

/**
 * Runs contenders in turns, each round in the opposite order of the one before, so that a machine that gets slower or
 * a table that grows treats all alike.
 */
export async function interleave(
  contenders: readonly Contender[],
  rounds: number,
  progress: (line: string) => void,
): Promise<Figures> {
  const figures = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (const { measure } of contenders) await measure('warm-up');
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? contenders : [...contenders].reverse();
    for (const { name, measure } of order) figures.get(name)?.push(await measure('counted'));
    const last = contenders.map(({ name }) => `${name} ${short(figures.get(name)?.at(-1) ?? 0)}`);
    progress(`round ${round + 1}/${rounds}: ${last.join(', ')}`);
  }
  return figures;
}

/** Ours beside the baseline, both by name. */
export function compared(name: string, figures: Figures, ours: string, baseline: string): Metric {
  const [mine, theirs] = [figures.get(ours) ?? [], figures.get(baseline) ?? []];
  const [value, base] = [median(mine), median(theirs)];
  return {
    name,
    value: rounded(value),
    unit: rowOf(name).unit,
    baseline: rounded(base),
    ratio: rounded(value / base),
    spread: [extremes(mine), extremes(theirs)],
  };
}

/** A figure that stands for itself. */
export function alone(name: string, value: number, samples: readonly number[] = []): Metric {
  const spread = samples.length > 0 ? { spread: [extremes(samples)] as const } : {};
  return { name, value: rounded(value), unit: rowOf(name).unit, baseline: null, ratio: null, ...spread };
}

export function notRun(name: string, note: string): Metric {
  return { name, value: null, unit: rowOf(name).unit, baseline: null, ratio: null, note };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Linear between neighbours, as most tools have it. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  if (low === undefined || high === undefined) throw new Error('no values to take a quantile of');
  return low + (high - low) * (at - Math.floor(at));
}

function extremes(values: readonly number[]): [number, number] {
  return [rounded(Math.min(...values)), rounded(Math.max(...values))];
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

/** For people: 12,345 or 1.23. */
export function short(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}
