/** Searching messages. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { type BoundedCount, countRecent, type MessagePage, searchMessages } from '../../operate/search.ts';
import { meaningOf } from '../../operate/reason-text.ts';
import { messageStatuses, reasons } from '../../vocabulary.ts';
import { empty, type Html, plural, select, time } from '../elements.ts';
import { cursorOf, queryOf, readSearch, type SearchInput, searchOf } from '../input.ts';
import { page } from '../layout.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { bulkActions } from './bulk.ts';
import { messageTable } from './message-table.ts';

const pageSize = 50;

/** Adds the page that searches messages. */
export function addMessages(app: Hono<ConsoleEnv>, services: Services): void {
  app.get('/messages', (c) => messagesPage(c, services));
}

async function messagesPage(c: PageContext, services: Services): Promise<Response> {
  const input = readSearch((name) => c.req.query(name));
  const after = cursorOf(c.req.query('after'));
  const filter = searchOf(input, new Date());
  const [found, total, choices] = await Promise.all([
    searchMessages(services.pool, filter, { limit: pageSize, after }),
    countRecent(services.pool, filter),
    readChoices(services),
  ]);
  const base = services.settings.basePath;
  const main = html`<h1>Messages</h1>
${messageSearchForm(base, input, choices)}
${found.lines.length > 0 && !c.get('operator').readOnly ? actOnAll(base, input) : ''}
<section id="found" aria-label="Messages found" data-live="${after ? 'message' : 'message messages'}">
${await results(services, { input, found, total, paged: after !== undefined })}
</section>`;
  const watch = found.lines.map((line) => line.id);
  return page(c, services, { title: 'Messages', section: 'messages', main, watch });
}

interface Choices {
  readonly methods: readonly string[];
  readonly templates: readonly string[];
}

async function readChoices({ pool }: Services): Promise<Choices> {
  const [methods, templates] = await Promise.all([
    pool.query<{ name: string }>(`SELECT name FROM herald.method WHERE name <> '*' ORDER BY name`),
    pool.query<{ name: string }>('SELECT name FROM herald.template ORDER BY name LIMIT 1000'),
  ]);
  return { methods: methods.rows.map((row) => row.name), templates: templates.rows.map((row) => row.name) };
}

const sinceChoices = [
  ['', 'any time'],
  ['15m', '15 minutes'],
  ['1h', 'an hour'],
  ['1d', 'a day'],
  ['7d', 'a week'],
  ['30d', '30 days'],
] as const;

function messageSearchForm(base: string, input: SearchInput, { methods, templates }: Choices): Html {
  const known = sinceChoices.some(([value]) => value === (input.since ?? ''));
  const since = known ? sinceChoices : [...sinceChoices, [input.since ?? '', `since ${input.since}`] as const];
  const choice = (name: 'status' | 'method' | 'template', label: string, values: readonly string[]) => {
    const options = [['', 'any'] as const, ...values.map((value) => [value, value] as const)];
    return html`<div class="field"><label for="${name}">${label}</label>
${select(name, options, { chosen: input[name] })}</div>`;
  };
  return html`<form class="search" method="get" action="${base}/messages" role="search">
<div class="field grow"><label for="recipient">Recipient</label><input id="recipient" name="recipient" type="search"
  value="${input.recipient ?? ''}" placeholder="id or address" autocapitalize="none" autocomplete="off"
  spellcheck="false" data-shortcut="/"></div>
${choice('status', 'Status', messageStatuses)}${choice('method', 'Method', methods)}
${choice('template', 'Template', templates)}
<div class="field"><label for="since">Within</label>${select('since', since, { chosen: input.since })}</div>
<button class="primary">Search</button>
${moreFields(input)}
</form>`;
}

/** Every reason in words, in alphabetical order. */
const reasonChoices = [
  ['', 'any'] as const,
  ...reasons
    .map((reason) => [reason, meaningOf(reason)] as const)
    .toSorted(([, one], [, other]) => one.localeCompare(other)),
];

function moreFields(input: SearchInput): Html {
  const isOpen = [input.target, input.reason, input.endpoint, input.until].some((value) => value !== undefined);
  return html`<details class="more"${isOpen ? html` open` : ''}><summary>More</summary><div class="fields">
<div class="field"><label for="target">About</label><input id="target" name="target" value="${input.target ?? ''}"
  placeholder="id of a thing" autocomplete="off" spellcheck="false"></div>
<div class="field"><label for="reason">Reason</label>${select('reason', reasonChoices, { chosen: input.reason })}</div>
<div class="field"><label for="endpoint">Endpoint</label><input id="endpoint" name="endpoint"
  value="${input.endpoint ?? ''}" placeholder="its id" autocomplete="off" spellcheck="false"></div>
<div class="field"><label for="until">Before (UTC)</label>
<input id="until" name="until" type="datetime-local" value="${input.until ?? ''}"></div>
</div></details>`;
}

interface Results {
  readonly input: SearchInput;
  readonly found: MessagePage;
  readonly total: BoundedCount;
  readonly paged: boolean;
}

async function results(services: Services, { input, found, total, paged }: Results): Promise<Html> {
  const { lines, next, searchedBackTo } = found;
  const base = services.settings.basePath;
  const path = `${base}/messages`;
  const older =
    next &&
    html`<a href="${path}${queryOf(input, { after: next.id })}" rel="next">${
      searchedBackTo ? 'Search further back' : 'Older'
    }</a>`;
  const list =
    lines.length > 0 ? await messageTable(services, 'Messages', lines) : noMatch(base, input, searchedBackTo);
  return html`<p class="hint">${totalText(total)}</p>
${list}
<nav class="pager" aria-label="Pages">
${paged ? html`<a href="${path}${queryOf(input)}" rel="first">Newest</a>` : ''}
${older ?? ''}
${searchedBackTo ? html`<span class="hint">Searched back to ${time(searchedBackTo)}.</span>` : ''}
</nav>`;
}

/** How many match. Among very many messages only the newest are counted. */
function totalText({ count: n, complete }: BoundedCount): string {
  if (complete) return n === 0 ? '' : plural(n, 'message');
  return n === 0 ? '' : `${plural(n, 'message')} among the newest, and perhaps older ones`;
}

function noMatch(base: string, input: SearchInput, searchedBackTo: Date | null): Html {
  if (searchedBackTo) return empty('No match so far.');
  if (Object.keys(input).length === 0) return empty('No messages yet. What is enqueued appears here automatically.');
  const all = html`<a href="${base}/messages">Show all messages</a>`;
  return empty(html`No message matches. Ids and addresses must match exactly. ${all}`);
}

/** The actions that can apply to one of the statuses that are searched for. */
function actOnAll(base: string, input: SearchInput): Html {
  const links = [...bulkActions]
    .filter(([, { statuses }]) => input.status === undefined || statuses.some((one) => one === input.status))
    .map(
      ([action, { label }]) =>
        html`<a class="button" href="${base}/messages/all/${action}${queryOf(input)}">${label}…</a> `,
    );
  return links.length === 0 ? html`` : html`<p class="bulk"><span>All that match:</span> ${links}</p>`;
}
