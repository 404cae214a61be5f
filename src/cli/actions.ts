/** What an operator does to messages, one by one or all that match. */
import type { Command } from 'commander';
import type { Pool } from 'pg';
import { cancel } from '../enqueue/cancel.ts';
import { readOperator } from './config.ts';
import { discardMessages } from '../operate/message-actions.ts';
import { holdAfterRestore } from '../operate/restore.ts';
import { holdMessages, type RetryAnswer, retriedStatuses, retryMessages } from '../operate/message-actions.ts';
import { audit } from './audit.ts';
import { command, confirm, filterHelp, listing, withPool } from './command.ts';
import { print, printAside, printJson, printTable, Unsuccessful, UsageError } from './output.ts';
import { inBatches, type SelectionOptions, select, selectIds } from './selection.ts';

/** Which messages: by ids, or all that match. */
function selecting(made: Command): Command {
  return made
    .argument('[ids...]', 'ids of messages')
    .option('--where <condition...>', `in place of ids: ${filterHelp}`)
    .option('--yes', 'do not ask');
}

export function retryCommand(): Command {
  return selecting(
    command(
      'retry',
      'Deliver again what failed, expired, was inhibited or is held',
      'retry --where status=failed since=2h',
    ),
  ).action((ids: string[], options: SelectionOptions) =>
    withPool(options, async (pool) => {
      const { ids: selected, others } = await select(pool, { ids, options, verb: 'Retry' }, retriedStatuses);
      const answers = await inBatches(selected, 'asked for again', (batch) => retryMessages(pool, batch));
      const stuck = answers.filter((answer) => !answer.retried);
      const retried = answers.length - stuck.length;
      await auditMany(pool, 'retry', { ids, options, count: retried });
      if (options.json)
        return printJson([
          ...answers,
          ...others.map(({ id, status }): RetryAnswer => ({ messageId: id, retried: false, status })),
        ]);
      print(`${retried} will be delivered again`);
      for (const answer of stuck.slice(0, 20))
        printAside(
          `${answer.messageId} stays ${answer.status}: ${retriedStatuses.includes(answer.status) ? 'its secret labels were wiped' : 'there is nothing to retry'}`,
        );
      if (answers.length < selected.length) printAside(`${selected.length - answers.length} not found`);
      if (selected.length + others.length === 0) printAside('no message matches');
      if (retried === 0) throw new Unsuccessful();
    }),
  );
}

export function cancelCommand(): Command {
  return selecting(listing('cancel', 'Stop messages that were not sent yet', 'cancel --target workspace-42'))
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
    command('hold', 'Keep pending messages back until they are released', 'hold --where template=weekly-build-report'),
  )
    .option('--since <time>', 'after a restore to this moment: what may have gone out already')
    .option('--why <text>', 'with --since: for the others, and for "pg-herald why"', 'the database was restored')
    .action((ids: string[], options: SelectionOptions & { since?: string; why: string }) =>
      withPool(options, async (pool) => {
        const held = options.since === undefined ? await hold(pool, ids, options) : await fence(pool, ids, options);
        if (options.json) return printJson({ held });
        print(`${held} held`);
        if (options.since !== undefined && held > 0)
          printAside('see them: messages list --where reason=restored; then release or discard, see docs/restore.md');
      }),
    );
}

async function hold(pool: Pool, ids: string[], options: SelectionOptions): Promise<number> {
  const selected = await selectIds(pool, { ids, options, verb: 'Hold' });
  const counts = await inBatches(selected, 'asked to wait', async (batch) => [await holdMessages(pool, batch)]);
  const held = sumOf(counts);
  await auditMany(pool, 'hold', { ids, options, count: held });
  return held;
}

async function fence(
  pool: Pool,
  ids: readonly string[],
  { since: text = '', why, where, yes }: SelectionOptions & { since?: string; why: string },
): Promise<number> {
  if (ids.length > 0 || where) throw new UsageError('give --since alone, without ids and --where');
  const since = moment(text);
  if (since.getTime() > Date.now())
    throw new UsageError(`"${text}" is in the future; --since is the moment restored to`);
  await confirm(`Hold everything due that was enqueued before ${since.toISOString()}?`, { ...(yes && { yes }) });
  const held = await holdAfterRestore(pool, { since, by: readOperator(), why });
  await audit(pool, { action: 'hold', subject: null, why, detail: { since: since.toISOString(), count: held } });
  return held;
}

/** A time with its zone: a restore is no place for a guess. */
function moment(text: string): Date {
  const at = new Date(text);
  if (/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*(Z|[+-]\d{2}:?\d{2})$/.test(text) && !Number.isNaN(at.getTime())) return at;
  throw new UsageError(`"${text}" is no time with a zone; write for example 2026-11-24T09:30:00Z`);
}

export function discardCommand(): Command {
  return selecting(
    command('discard', 'Give up messages that are held, without sending them', 'discard --where reason=restored'),
  ).action((ids: string[], options: SelectionOptions) =>
    withPool(options, async (pool) => {
      const selected = await selectIds(pool, { ids, options: onlyHeld(options), verb: 'Discard' });
      const discarded = sumOf(
        await inBatches(selected, 'asked to go', async (batch) => [await discardMessages(pool, batch)]),
      );
      await auditMany(pool, 'discard', { ids, options, count: discarded });
      if (options.json) return printJson({ discarded });
      print(`${discarded} discarded`);
    }),
  );
}

function onlyHeld(options: SelectionOptions): SelectionOptions {
  return { ...options, ...(options.where && { where: [...options.where, 'status=held'] }) };
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, each) => sum + each, 0);
}

export function releaseCommand(): Command {
  return selecting(command('release', 'Deliver messages that are held', 'release --where status=held')).action(
    (ids: string[], options: SelectionOptions) =>
      withPool(options, async (pool) => {
        const selected = await selectIds(pool, {
          ids,
          options: onlyHeld(options),
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
