import type { Command } from 'commander';
import type { Pool } from 'pg';
import type { CancelAnswer } from '../enqueue/cancel.ts';
import { cancelMessages } from '../operate/message-actions.ts';
import { tableCommand, withPool } from './command.ts';
import { readOperator } from './config.ts';
import { countText, printJson, printStderr, printTable } from './output.ts';
import {
  inBatches,
  recordSelection,
  type SelectionOptions,
  selectMessages,
  selectionNotes,
  withSelection,
} from './selection.ts';

/** Messages that are listed one by one in a terminal. */
const mostListed = 100;

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
          answers.slice(0, mostListed).map((answer) => [answer.messageId, answer.answer]),
          'no such message',
        );
        if (answers.length > mostListed)
          printStderr(`and ${countText(answers.length - mostListed)} more; ${countText(count)} cancelled in all`);
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
  const note = { by: readOperator(), why: options.why };
  if (dedupeKey !== undefined) return cancelMessages(pool, { dedupeKey }, note);
  if (target !== undefined) return cancelMessages(pool, { target }, note);
  const selection = await selectMessages(pool, { ids, options, verb: 'cancel' });
  return inBatches(selection, 'cancelled', (batch) => cancelMessages(pool, { ids: batch }, note));
}
