/** Acting on many messages: which ones, asking first, and batch by batch. */
import type { Pool } from 'pg';
import { countMessages, findMessageIds } from '../operate/messages.ts';
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

/** Ids given one by one, or all that match, after asking. At most 100,000. */
export async function selectIds(
  pool: Pool,
  given: { ids: readonly string[]; options: SelectionOptions; verb: string },
): Promise<string[]> {
  const { ids, options, verb } = given;
  if (ids.length > 0 && options.where) throw new UsageError('give ids or --where, not both');
  if (ids.length > 0) return ids.map(messageId);
  if (!options.where) throw new UsageError(`give message ids, or --where with ${filterHelp}`);
  const filter = parseWhere(options.where, new Date());
  const found = await findMessageIds(pool, filter, mostIds);
  if (found.length === 0) return found;
  const all = found.length < mostIds ? found.length : await countMessages(pool, filter);
  const which = all > found.length ? `the oldest ${count(found.length)} of ${count(all)}` : count(found.length);
  await confirm(`${verb} ${which} ${all === 1 ? 'message' : 'messages'}?`, options);
  if (all > found.length) printAside(`${count(all - found.length)} more match; run it again for them`);
  return found;
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
