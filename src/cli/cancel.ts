import type { Command } from 'commander';
import type { Pool } from 'pg';
import { type CancelAnswer, cancel } from '../enqueue/cancel.ts';
import { tableCommand, withPool } from './command.ts';
import { printJson, printTable } from './output.ts';
import {
  inBatches,
  recordSelection,
  type SelectionOptions,
  selectIds,
  selectionNotes,
  withSelection,
} from './selection.ts';

interface CancelOptions extends SelectionOptions {
  readonly dedupeKey?: string;
  readonly target?: string;
}

/** `pg-herald cancel` */
export function cancelCommand(): Command {
  const made = tableCommand('cancel', 'Stop messages that were not sent yet', {
    example: 'cancel --target workspace-42',
    more: [
      ['cancel 01890a5d-ac96-774b-bcce-b302099a8057', 'one message'],
      ['cancel --where status=pending template=weekly-build-report', 'all that match'],
      ['cancel --dedupe-key workspace-deleted:42', 'by the key it was enqueued with'],
    ],
    notes: [...selectionNotes, '"in_flight" means that a worker is sending the message now: it may still arrive.'],
    seeAlso: ['hold', 'retry'],
  });
  return withSelection(made)
    .option('--dedupe-key <key>', 'messages with this key')
    .option('--target <id>', 'messages about this thing')
    .action((ids: string[], options: CancelOptions) =>
      withPool(options, async (pool) => {
        const answers = await cancelSelected(pool, ids, options);
        const count = answers.filter(({ answer }) => answer === 'cancelled').length;
        const where = [...(options.where ?? []), ...otherConditions(options)];
        await recordSelection(pool, 'cancel', { ids, options: { ...options, where }, count });
        if (options.json) return printJson(answers);
        printTable(
          ['message', 'answer'],
          answers.map((answer) => [answer.messageId, answer.answer]),
          'no such message',
        );
      }),
    );
}

/** As conditions for the audit log, which leaves their values out. */
function otherConditions({ dedupeKey, target }: CancelOptions): string[] {
  return [...(dedupeKey === undefined ? [] : ['dedupe-key=']), ...(target === undefined ? [] : ['target='])];
}

async function cancelSelected(
  pool: Pool,
  ids: readonly string[],
  options: CancelOptions,
): Promise<readonly CancelAnswer[]> {
  const { dedupeKey, target } = options;
  if (dedupeKey !== undefined) return cancel(pool, { dedupeKey });
  if (target !== undefined) return cancel(pool, { target });
  const selected = await selectIds(pool, { ids, options, verb: 'cancel' });
  return inBatches(selected, 'cancelled', (batch) => cancel(pool, { ids: batch }));
}
