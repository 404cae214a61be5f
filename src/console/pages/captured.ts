/** Emails and webhook calls that a development catcher captured. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { empty, type Html, sourceText, table, time } from '../elements.ts';
import { page } from '../layout.ts';
import type { CapturedMessage, CapturedMessages } from '../options.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';

const maxListed = 200;

/** Adds the page of what was captured, if there is a catcher. */
export function addCaptured(app: Hono<ConsoleEnv>, services: Services): void {
  const { captured } = services.settings;
  if (captured !== null) app.get('/captured', (c) => capturedPage(c, services, captured));
}

async function capturedPage(c: PageContext, services: Services, captured: CapturedMessages): Promise<Response> {
  const list = (await captured.list()).slice(0, maxListed);
  const rows = list.map((one) => capturedRow(services.settings.basePath, one));
  const content =
    rows.length === 0
      ? empty('Nothing yet. What a worker sends appears here automatically.')
      : table('Captured', ['When', 'Kind', 'To', 'Title'], rows);
  const main = html`<h1>Captured</h1>
<p class="lead">Emails and webhook calls that were captured instead of leaving this machine.</p>
<section id="captured" data-live="captured">${content}</section>`;
  return page(c, services, { title: 'Captured', section: 'captured', main });
}

function capturedRow(base: string, { at, kind, to, title, messageId }: CapturedMessage): Html {
  const link = messageId === null ? title : html`<a href="${base}/messages/${messageId}">${title}</a>`;
  return html`<tr><td class="first">${time(at)}</td><td data-label="Kind">${kind}</td>
<td class="cut" data-label="To">${to}</td><td data-label="Title">${link}</td></tr>`;
}

/** What was captured of one message, each as it came over the wire. */
export function capturedSources(all: readonly CapturedMessage[]): Html {
  return html`${all.map(
    ({ kind, to, at, raw }) =>
      html`<h3>${kind === 'mail' ? 'Email' : 'Webhook call'} to ${to}, ${time(at)}</h3>
${sourceText(Buffer.from(raw).toString('utf8'))}`,
  )}`;
}
