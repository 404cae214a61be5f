import type { Command } from 'commander';
import { discardMessages } from '../operate/message-actions.ts';
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

/** `pg-herald discard` */
export function discardCommand(): Command {
  const made = command('discard', 'Cancel messages that are held, without sending them', {
    example: 'discard --where reason=restored',
    notes: selectionNotes,
    seeAlso: ['hold', 'release'],
  });
  return withSelection(made).action((ids: string[], options: SelectionOptions) =>
    withPool(options, async (pool) => {
      const selection = await selectMessages(pool, { ids, options: onlyHeld(options), verb: 'discard' });
      const discarded = await countInBatches(selection, 'discarded', (batch) => discardMessages(pool, batch));
      await recordSelection(pool, 'discard', { ids, options, count: discarded });
      if (options.json) return printJson({ discarded });
      print(`${discarded} discarded`);
    }),
  );
}
