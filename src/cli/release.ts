import type { Command } from 'commander';
import { retryMessages } from '../operate/message-actions.ts';
import { command, withPool } from './command.ts';
import { print, printJson } from './output.ts';
import {
  countInBatches,
  onlyHeld,
  recordSelection,
  type SelectionOptions,
  selectIds,
  selectionNotes,
  withSelection,
} from './selection.ts';

/** `pg-herald release` */
export function releaseCommand(): Command {
  const made = command('release', 'Deliver messages that are held', {
    example: 'release --where status=held',
    more: [['release --where template=weekly-build-report --yes', 'those of one template']],
    notes: selectionNotes,
    seeAlso: ['hold', 'discard'],
  });
  return withSelection(made).action((ids: string[], options: SelectionOptions) =>
    withPool(options, async (pool) => {
      const selected = await selectIds(pool, { ids, options: onlyHeld(options), verb: 'release' });
      const released = await countInBatches(
        selected,
        'released',
        async (batch) => (await retryMessages(pool, batch)).filter((answer) => answer.retried).length,
      );
      await recordSelection(pool, 'release', { ids, options, count: released });
      if (options.json) return printJson({ released });
      print(`${released} released`);
    }),
  );
}
