/** Asks about a batch in parts, where it cannot be asked as a whole. */
import { codeOf } from '../errors.ts';

/** What is known about a batch. */
export interface Answers<Answer> {
  readonly answers: readonly Answer[];
  /** Messages about which there was no answer, each with the code of the error. */
  readonly failed: ReadonlyMap<string, string>;
}

/** How long one batch is asked about, in milliseconds, whatever its function does: leases last longer. */
const budgetMs = 3000;
/** Questions of one batch that may fail, before the rest of it has to wait. */
const maxFailures = 24;

/**
 * Codes after which asking about fewer messages is no use: of the network, of the server, of a missing right or name.
 */
const hopeless = /^(E[A-Z_]+|08...|57P0.|53...|42...|3F...|connection_lost|timeout)$/;

/**
 * Asks about messages by their ids. Where a question fails, its halves are asked, so that one message that a function
 * cannot take does not keep the others waiting. Never rejects.
 *
 * @param now the time in milliseconds, for tests
 */
export async function askInParts<Answer>(
  ids: readonly string[],
  ask: (ids: readonly string[]) => Promise<readonly Answer[]>,
  now: () => number = () => performance.now(),
): Promise<Answers<Answer>> {
  const answers: Answer[] = [];
  const failed = new Map<string, string>();
  const endsAt = now() + budgetMs;
  const open: (readonly string[])[] = ids.length === 0 ? [] : [ids];
  let failures = 0;
  let lastCode = 'timeout';
  // The larger parts first: where one message lets each question time out, most of the others have an answer in time.
  for (let part = open.shift(); part !== undefined; part = open.shift()) {
    if (failures < maxFailures && now() < endsAt)
      try {
        answers.push(...(await ask(part)));
        continue;
      } catch (error) {
        lastCode = codeOf(error);
        failures = hopeless.test(lastCode) ? maxFailures : failures + 1;
      }
    if (part.length > 1 && failures < maxFailures && now() < endsAt) open.push(...halvesOf(part));
    else for (const id of part) failed.set(id, lastCode);
  }
  return { answers, failed };
}

function halvesOf(ids: readonly string[]): readonly (readonly string[])[] {
  const middle = Math.ceil(ids.length / 2);
  return [ids.slice(0, middle), ids.slice(middle)];
}
