/** One action on all messages that match a search. A page first shows how many and which. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import type { Pool } from 'pg';
import { cancelMessages, type OperatorNote, retriedStatuses, retryMessages } from '../../operate/message-actions.ts';
import type { MessageFilter } from '../../operate/message-filter.ts';
import { findMessages } from '../../operate/messages.ts';
import { countRecent, searchMessages } from '../../operate/search.ts';
import type { MessageStatus } from '../../vocabulary.ts';
import { actionForm, count, empty, type Html, plural } from '../elements.ts';
import { formOf, queryOf, readSearch, type SearchInput, searchOf } from '../input.ts';
import { page } from '../layout.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { finishAction } from './finish-action.ts';
import { messageTable } from './message-table.ts';

interface BulkAction {
  readonly label: string;
  /** Statuses that it applies to. Other matches stay as they are. */
  readonly statuses: readonly MessageStatus[];
  readonly done: string;
  /** Returns how many messages it changed. */
  readonly run: (pool: Pool, ids: readonly string[], note: OperatorNote) => Promise<number>;
}

const redeliver = async (pool: Pool, ids: readonly string[]) =>
  (await retryMessages(pool, ids)).filter((answer) => answer.retried).length;

/** The actions that can be applied to all messages of a search. */
export const bulkActions: ReadonlyMap<string, BulkAction> = new Map<string, BulkAction>([
  ['retry', { label: 'Retry', statuses: retriedStatuses, done: 'will be delivered again', run: redeliver }],
  ['release', { label: 'Release', statuses: ['held'], done: 'released', run: redeliver }],
  [
    'cancel',
    {
      label: 'Cancel',
      statuses: ['pending', 'held'],
      done: 'cancelled',
      run: async (pool, ids, note) =>
        (await cancelMessages(pool, { ids }, note)).filter(({ answer }) => answer === 'cancelled').length,
    },
  ],
]);

/** Larger counts are not shown exactly. */
const maxCounted = 10_000;
/** Messages that one action changes at most, and those of one statement. */
const maxChanged = 100_000;
const batchSize = 5000;

/** Adds the pages that apply an action to all matches. */
export function addBulk(app: Hono<ConsoleEnv>, services: Services): void {
  app.get('/messages/all/:action', (c) => confirmationPage(c, services, c.req.param('action')));
  app.post('/messages/all/:action', (c) => applyToAll(c, services, c.req.param('action')));
}

async function confirmationPage(c: PageContext, services: Services, name: string): Promise<Response> {
  const { pool, settings } = services;
  const action = bulkActions.get(name);
  if (action === undefined) return c.notFound();
  const input = readSearch((field) => c.req.query(field));
  const search = narrowed(input, action);
  const [counted, sample] = await Promise.all([countRecent(pool, search), searchMessages(pool, search, { limit: 10 })]);
  const n = counted.count;
  const isMore = n > maxCounted || !counted.complete;
  const which = isMore ? `more than ${count(Math.min(n, maxCounted))} messages` : plural(n, 'message');
  const statuses = input.status === undefined ? `; ${action.statuses.join(', ')}` : '';
  const limit = isMore ? ` At most ${count(maxChanged)} of them, the oldest, are changed at once.` : '';
  const main = html`<h1>${action.label} all that match</h1>
<p class="lead">${action.label} applies to <strong>${which}</strong> (${described(input)}${statuses}).${limit}</p>
${
  n === 0 && counted.complete
    ? empty('No message matches that this action applies to.')
    : html`${confirmation(c, { path: `${settings.basePath}/messages`, name, label: `${action.label} ${which}`, input })}
<h2>The newest of them</h2>${await messageTable(services, 'The newest of them', sample.lines)}`
}`;
  return page(c, services, { title: `${action.label} all`, section: 'messages', main });
}

interface Confirmation {
  readonly path: string;
  readonly name: string;
  readonly label: string;
  readonly input: SearchInput;
}

function confirmation(c: PageContext, { path, name, label, input }: Confirmation): Html {
  const fields = Object.entries(input).map(
    ([field, value]) => html`<input type="hidden" name="${field}" value="${value}">`,
  );
  const content = html`${fields}
<label for="why">Why</label>
<input id="why" name="why" required maxlength="300" autocomplete="off" placeholder="The relay is back">
<p><button class="primary">${label}</button> <a class="button" href="${path}${queryOf(input)}">Back</a></p>`;
  return actionForm(c, `${path}/all/${name}`, content, 'stack');
}

async function applyToAll(c: PageContext, services: Services, name: string): Promise<Response> {
  const { pool } = services;
  const action = bulkActions.get(name);
  if (action === undefined) return c.notFound();
  const form = await formOf(c);
  const input = readSearch(form);
  const ids = (await findMessages(pool, narrowed(input, action), { limit: maxChanged })).map(({ id }) => id);
  const note = { by: c.get('operator').name, why: form('why') };
  let changed = 0;
  for (let at = 0; at < ids.length; at += batchSize)
    changed += await action.run(pool, ids.slice(at, at + batchSize), note);
  // A recipient or target may identify a person, so only the names of the fields are recorded.
  const detail = { count: changed, where: Object.keys(input) };
  return finishAction(c, services, {
    audit: { action: name, subject: null, why: form('why') ?? null, detail },
    note: `${plural(changed, 'message')} ${action.done}.`,
    to: `/messages${queryOf(input)}`,
  });
}

function narrowed(input: SearchInput, action: BulkAction): MessageFilter {
  return { ...searchOf(input, new Date()), anyStatus: action.statuses };
}

function described(input: SearchInput): Html {
  const entries = Object.entries(input);
  if (entries.length === 0) return html`of all`;
  return html`${entries.map(
    ([field, value], index) => html`${index === 0 ? '' : ', '}${field} <strong>${value}</strong>`,
  )}`;
}
