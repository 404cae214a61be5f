/** Selects the messages of an action, asks for confirmation, and acts in batches. */
import type { Command } from 'commander';
import type { Pool } from 'pg';
import type { OperatorNote } from '../operate/message-actions.ts';
import type { MessageFilter } from '../operate/message-filter.ts';
import { countMessages, findMessages, type MessageState } from '../operate/messages.ts';
import { type MessageStatus, messageStatuses } from '../vocabulary.ts';
import { recordCommand } from './audit.ts';
import { type CommandHelp, type CommonOptions, command, withPool } from './command.ts';
import { readOperator } from './config.ts';
import { countText, plural, print, printJson, printStderr, UsageError } from './output.ts';
import { messageIdOf } from './message-id.ts';
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
  readonly total: number;
  /** The id of the only message, if one was named; for the audit log. */
  readonly subject: string | null;
  /** The ids, batch by batch, so that neither memory nor a transaction grows with their number. */
  readonly batches: () => AsyncGenerator<readonly string[]>;
  /** Matching messages in a status that the action does not apply to, at most 100,000. */
  readonly others: readonly MessageState[];
}

/** What an operator asked for. */
export interface SelectionRequest {
  readonly ids: readonly string[];
  readonly options: SelectionOptions;
  /** For the question, for example `cancel`. */
  readonly verb: string;
}

const mostOthers = 100_000;
const batchSize = 1000;

/** For the help of every command that selects messages. */
const selectionNotes = [
  'With --where it shows how many messages match and asks for confirmation. If stdin is not a terminal (a ' +
    'pipe, cron, CI), it changes nothing and exits with 2, unless --yes is given.',
  `Conditions: ${conditionsHelp}.`,
];

/** A command with the arguments that select messages. */
export function selectingCommand(name: string, description: string, help: CommandHelp): Command {
  return command(name, description, { ...help, notes: [...selectionNotes, ...(help.notes ?? [])] })
    .argument('[ids...]', 'ids of messages')
    .addOption(whereOption(`instead of ids: ${conditionsHelp}`))
    .option('--why <text>', 'reason for the audit log')
    .option('--yes', 'do not ask for confirmation');
}

/**
 * Selects the ids that are given, or the matching messages that the action applies to, after confirmation. Reports how
 * many matching messages have another status.
 */
export async function select(
  pool: Pool,
  request: SelectionRequest,
  statuses: readonly MessageStatus[],
): Promise<Selection> {
  const { ids, options, verb } = request;
  if (ids.length > 0 && options.where) throw new UsageError('give either ids or --where, not both');
  if (ids.length > 0) return selectIds(await Promise.all(ids.map((id) => messageIdOf(pool, id))));
  if (!options.where) throw new UsageError(`no messages selected: give message ids, or --where with ${conditionsHelp}`);
  const filter = parseWhere(options.where, new Date());
  const rest = messageStatuses.filter((status) => !statuses.includes(status));
  const narrowed = rest.length > 0 ? { ...filter, anyStatus: statuses } : filter;
  const total = await countMessages(pool, narrowed);
  const others = rest.length > 0 ? await findMessages(pool, { ...filter, anyStatus: rest }, { limit: mostOthers }) : [];
  const canAsk = options.yes === true || process.stdin.isTTY;
  if (others.length > 0 && canAsk && !options.json) printStderr(othersText(others, { verb, statuses }));
  // Without a terminal, --yes is required as soon as anything matches.
  if (total > 0 || (others.length > 0 && !canAsk)) await confirm({ verb, object: plural(total, 'message') }, options);
  return { total, subject: null, batches: () => pages(pool, narrowed, total), others };
}

/** Selects all messages that match a filter, without asking. */
export async function selectMatching(pool: Pool, filter: MessageFilter): Promise<Selection> {
  const total = await countMessages(pool, filter);
  return { total, subject: null, batches: () => pages(pool, filter, total), others: [] };
}

function selectIds(ids: readonly string[]): Selection {
  const [subject = null, another] = ids;
  return { total: ids.length, subject: another === undefined ? subject : null, batches: () => slices(ids), others: [] };
}

async function* slices(ids: readonly string[]): AsyncGenerator<readonly string[]> {
  for (let from = 0; from < ids.length; from += batchSize) yield ids.slice(from, from + batchSize);
}

/** Matching ids, oldest first; no more than were counted, because no more were confirmed. */
async function* pages(pool: Pool, filter: MessageFilter, total: number): AsyncGenerator<readonly string[]> {
  let after: MessageState | undefined;
  for (let left = total; left > 0; ) {
    const page = await findMessages(pool, filter, { limit: Math.min(batchSize, left), after });
    if (page.length === 0) return;
    left -= page.length;
    after = page.at(-1);
    yield page.map(({ id }) => id);
  }
}

function othersText(
  others: readonly MessageState[],
  { verb, statuses }: { readonly verb: string; readonly statuses: readonly MessageStatus[] },
): string {
  const counts = messageStatuses.flatMap((status) => {
    const n = others.filter((each) => each.status === status).length;
    return n > 0 ? [`${countText(n)} ${status}`] : [];
  });
  const orMore = others.length === mostOthers ? ' or more' : '';
  return (
    `${countText(others.length)}${orMore} matching ` +
    `${others.length === 1 ? 'message is' : 'messages are'} left unchanged (${counts.join(', ')}): ${verb} ` +
    `applies to ${statuses.join(', ')}`
  );
}

/** Acts on batches and shows progress. Stops at the first error. */
export async function inBatches<Answer>(
  { total, batches }: Selection,
  done: string,
  act: (batch: readonly string[]) => Promise<readonly Answer[]>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  const progress = startProgress(done, total);
  let count = 0;
  try {
    for await (const batch of batches()) {
      for (const answer of await act(batch)) answers.push(answer);
      count += batch.length;
      if (total > batchSize) progress.at(count);
    }
  } finally {
    if (total > batchSize) progress.end();
  }
  return answers;
}

/** Who acts, and why, for the message and the audit log. */
export function noteOf({ why }: SelectionOptions): OperatorNote {
  return { by: readOperator(), why };
}

/** What a command does to messages of one status, batch by batch. */
export interface Action {
  /** Name of the command. */
  readonly verb: string;
  /** What the messages are then, for example `released`. */
  readonly done: string;
  /** The status that it applies to. */
  readonly status: MessageStatus;
  /** Returns how many messages it changed. */
  readonly act: (pool: Pool, ids: readonly string[], note: OperatorNote) => Promise<number>;
}

/** The handler of a command that does one thing to the messages it selects. */
export function actionHandler(action: Action): (ids: string[], options: SelectionOptions) => Promise<void> {
  return (ids, options) =>
    withPool(options, async (pool) => printCount(action, await actOnSelected(pool, action, { ids, options }), options));
}

/** Acts, records it, and returns how many messages were changed. */
export async function actOnSelected(
  pool: Pool,
  { verb, done, status, act }: Action,
  { ids, options }: Pick<SelectionRequest, 'ids' | 'options'>,
): Promise<number> {
  const selection = await select(pool, { ids, options, verb }, [status]);
  const note = noteOf(options);
  const counts = await inBatches(selection, done, async (batch) => [await act(pool, batch, note)]);
  const count = counts.reduce((sum, each) => sum + each, 0);
  await recordSelection(pool, verb, { selection, options, count });
  return count;
}

/** Prints what became of how many messages. */
export function printCount({ done }: Pick<Action, 'done'>, count: number, { json }: CommonOptions): void {
  if (json) printJson({ [done]: count });
  else print(`${countText(count)} ${done}`);
}

/** Records one audit entry: for one message its id, for many their count and the conditions. */
export async function recordSelection(
  pool: Pool,
  action: string,
  {
    selection,
    options,
    count,
  }: { readonly selection: Selection; readonly options: SelectionOptions; readonly count: number },
): Promise<void> {
  const where = recordableConditions(options.where ?? []);
  await recordCommand(pool, {
    action,
    subject: selection.subject,
    why: options.why ?? null,
    detail: { count, ...(where.length > 0 && { where }) },
  });
}
