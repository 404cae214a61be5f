/** One action on all messages that match a search. A page first shows how many and which. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import type { Pool } from 'pg';
import { cancel } from '../../enqueue/cancel.ts';
import type { MessageStatus } from '../../vocabulary.ts';
import { recordAudit } from '../../operate/audit.ts';
import { retriedStatuses, retryMessages } from '../../operate/message-actions.ts';
import type { MessageFilter } from '../../operate/message-filter.ts';
import { countMessages, findMessages } from '../../operate/messages.ts';
import { searchMessages } from '../../operate/search.ts';
import { leaveNote } from '../cookies.ts';
import { formOf, queryOf, readSearch, type SearchInput, searchOf } from '../input.ts';
import type { ConsoleEnv, Services } from '../services.ts';
import { count, empty, formToken, type Html, page, plural } from '../view.ts';
import { messageRow, messageTable } from './message-table.ts';

interface BulkAction {
  readonly label: string;
  /** Statuses that it applies to. Other matches stay as they are. */
  readonly statuses: readonly MessageStatus[];
  readonly done: string;
  /** Returns how many messages it changed. */
  readonly run: (pool: Pool, ids: readonly string[]) => Promise<number>;
}

const redeliver = async (pool: Pool, ids: readonly string[]) =>
  (await retryMessages(pool, ids)).filter((answer) => answer.retried).length;

export const bulkActions: Readonly<Record<string, BulkAction>> = {
  retry: {
    label: 'Retry',
    statuses: retriedStatuses,
    done: 'will be delivered again',
    run: redeliver,
  },
  release: { label: 'Release', statuses: ['held'], done: 'released', run: redeliver },
  cancel: {
    label: 'Cancel',
    statuses: ['pending', 'held'],
    done: 'cancelled',
    run: async (pool, ids) => (await cancel(pool, { ids })).filter(({ answer }) => answer === 'cancelled').length,
  },
};

/** The page counts no further: more would take longer than a page may. */
const maxCounted = 10_000;
/** Messages that one action changes at most, and those of one statement. */
const maxChanged = 100_000;
const batchSize = 5000;

export function addBulk(app: Hono<ConsoleEnv>, services: Services): void {
  const { pool, settings } = services;
  app.get('/messages/all/:action', async (c) => {
    const action = bulkActions[c.req.param('action')];
    if (action === undefined) return c.notFound();
    const input = readSearch((name) => c.req.query(name));
    const search = narrowed(input, action);
    const [n, sample] = await Promise.all([
      countMessages(pool, search, maxCounted + 1),
      searchMessages(pool, search, { limit: 10 }),
    ]);
    const fields = Object.entries(input).map(
      ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
    );
    const which = n > maxCounted ? `more than ${count(maxCounted)} messages` : plural(n, 'message');
    const main = html`<h1>${action.label} all that match</h1>
<p class="lead">${action.label} applies to <strong>${which}</strong> (${described(input)}${input.status === undefined ? `; ${action.statuses.join(', ')}` : ''}).${n > maxCounted ? ` At most ${count(maxChanged)} of them, the oldest, are changed at once.` : ''}</p>
${
  n === 0
    ? empty('No message matches that this action applies to.')
    : html`<form method="post" action="${settings.basePath}/messages/all/${c.req.param('action')}" class="stack">${formToken(c)}${fields}
<label for="why">Why</label><input id="why" name="why" required maxlength="300" autocomplete="off" placeholder="The relay is back">
<p><button class="primary">${action.label} ${which}</button> <a class="button" href="${settings.basePath}/messages${queryOf(input)}">Back</a></p></form>
<h2>The newest of them</h2>${messageTable(
        'The newest of them',
        sample.lines.map((line) => messageRow(services, line)),
      )}`
}`;
    return page(c, services, { title: `${action.label} all`, section: 'messages', main });
  });

  app.post('/messages/all/:action', async (c) => {
    const name = c.req.param('action');
    const action = bulkActions[name];
    if (action === undefined) return c.notFound();
    const form = await formOf(c);
    const input = readSearch(form);
    const ids = (await findMessages(pool, narrowed(input, action), { limit: maxChanged })).map(({ id }) => id);
    let changed = 0;
    for (let at = 0; at < ids.length; at += batchSize) changed += await action.run(pool, ids.slice(at, at + batchSize));
    await recordAudit(pool, {
      actor: c.get('operator').name,
      action: name,
      subject: null,
      why: form('why') ?? null,
      // A recipient or target may identify a person, so only the names of the fields are recorded.
      detail: { count: changed, where: Object.keys(input) },
    });
    leaveNote(c, services, `${plural(changed, 'message')} ${action.done}.`);
    return c.redirect(`${settings.basePath}/messages${queryOf(input)}`, 303);
  });
}

function narrowed(input: SearchInput, action: BulkAction): MessageFilter {
  return { ...searchOf(input, new Date()), anyStatus: action.statuses };
}

function described(input: SearchInput): Html {
  const entries = Object.entries(input);
  if (entries.length === 0) return html`of all`;
  return html`${entries.map(([field, value], index) => html`${index === 0 ? '' : ', '}${field} <strong>${value}</strong>`)}`;
}
