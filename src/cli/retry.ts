import type { Command } from 'commander';
import { type RetryAnswer, retriedStatuses, retryMessages } from '../operate/message-actions.ts';
import { withPool } from './command.ts';
import { CommandFailed, print, printJson, printStderr } from './output.ts';
import { inBatches, recordSelection, type SelectionOptions, select, selectingCommand } from './selection.ts';

/** Messages that are named one by one when they cannot be retried. */
const mostNamed = 20;

/** `pg-herald retry` */
export function retryCommand(): Command {
  return selectingCommand('retry', 'Deliver messages again that failed, expired, were inhibited or are held', {
    example: 'retry --where status=failed since=2h',
    more: [
      ['retry 01890a5d-ac96-774b-bcce-b302099a8057', 'one message'],
      ['retry --where method=smtp reason=misconfigured since=1d --yes', 'in a script'],
    ],
    notes: [
      'Pending, sending, sent and cancelled messages are left unchanged, and so is a message whose secret ' +
        'labels were wiped.',
    ],
    seeAlso: ['why', 'messages list', 'cancel'],
  }).action(retry);
}

async function retry(ids: string[], options: SelectionOptions): Promise<void> {
  await withPool(options, async (pool) => {
    const selection = await select(pool, { ids, options, verb: 'retry' }, retriedStatuses);
    const answers = await inBatches(selection, 'requeued', (batch) => retryMessages(pool, batch));
    const { total, others } = selection;
    const unchanged = answers.filter((answer) => !answer.retried);
    const retried = answers.length - unchanged.length;
    await recordSelection(pool, 'retry', { selection, options, count: retried });
    if (options.json)
      return printJson([
        ...answers,
        ...others.map(({ id, status }): RetryAnswer => ({ messageId: id, retried: false, status })),
      ]);
    print(`${retried} will be delivered again`);
    for (const answer of unchanged.slice(0, mostNamed)) printStderr(unchangedText(answer));
    if (answers.length < total) printStderr(`${total - answers.length} not found`);
    if (total + others.length === 0) printStderr('no message matches');
    if (retried === 0) throw new CommandFailed();
  });
}

function unchangedText({ messageId, status }: RetryAnswer): string {
  const why = retriedStatuses.includes(status) ? 'its secret labels were wiped' : 'there is nothing to retry';
  return `${messageId} stays ${status}: ${why}`;
}
