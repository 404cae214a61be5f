import type { Command } from 'commander';
import { releaseMessages } from '../operate/message-actions.ts';
import { command, withPool } from './command.ts';
import { print, printJson } from './output.ts';
import {
  countInBatches,
  onlyHeld,
  recordSelection,
  type SelectionOptions,
  selectMessages,
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
      const selection = await selectMessages(pool, { ids, options: onlyHeld(options), verb: 'release' });
      const released = await countInBatches(selection, 'released', (batch) => releaseMessages(pool, batch));
      await recordSelection(pool, 'release', { ids, options, count: released });
      if (options.json) return printJson({ released });
      print(`${released} released`);
    }),
  );
}
