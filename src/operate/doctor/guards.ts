/** Examines the guards: that their functions can be asked, how fast they answer, and which messages wait for them. */
import type { Pool } from 'pg';
import { askGuard, askRecipients, guardTimeoutMs } from '../../guard/ask.ts';
import { guardProblem, recipientGuard, templateGuard } from '../../guard/guard-function.ts';
import { guardNamePattern } from '../../guard/guard-name.ts';
import type { Answers } from '../../guard/parts.ts';
import { type Finding, ok, plural, problem, warning } from './finding.ts';

/** Messages of each guard that it is asked about. */
const askedMessages = 100;
/** Part of the timeout that a batch may take, before it is worth a warning. */
const slowShare = 0.5;

interface Guard {
  readonly name: string;
  readonly templates: readonly string[];
}

const guardsText = `
SELECT guard AS name, array_agg(name ORDER BY name) AS templates FROM herald.template
WHERE guard IS NOT NULL GROUP BY guard ORDER BY guard`;

const newestText = `
SELECT m.id FROM unnest($1::text[]) AS t (name)
CROSS JOIN LATERAL (
  SELECT m.id, m.created_at FROM herald.message m
  WHERE m.template = t.name AND m.recipient_id <> 'erased' ORDER BY m.created_at DESC LIMIT ${askedMessages}) m
ORDER BY m.created_at DESC LIMIT ${askedMessages}`;

const newestOfAllText = `
SELECT m.id FROM herald.message m WHERE m.recipient_id <> 'erased' ORDER BY m.created_at DESC LIMIT ${askedMessages}`;

const unansweredText = `
SELECT m.template, count(*) FILTER (WHERE m.status = 'held')::int AS held,
  count(*) FILTER (WHERE m.status <> 'held')::int AS waiting
FROM herald.message m
WHERE m.uncounted_since IS NOT NULL AND m.settled_at IS NULL AND m.reason = 'guard_failed'
GROUP BY m.template ORDER BY m.template`;

/**
 * Asks each guard about the newest messages of its templates, and the recipient guard about those of all, with this
 * connection. Changes nothing.
 */
export async function examineGuards(pool: Pool): Promise<Finding[]> {
  const { rows: guards } = await pool.query<Guard>(guardsText);
  const findings: Finding[] = [];
  for (const { name, templates } of guards) {
    const wrong = await guardProblem(pool, name, templateGuard);
    const ids = wrong === null ? await idsOf(pool, newestText, [templates]) : [];
    findings.push(
      wrong === null
        ? await timed(name, ids, (some) => askGuard(pool, name, some))
        : problem('guard', `${templates.join(', ')}: ${wrong}`, untilThen),
    );
  }
  return [...findings, ...(await examineUnanswered(pool))];
}

/** The same for the recipient guard of a worker in this environment; null: it has none. */
export async function examineRecipientGuard(pool: Pool, name: string | null): Promise<Finding[]> {
  if (name === null) return [];
  if (!guardNamePattern.test(name))
    return [problem('guard', `HERALD_RECIPIENT_GUARD: ${name} is not schema.function`, 'correct the setting')];
  const wrong = await guardProblem(pool, name, recipientGuard);
  if (wrong !== null) return [problem('guard', `HERALD_RECIPIENT_GUARD: ${wrong}`, 'the worker does not start')];
  return [await timed(name, await idsOf(pool, newestOfAllText, []), (ids) => askRecipients(pool, name, ids))];
}

const untilThen = 'its messages wait until it can be asked';

async function idsOf(pool: Pool, text: string, values: readonly unknown[]): Promise<string[]> {
  return (await pool.query<{ id: string }>(text, [...values])).rows.map(({ id }) => id);
}

async function timed(
  name: string,
  ids: readonly string[],
  ask: (ids: readonly string[]) => Promise<Answers<unknown>>,
): Promise<Finding> {
  const startedAt = performance.now();
  const { answers, failed } = await ask(ids);
  const milliseconds = performance.now() - startedAt;
  const asked = `${name}, asked about ${plural(ids.length, 'message')} with this connection`;
  const [code] = failed.values();
  if (code !== undefined)
    return problem(
      'guard',
      `${asked}, did not answer for ${failed.size} (${code})`,
      'call it by hand in a session with an empty search_path; messages wait, and are held after an hour',
    );
  const took = `${milliseconds.toFixed(0)} ms`;
  if (milliseconds > guardTimeoutMs * slowShare)
    return warning('guard', `${asked}, took ${took}; the limit is ${guardTimeoutMs} ms`, 'give it an index to use');
  return ok('guard', `${asked}, answered in ${took}; ${answers.length} would not go as they are`);
}

async function examineUnanswered(pool: Pool): Promise<Finding[]> {
  const { rows } = await pool.query<{ template: string; held: number; waiting: number }>(unansweredText);
  return rows.map(({ template, held, waiting }) =>
    problem(
      'guard',
      `${template}: the guard did not answer for ${plural(held + waiting, 'message')}, of which ${held} are held`,
      'repair the function, then "pg-herald release" what is held; the others are asked again within 5 minutes',
    ),
  );
}
