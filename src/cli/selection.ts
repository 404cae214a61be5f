/** Selects the messages of an action, asks for confirmation, and acts in batches. */
import type { Command } from 'commander';
import type { Pool } from 'pg';
import { countMessages, findMessages, type MessageState } from '../operate/messages.ts';
import { type MessageStatus, messageStatuses } from '../vocabulary.ts';
import { messageId } from './arguments.ts';
import { recordCommand } from './audit.ts';
import type { CommonOptions } from './command.ts';
import { countText, plural, printStderr, UsageError } from './output.ts';
import { startProgress } from './progress.ts';
import { confirm } from './prompt.ts';
import { conditionsHelp, parseWhere, recordableConditions, whereOption } from './where.ts';

/** Options of every command that selects messages. */
export interface SelectionOptions extends CommonOptions {
  readonly where?: readonly string[];
  /** For the audit log. */
  readonly why?: string;
  readonly yes?: boolean;
}

/** What a command acts on. */
export interface Selection {
  readonly ids: readonly string[];
  /** Matching messages in a status that the action does not apply to. */
  readonly others: readonly MessageState[];
}

/** What an operator asked for. */
export interface SelectionRequest {
  readonly ids: readonly string[];
  readonly options: SelectionOptions;
  /** For the question, for example `cancel`. */
  readonly verb: string;
}

/** Messages of one run. If more match, the next run takes them. */
const mostIds = 100_000;
const batchSize = 1000;

/** For the help of every command that selects messages. */
export const selectionNotes = [
  'With --where it shows how many messages match and asks for confirmation. If stdin is not a terminal (a ' +
    'pipe, cron, CI), it changes nothing and exits with 2, unless --yes is given.',
  `Conditions: ${conditionsHelp}.`,
];

/** Adds the arguments that select messages. */
export function withSelection(made: Command): Command {
  return made
    .argument('[ids...]', 'ids of messages')
    .addOption(whereOption(`instead of ids: ${conditionsHelp}`))
    .option('--why <text>', 'an explanation for the audit log')
    .option('--yes', 'do not ask for confirmation');
}

/** The ids that are given, or those of at most 100,000 matching messages, after confirmation. */
export async function selectIds(pool: Pool, request: SelectionRequest): Promise<readonly string[]> {
  return (await select(pool, request, messageStatuses)).ids;
}

/** The same for an action on some statuses only. Reports how many matching messages have another status. */
export async function select(
  pool: Pool,
  request: SelectionRequest,
  statuses: readonly MessageStatus[],
): Promise<Selection> {
  const { ids, options, verb } = request;
  if (ids.length > 0 && options.where) throw new UsageError('give either ids or --where, not both');
  if (ids.length > 0) return { ids: ids.map(messageId), others: [] };
  if (!options.where) throw new UsageError(`no messages selected: give message ids, or --where with ${conditionsHelp}`);
  const filter = parseWhere(options.where, new Date());
  const rest = messageStatuses.filter((status) => !statuses.includes(status));
  const narrowed = rest.length > 0 ? { ...filter, anyStatus: statuses } : filter;
  const found = await findMessages(pool, narrowed, { limit: mostIds });
  const others = rest.length > 0 ? await findMessages(pool, { ...filter, anyStatus: rest }, { limit: mostIds }) : [];
  const selection = { ids: found.map(({ id }) => id), others };
  const canAsk = options.yes === true || process.stdin.isTTY;
  if (others.length > 0 && canAsk && !options.json) printStderr(othersText(others, { verb, statuses }));
  // Without a terminal, --yes is required as soon as anything matches.
  if (found.length === 0 && (others.length === 0 || canAsk)) return selection;
  const all = found.length < mostIds ? found.length : await countMessages(pool, narrowed);
  const object =
    all > found.length ? `the oldest ${countText(found.length)} of ${plural(all, 'message')}` : plural(all, 'message');
  await confirm({ verb, object }, options);
  if (all > found.length) printStderr(`${countText(all - found.length)} more match: run the command again for them`);
  return selection;
}

function othersText(
  others: readonly MessageState[],
  { verb, statuses }: { readonly verb: string; readonly statuses: readonly MessageStatus[] },
): string {
  const counts = messageStatuses.flatMap((status) => {
    const n = others.filter((each) => each.status === status).length;
    return n > 0 ? [`${countText(n)} ${status}`] : [];
  });
  const orMore = others.length === mostIds ? ' or more' : '';
  return (
    `${countText(others.length)}${orMore} matching ` +
    `${others.length === 1 ? 'message is' : 'messages are'} left unchanged (${counts.join(', ')}): ${verb} ` +
    `applies to ${statuses.join(', ')}`
  );
}

/** Acts on batches, so that each transaction stays short, and shows progress. Stops at the first error. */
export async function inBatches<Answer>(
  ids: readonly string[],
  done: string,
  act: (batch: readonly string[]) => Promise<readonly Answer[]>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  const progress = startProgress(done, ids.length);
  try {
    for (let from = 0; from < ids.length; from += batchSize) {
      answers.push(...(await act(ids.slice(from, from + batchSize))));
      if (ids.length > batchSize) progress.at(Math.min(from + batchSize, ids.length));
    }
  } finally {
    if (ids.length > batchSize) progress.end();
  }
  return answers;
}

/** Acts on batches and returns the sum of the counts. */
export async function countInBatches(
  ids: readonly string[],
  done: string,
  act: (batch: readonly string[]) => Promise<number>,
): Promise<number> {
  const counts = await inBatches(ids, done, async (batch) => [await act(batch)]);
  return counts.reduce((sum, each) => sum + each, 0);
}

/** Adds the condition that the messages are held. */
export function onlyHeld(options: SelectionOptions): SelectionOptions {
  return { ...options, ...(options.where && { where: [...options.where, 'status=held'] }) };
}

/** Records one audit entry: for one message its id, for many their count and the conditions. */
export async function recordSelection(
  pool: Pool,
  action: string,
  { ids, options, count }: Pick<SelectionRequest, 'ids' | 'options'> & { readonly count: number },
): Promise<void> {
  const where = recordableConditions(options.where ?? []);
  const [only] = ids;
  await recordCommand(pool, {
    action,
    subject: ids.length === 1 && only !== undefined ? only : null,
    why: options.why ?? null,
    detail: { count, ...(where.length > 0 && { where }) },
  });
}
