/** What a fault is. */
import type { Touched } from '../incidents.ts';
import type { Random } from '../random.ts';
import type { Stage } from '../stage.ts';

export interface Injected {
  /** Messages whose attempt was open where the fault hit: each of them may arrive twice. None by default. */
  readonly inFlight?: readonly string[];
  /** Milliseconds from now that it still lasts. */
  readonly lastsMs?: number;
}

export interface Fault {
  readonly name: string;
  /** How often, compared with the others. */
  readonly weight: number;
  readonly touched: Touched;
  /** Resolves when it is done or under way; null when there was nothing to hit. Every choice is taken from `random`. */
  inject(stage: Stage, random: Random): Promise<Injected | null>;
}

export const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
