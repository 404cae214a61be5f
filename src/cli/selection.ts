/** Acting on many messages: which ones, asking first, and batch by batch. */
import type { Pool } from 'pg';
import { type MessageStatus, messageStatuses } from '../vocabulary.ts';
import { countMessages, findMessages, type MessageState } from '../operate/messages.ts';
import { type CommonOptions, confirm, filterHelp, messageId, parseWhere } from './command.ts';
import { printAside, UsageError } from './output.ts';
import { count, startProgress } from './progress.ts';

export interface SelectionOptions extends CommonOptions {
  readonly where?: readonly string[];
  readonly yes?: boolean;
}

/** Of one run; more match, the next run takes them. */
const mostIds = 100_000;
const batchSize = 1000;

export interface Selection {
  /** What the action is for. */
  readonly ids: readonly string[];
  /** What matches in a state that the action leaves alone. */
  readonly others: readonly MessageState[];
}

interface Asked {
  readonly ids: readonly string[];
  readonly options: SelectionOptions;
  readonly verb: string;
}

/** Ids given one by one, or all that match, after asking. At most 100,000. */
export async function selectIds(pool: Pool, asked: Asked): Promise<readonly string[]> {
  return (await select(pool, asked, messageStatuses)).ids;
}

/** The same for an action on messages of some states only: it asks for those, and tells how many others match. */
export async function select(pool: Pool, asked: Asked, statuses: readonly MessageStatus[]): Promise<Selection> {
  const { ids, options, verb } = asked;
  if (ids.length > 0 && options.where) throw new UsageError('give ids or --where, not both');
  if (ids.length > 0) return { ids: ids.map(messageId), others: [] };
  if (!options.where) throw new UsageError(`give message ids, or --where with ${filterHelp}`);
  const filter = parseWhere(options.where, new Date());
  const rest = messageStatuses.filter((status) => !statuses.includes(status));
  const narrowed = rest.length > 0 ? { ...filter, anyStatus: statuses } : filter;
  const found = await findMessages(pool, narrowed, { limit: mostIds });
  const others = rest.length > 0 ? await findMessages(pool, { ...filter, anyStatus: rest }, { limit: mostIds }) : [];
  const selection = { ids: found.map(({ id }) => id), others };
  const answerable = options.yes === true || process.stdin.isTTY;
  if (others.length > 0 && answerable && !options.json) printAside(othersText(others, { verb, statuses }));
  // Where nobody can be asked, --yes is demanded as soon as anything matches.
  if (found.length === 0 && (others.length === 0 || answerable)) return selection;
  const all = found.length < mostIds ? found.length : await countMessages(pool, narrowed);
  const which = all > found.length ? `the oldest ${count(found.length)} of ${count(all)}` : count(found.length);
  await confirm(`${verb} ${which} ${all === 1 ? 'message' : 'messages'}?`, options);
  if (all > found.length) printAside(`${count(all - found.length)} more match; run it again for them`);
  return selection;
}

/** How many match and are left alone, and why. */
function othersText(
  others: readonly MessageState[],
  { verb, statuses }: { readonly verb: string; readonly statuses: readonly MessageStatus[] },
): string {
  const states = messageStatuses.flatMap((status) => {
    const n = others.filter((each) => each.status === status).length;
    return n > 0 ? [`${count(n)} ${status}`] : [];
  });
  const most = others.length === mostIds ? ' or more' : '';
  return `${count(others.length)}${most} ${others.length === 1 ? 'matches and stays' : 'match and stay'} (${states.join(', ')}): ${verb.toLowerCase()} is for ${statuses.join(', ')}`;
}

/** Works on so many ids at once that a transaction stays short, and shows how far it is. Stops at the first error. */
export async function inBatches<Answer>(
  ids: readonly string[],
  what: string,
  work: (batch: readonly string[]) => Promise<readonly Answer[]>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  const progress = startProgress(what, ids.length);
  try {
    for (let from = 0; from < ids.length; from += batchSize) {
      answers.push(...(await work(ids.slice(from, from + batchSize))));
      if (ids.length > batchSize) progress.at(Math.min(from + batchSize, ids.length));
    }
  } finally {
    if (ids.length > batchSize) progress.end();
  }
  return answers;
}
