import { readEgress } from './config.ts';
import { createEgress, type Egress } from '../dispatch/egress/egress.ts';
import { parseEgress } from '../dispatch/egress/egress-options.ts';

/** Runs work with what the environment allows to be called, and ends its connections. */
export async function withEgress<T>(work: (egress: Egress) => T | Promise<T>): Promise<T> {
  const egress = createEgress(parseEgress(readEgress()));
  try {
    return await work(egress);
  } finally {
    egress.close();
  }
}
