import type { Command } from 'commander';
import type { Pool } from 'pg';
import type { CancelAnswer } from '../enqueue/cancel.ts';
import { cancelMessages } from '../operate/message-actions.ts';
import type { MessageStatus } from '../vocabulary.ts';
import { withPool } from './command.ts';
import { countText, print, printJson, printTable, UsageError } from './output.ts';
import {
  inBatches,
  noteOf,
  recordSelection,
  type Selection,
  type SelectionOptions,
  select,
  selectingCommand,
  selectMatching,
} from './selection.ts';

interface CancelOptions extends SelectionOptions {
  readonly dedupeKey?: string;
  readonly target?: string;
  readonly verbose?: boolean;
}

/** A message that is being sent is selected as well, so that the answer says so. */
const selectedStatuses: readonly MessageStatus[] = ['pending', 'held', 'sending'];

/** `pg-herald cancel` */
export function cancelCommand(): Command {
  return selectingCommand('cancel', 'Cancel messages that have not been sent yet', {
    example: 'cancel --target workspace-42',
    more: [
      ['cancel 01890a5d-ac96-774b-bcce-b302099a8057', 'one message'],
      ['cancel --where status=pending template=weekly-build-report', 'all that match'],
      ['cancel --dedupe-key workspace-deleted:42', 'by the key it was enqueued with'],
    ],
    notes: ['"in flight" means that a worker is sending the message now: it may still arrive.'],
    seeAlso: ['hold', 'retry'],
  })
    .option('--dedupe-key <key>', 'cancel the messages with this key')
    .option('--target <id>', 'cancel the messages about this object')
    .option('--verbose', 'list the result for each message')
    .action(cancel);
}

async function cancel(ids: string[], options: CancelOptions): Promise<void> {
  await withPool(options, async (pool) => {
    const note = noteOf(options);
    const selection = await selectionOf(pool, ids, options);
    const answers = await inBatches(selection, 'cancelled', (batch) => cancelMessages(pool, { ids: batch }, note));
    const count = countOf(answers, 'cancelled');
    const where = [...(options.where ?? []), ...otherConditions(options)];
    await recordSelection(pool, 'cancel', { selection, options: { ...options, where }, count });
    if (options.json) return printJson(answers);
    if (options.verbose || ids.length > 0)
      return printTable(
        ['message', 'answer'],
        answers.map(({ messageId, answer }) => [messageId, answerText(answer)]),
        'no such message',
      );
    print(totalsText(answers));
  });
}

async function selectionOf(pool: Pool, ids: readonly string[], options: CancelOptions): Promise<Selection> {
  const { dedupeKey, target, where } = options;
  const ways = [ids.length > 0 || where !== undefined, dedupeKey !== undefined, target !== undefined];
  if (ways.filter(Boolean).length > 1) throw new UsageError('give only one of ids, --where, --dedupe-key and --target');
  if (dedupeKey !== undefined) return selectMatching(pool, { dedupeKey });
  if (target !== undefined) return selectMatching(pool, { target });
  return select(pool, { ids, options, verb: 'cancel' }, selectedStatuses);
}

const answerText = (answer: CancelAnswer['answer']) => answer.replaceAll('_', ' ');

function countOf(answers: readonly CancelAnswer[], wanted: CancelAnswer['answer']): number {
  return answers.filter(({ answer }) => answer === wanted).length;
}

function totalsText(answers: readonly CancelAnswer[]): string {
  const others = (['in_flight', 'already_settled'] as const)
    .map((answer) => ({ answer, count: countOf(answers, answer) }))
    .filter(({ count }) => count > 0)
    .map(({ answer, count }) => `${countText(count)} ${answerText(answer)}`);
  return [`${countText(countOf(answers, 'cancelled'))} cancelled`, ...others].join(', ');
}

/** As conditions for the audit log, which leaves their values out. */
function otherConditions({ dedupeKey, target }: CancelOptions): string[] {
  return [...(dedupeKey === undefined ? [] : ['dedupe-key=']), ...(target === undefined ? [] : ['target='])];
}
