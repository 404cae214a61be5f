/** Searching messages. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { messageStatuses } from '../../vocabulary.ts';
import { type MessagePage, searchMessages } from '../../operate/search.ts';
import { cursorOf, queryOf, readSearch, type SearchInput, searchOf } from '../input.ts';
import type { ConsoleEnv, Services } from '../services.ts';
import { empty, type Html, page, time } from '../view.ts';
import { bulkActions } from './bulk.ts';
import { messageRow, messageTable } from './message-table.ts';

const pageSize = 50;

export function addMessages(app: Hono<ConsoleEnv>, services: Services): void {
  const { pool, settings } = services;
  app.get('/messages', async (c) => {
    const input = readSearch((name) => c.req.query(name));
    const after = cursorOf(c.req.query('after'));
    const [found, choices] = await Promise.all([
      searchMessages(pool, searchOf(input, new Date()), { limit: pageSize, after }),
      readChoices(services),
    ]);
    const main = html`<h1>Messages</h1>
${searchForm(services, input, choices)}
<section id="found" aria-label="Messages found" data-live="${after ? 'message' : 'message messages'}">
${results(services, { input, found, paged: after !== undefined })}
</section>
${found.lines.length > 0 && !c.get('operator').readOnly ? actOnAll(settings.basePath, input) : ''}`;
    const watch = found.lines.map((line) => line.id);
    return page(c, services, { title: 'Messages', section: 'messages', main, watch });
  });
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

function searchForm({ settings }: Services, input: SearchInput, { methods, templates }: Choices): Html {
  const more = [input.target, input.reason, input.until].some((value) => value !== undefined);
  const known = sinceChoices.some(([value]) => value === (input.since ?? ''));
  return html`<form class="search" method="get" action="${settings.basePath}/messages" role="search">
<div class="field grow"><label for="recipient">Recipient</label><input id="recipient" name="recipient" type="search" value="${input.recipient ?? ''}" placeholder="id or address" autocapitalize="none" autocomplete="off" spellcheck="false" data-shortcut="/"></div>
<div class="field"><label for="status">Status</label>${select('status', [['', 'any'], ...pairs(messageStatuses)], input.status)}</div>
<div class="field"><label for="method">Method</label>${select('method', [['', 'any'], ...pairs(methods)], input.method)}</div>
<div class="field"><label for="template">Template</label>${select('template', [['', 'any'], ...pairs(templates)], input.template)}</div>
<div class="field"><label for="since">Within</label>${select('since', known ? sinceChoices : [...sinceChoices, [input.since ?? '', `since ${input.since}`]], input.since)}</div>
<button class="primary">Search</button>
<details class="more"${more ? html` open` : ''}><summary>More</summary><div class="fields">
<div class="field"><label for="target">About (target)</label><input id="target" name="target" value="${input.target ?? ''}" autocomplete="off" spellcheck="false"></div>
<div class="field"><label for="reason">Reason</label><input id="reason" name="reason" value="${input.reason ?? ''}" placeholder="no_such_recipient" autocomplete="off" spellcheck="false"></div>
<div class="field"><label for="until">Before (UTC)</label><input id="until" name="until" type="datetime-local" value="${input.until ?? ''}"></div>
</div></details>
</form>`;
}

const pairs = (values: readonly string[]) => values.map((value) => [value, value] as const);

function select(name: string, options: readonly (readonly [value: string, label: string])[], chosen = ''): Html {
  return html`<select id="${name}" name="${name}">${options.map(
    ([value, label]) => html`<option value="${value}"${value === chosen ? html` selected` : ''}>${label}</option>`,
  )}</select>`;
}

interface Results {
  readonly input: SearchInput;
  readonly found: MessagePage;
  readonly paged: boolean;
}

function results(services: Services, { input, found, paged }: Results): Html {
  const { lines, next, searchedBackTo } = found;
  const path = `${services.settings.basePath}/messages`;
  return html`${
    lines.length > 0
      ? messageTable(
          'Messages',
          lines.map((line) => messageRow(services, line)),
        )
      : noMatch(services.settings.basePath, input, searchedBackTo)
  }
<nav class="pager" aria-label="Pages">
${paged ? html`<a href="${path}${queryOf(input)}" rel="first">Newest</a>` : ''}
${next ? html`<a href="${path}${queryOf(input, { after: next.id })}" rel="next">${searchedBackTo ? 'Search further back' : 'Older'}</a>` : ''}
${searchedBackTo ? html`<span class="hint">Searched back to ${time(searchedBackTo)}.</span>` : ''}
</nav>`;
}

function noMatch(base: string, input: SearchInput, searchedBackTo: Date | null): Html {
  if (searchedBackTo) return empty('No match so far.');
  if (Object.keys(input).length === 0) return empty('No messages yet. What is enqueued appears here automatically.');
  return empty(
    html`No message matches. Recipient, target and reason must match exactly. <a href="${base}/messages">Show all messages</a>`,
  );
}

function actOnAll(base: string, input: SearchInput): Html {
  return html`<p class="bulk"><span>All that match:</span> ${Object.entries(bulkActions).map(
    ([action, { label }]) =>
      html`<a class="button" href="${base}/messages/all/${action}${queryOf(input)}">${label}…</a> `,
  )}</p>`;
}
