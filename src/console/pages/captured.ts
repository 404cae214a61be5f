/** Emails and webhook calls that a development catcher captured. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import type { CapturedMessage } from '../options.ts';
import type { ConsoleEnv, Services } from '../services.ts';
import { empty, type Html, page, table, time } from '../view.ts';

const maxListed = 200;

export function addCaptured(app: Hono<ConsoleEnv>, services: Services): void {
  const { captured, basePath } = services.settings;
  if (captured === null) return;
  app.get('/captured', async (c) => {
    const list = (await captured.list()).slice(0, maxListed);
    const rows = list.map(
      (
        one,
      ) => html`<tr><td class="first">${time(one.at)}</td><td data-label="Kind">${one.kind}</td><td class="cut" data-label="To">${one.to}</td>
<td data-label="Title">${one.messageId === null ? one.title : html`<a href="${basePath}/messages/${one.messageId}">${one.title}</a>`}</td></tr>`,
    );
    const main = html`<h1>Captured</h1><p class="lead">Emails and webhook calls that were captured instead of leaving this machine.</p>
<section id="captured" data-live="captured">${
      list.length === 0
        ? empty('Nothing yet. What a worker sends appears here automatically.')
        : table('Captured', ['When', 'Kind', 'To', 'Title'], rows)
    }</section>`;
    return page(c, services, { title: 'Captured', section: 'captured', main });
  });
}

/** The captured messages of one message, each as it came over the wire. */
export function capturedSources(all: readonly CapturedMessage[]): Html {
  return html`${all.map(
    (one) =>
      html`<h3>${one.kind === 'mail' ? 'Email' : 'Webhook call'} to ${one.to}, ${time(one.at)}</h3><pre class="source" tabindex="0">${one.source}</pre>`,
  )}`;
}
