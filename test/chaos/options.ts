/** The command line of the chaos run. */
import { parseArgs } from 'node:util';

export interface RunOptions {
  readonly seed: number;
  /** Seconds of faults. */
  readonly seconds: number;
  /** Instead of mixed faults: so many SIGKILLs of workers, spread over the messages. */
  readonly kills: number | null;
  /** Messages to commit; endless by default. */
  readonly messages: number | null;
  /** Instead of mixed faults: the database is away for so many seconds, once. */
  readonly outageSeconds: number | null;
  /** Half of the notifications go to the inbox, too, have a guard and a later step, and some of their items are read. */
  readonly allParts: boolean;
  readonly jsonFile: string | null;
}

const usage = `npm run test:chaos -- [--seed N] [--seconds S | --long] [--all-parts] [--json FILE]
npm run test:chaos -- --kills 100 --messages 50000 [--seed N] [--json FILE]
npm run test:chaos -- --outage 300 [--seed N] [--json FILE]`;

/** Throws an error of one line and the usage for an option that is unknown or no number. */
export function readOptions(args: readonly string[]): RunOptions {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: text,
      seconds: text,
      long: { type: 'boolean' },
      kills: text,
      messages: text,
      outage: text,
      json: text,
      'all-parts': { type: 'boolean' },
    },
  });
  const number = (name: 'seed' | 'seconds' | 'kills' | 'messages' | 'outage'): number | null => {
    const value = values[name];
    if (value === undefined) return null;
    if (!/^\d+$/.test(value)) throw new Error(`--${name}: "${value}" is not a whole number\n${usage}`);
    return Number(value);
  };
  const kills = number('kills');
  return {
    seed: number('seed') ?? Math.floor(Math.random() * 1e9),
    seconds: number('seconds') ?? (values.long ? 3600 : 120),
    kills,
    messages: number('messages') ?? (kills === null ? null : kills * 500),
    outageSeconds: number('outage'),
    allParts: values['all-parts'] === true,
    jsonFile: values.json ?? null,
  };
}
