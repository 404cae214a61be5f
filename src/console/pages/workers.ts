/** The workers that are connected: what they deliver, since when, and what goes wrong. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { empty, type Html, relativeTime, table, time } from '../elements.ts';
import { page } from '../layout.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';

/** A worker's row. A worker that has not written it for a minute is dead, or cannot reach the database. */
interface WorkerRow {
  readonly name: string;
  readonly methods: readonly string[];
  readonly version: string;
  readonly startedAt: Date;
  readonly seenAt: Date;
  readonly isAlive: boolean;
  readonly notified: boolean | null;
  readonly errors: readonly { readonly what: string; readonly code: string; readonly count: number }[];
}

const maxListed = 200;

/** Adds the page of workers. */
export function addWorkers(app: Hono<ConsoleEnv>, services: Services): void {
  app.get('/workers', (c) => workersPage(c, services));
}

const headings = ['Worker', 'State', 'Delivers', 'Version', 'Started', 'Last errors'];

async function workersPage(c: PageContext, services: Services): Promise<Response> {
  const { rows } = await services.pool.query<WorkerRow>(
    `SELECT name, methods, version, started_at AS "startedAt", seen_at AS "seenAt", notified, errors,
       seen_at > now() - interval '1 minute' AS "isAlive"
     FROM herald.worker ORDER BY seen_at > now() - interval '1 minute' DESC, name LIMIT ${maxListed}`,
  );
  const none = html`No worker has connected yet. Start one with <code>pg-herald worker</code>.`;
  const content = rows.length === 0 ? empty(none) : table('Workers', headings, rows.map(workerRow));
  const main = html`<h1>Workers</h1><section id="workers" data-live="overview">${content}</section>`;
  return page(c, services, { title: 'Workers', section: 'workers', main });
}

function workerRow({ name, methods, version, startedAt, seenAt, isAlive, notified, errors }: WorkerRow): Html {
  const badge = isAlive
    ? html`<span class="status sent">connected</span>`
    : html`<span class="status failed">gone</span> <span class="reason">last seen ${relativeTime(seenAt)}</span>`;
  const polling =
    isAlive && notified === false
      ? html` <span class="reason">slower: the database cannot wake it, so it asks every few seconds</span>`
      : '';
  const last = errors.map(({ what, code, count }) => `${what}: ${code}${count > 1 ? ` (${count} times)` : ''}`);
  return html`<tr><th scope="row">${name}</th>
<td data-label="State">${badge}${polling}</td>
<td data-label="Delivers">${methods.join(', ') || 'nothing'}</td><td data-label="Version">${version}</td>
<td data-label="Started">${time(startedAt)}</td>
<td class="cut" data-label="Last errors">${last.join(', ') || html`<span class="none">none</span>`}</td></tr>`;
}
