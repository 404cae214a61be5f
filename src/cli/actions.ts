/** What an operator does to messages, one by one or all that match. */
import type { Command } from 'commander';
import type { Pool } from 'pg';
import { cancel } from '../enqueue/cancel.ts';
import { holdMessages, retryMessages } from '../operate/messages.ts';
import { audit } from './audit.ts';
import { command, filterHelp, withPool } from './command.ts';
import { print, printAside, printJson, printTable, Unsuccessful } from './output.ts';
import { inBatches, type SelectionOptions, selectIds } from './selection.ts';

function selecting(name: string, description: string, example: string): Command {
  return command(name, description, example)
    .argument('[ids...]', 'ids of messages')
    .option('--where <condition...>', `in place of ids: ${filterHelp}`)
    .option('--yes', 'do not ask');
}

export function retryCommand(): Command {
  return selecting(
    'retry',
    'Deliver again what failed, expired, was inhibited or is held',
    'retry --where status=failed since=2h',
  ).action((ids: string[], options: SelectionOptions) =>
    withPool(options, async (pool) => {
      const selected = await selectIds(pool, { ids, options, verb: 'Retry' });
      const answers = await inBatches(selected, 'asked for again', (batch) => retryMessages(pool, batch));
      await auditMany(pool, 'retry', { ids, options, count: answers.filter((answer) => answer.retried).length });
      if (options.json) return printJson(answers);
      const stuck = answers.filter((answer) => !answer.retried);
      print(`${answers.length - stuck.length} will be delivered again`);
      for (const answer of stuck.slice(0, 20))
        printAside(
          `${answer.messageId} stays ${answer.status}: ${['pending', 'sending', 'sent', 'cancelled'].includes(answer.status) ? 'there is nothing to retry' : 'its secret labels were wiped'}`,
        );
      if (answers.length < selected.length) printAside(`${selected.length - answers.length} not found`);
      if (answers.length === 0 || stuck.length === answers.length) throw new Unsuccessful();
    }),
  );
}

export function cancelCommand(): Command {
  return selecting('cancel', 'Stop messages that were not sent yet', 'cancel --target workspace-42')
    .option('--dedupe-key <key>', 'the messages with this key')
    .option('--target <id>', 'the messages about this thing')
    .action((ids: string[], options: SelectionOptions & { dedupeKey?: string; target?: string }) =>
      withPool(options, async (pool) => {
        const answers =
          options.dedupeKey !== undefined
            ? await cancel(pool, { dedupeKey: options.dedupeKey })
            : options.target !== undefined
              ? await cancel(pool, { target: options.target })
              : await inBatches(await selectIds(pool, { ids, options, verb: 'Cancel' }), 'asked to stop', (batch) =>
                  cancel(pool, { ids: batch }),
                );
        const count = answers.filter(({ answer }) => answer === 'cancelled').length;
        await auditMany(pool, 'cancel', { ids, options, count });
        if (options.json) return printJson(answers);
        printTable(
          ['message', 'answer'],
          answers.map((answer) => [answer.messageId, answer.answer]),
          'no such message',
        );
      }),
    );
}

export function holdCommand(): Command {
  return selecting(
    'hold',
    'Keep pending messages back until they are released',
    'hold --where template=weekly-build-report',
  ).action((ids: string[], options: SelectionOptions) =>
    withPool(options, async (pool) => {
      const selected = await selectIds(pool, { ids, options, verb: 'Hold' });
      const counts = await inBatches(selected, 'asked to wait', async (batch) => [await holdMessages(pool, batch)]);
      const held = counts.reduce((sum, each) => sum + each, 0);
      await auditMany(pool, 'hold', { ids, options, count: held });
      if (options.json) return printJson({ held });
      print(`${held} held`);
    }),
  );
}

export function releaseCommand(): Command {
  return selecting('release', 'Deliver messages that are held', 'release --where status=held').action(
    (ids: string[], options: SelectionOptions) =>
      withPool(options, async (pool) => {
        const selected = await selectIds(pool, {
          ids,
          options: { ...options, ...(options.where && { where: [...options.where, 'status=held'] }) },
          verb: 'Release',
        });
        const asked = await inBatches(selected, 'asked for', (batch) => retryMessages(pool, batch));
        const answers = asked.filter((answer) => answer.retried);
        await auditMany(pool, 'release', { ids, options, count: answers.length });
        if (options.json) return printJson({ released: answers.length });
        print(`${answers.length} released`);
      }),
  );
}

/** One entry for one message, one with the count for many. A condition may name a recipient, so values are left out. */
async function auditMany(
  pool: Pool,
  action: string,
  {
    ids,
    options,
    count,
  }: { readonly ids: readonly string[]; readonly options: SelectionOptions; readonly count: number },
): Promise<void> {
  const where = (options.where ?? [])
    .flatMap((text) => text.trim().split(/\s+/))
    .map((word) => word.split('=')[0] ?? '');
  const [only] = ids;
  await audit(pool, {
    action,
    subject: ids.length === 1 && only !== undefined ? only : null,
    detail: { count, ...(where.length > 0 && { where }) },
  });
}
