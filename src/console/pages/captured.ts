/** What a development catcher caught in place of the outside world. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import type { Catch } from '../captured.ts';
import type { ConsoleEnv, Services } from '../services.ts';
import { empty, type Html, page, table, time } from '../view.ts';

const shown = 200;

export function addCaught(app: Hono<ConsoleEnv>, services: Services): void {
  const { catches, basePath } = services.settings;
  if (catches === null) return;
  app.get('/caught', async (c) => {
    const all = (await catches.list()).slice(0, shown);
    const rows = all.map(
      (
        one,
      ) => html`<tr><td class="first">${time(one.at)}</td><td data-label="Kind">${one.kind}</td><td class="cut" data-label="To">${one.to}</td>
<td data-label="What">${one.messageId === null ? one.title : html`<a href="${basePath}/messages/${one.messageId}">${one.title}</a>`}</td></tr>`,
    );
    const main = html`<h1>Caught</h1><p class="lead">Mails and webhook calls that were kept here instead of leaving this machine.</p>
<section id="caught" data-live="caught">${
      all.length === 0
        ? empty('Nothing yet. What a worker sends appears here by itself.')
        : table('Caught', ['When', 'Kind', 'To', 'What'], rows)
    }</section>`;
    return page(c, services, { title: 'Caught', section: 'caught', main });
  });
}

/** On the page of a message: each as it came over the wire. */
export function caughtSources(all: readonly Catch[]): Html {
  return html`${all.map(
    (one) =>
      html`<h3>${one.kind === 'mail' ? 'Mail' : 'Webhook call'} to ${one.to}, ${time(one.at)}</h3><pre class="source" tabindex="0">${one.source}</pre>`,
  )}`;
}
