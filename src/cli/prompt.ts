import { createInterface } from 'node:readline/promises';
import { printStderr, UsageError } from './output.ts';

/** Something that must be confirmed, as a verb and its object: `cancel`, `3 messages`. */
export interface Confirmation {
  readonly verb: string;
  readonly object: string;
}

/** Asks before a command changes something. Without a terminal it refuses, unless `--yes` is given. */
export async function confirm(
  { verb, object }: Confirmation,
  { yes = false }: { readonly yes?: boolean },
): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY)
    throw new UsageError(`Refusing to ${verb} ${object} without confirmation: stdin is not a terminal. Pass --yes.`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`${verb.replace(/^\w/, (first) => first.toUpperCase())} ${object}? [y/N] `);
  terminal.close();
  if (/^y(es)?$/i.test(answer.trim())) return;
  printStderr('nothing changed');
  throw new UsageError('not confirmed');
}
