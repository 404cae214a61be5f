/** The content of a message, from several sides; each is an address of its own, so that it works without a script. */
import { html } from 'hono/html';
import { isFormat, rawMail, type Rendering, webhookBody } from '../rendering.ts';
import type { PageContext, Services } from '../services.ts';
import { empty, type Html, table } from '../view.ts';
import { caughtSources } from './captured.ts';
import { frame } from './frame.ts';
import type { Shown } from './load-message.ts';
import { tabs } from './tabs.ts';

const views = {
  html: 'HTML',
  text: 'Text',
  source: 'Raw source',
  webhook: 'Webhook',
  labels: 'Labels',
  caught: 'Caught',
} as const;
type View = keyof typeof views;

export async function contentOf(
  c: PageContext,
  services: Services,
  { rendered, ...shown }: Shown & { readonly rendered: Rendering | { readonly problem: string } },
): Promise<Html> {
  const { message } = shown;
  const caught = (await services.settings.catches?.forMessage(message.id)) ?? [];
  const offered: View[] = [
    ...(message.method === 'webhook' ? (['webhook'] as const) : []),
    ...(['html', 'text'] as const),
    ...(message.method === 'smtp' ? (['source'] as const) : []),
    'labels',
    ...(caught.length > 0 ? (['caught'] as const) : []),
  ];
  const view = offered.find((name) => name === c.req.query('view')) ?? offered[0] ?? 'html';
  const path = `${services.settings.basePath}/messages/${message.id}`;
  const links = offered.map((name) => ({
    label: views[name],
    href: `${path}?view=${name}#content`,
    current: name === view,
  }));
  if (view === 'caught') return html`${tabs('Content', links)}${caughtSources(caught)}`;
  return html`${tabs('Content', links)}${view === 'labels' ? labels(shown) : 'problem' in rendered ? empty(`It cannot be rendered: ${rendered.problem}`) : await shownAs(view, { c, services, rendered, shown, path })}`;
}

interface Showing {
  readonly c: PageContext;
  readonly services: Services;
  readonly rendered: Rendering;
  readonly shown: Shown;
  readonly path: string;
}

async function shownAs(view: View, { c, services, rendered, shown, path }: Showing): Promise<Html> {
  const { delivery, email } = rendered;
  if (view === 'text') return html`<pre class="source" tabindex="0">${email.text}</pre>`;
  if (view === 'source') {
    const source = await rawMail(services, delivery);
    if (source === null) return empty('The recipient has no usable address, so there is no mail.');
    return html`<p class="hint">Made again from the stored message${shown.message.secretLabels.length > 0 ? ', secret labels blacked out' : ''}; without signature and files.</p><pre class="source" tabindex="0">${source}</pre>`;
  }
  if (view === 'webhook') {
    const format = shown.source.format ?? 'standard';
    return html`<p class="hint">Format ${format}.</p><pre class="source" tabindex="0">${webhookBody(delivery, isFormat(format) ? format : 'standard')}</pre>`;
  }
  return frame(c, {
    source: `${path}/frame`,
    page: `${path}?view=html`,
    anchor: 'content',
    title: 'The mail as rendered',
  });
}

function labels({ message }: Shown): Html {
  const rows = [
    ...Object.entries(message.labels).map(
      ([name, value]) => html`<tr><th scope="row">${name}</th><td class="value">${value}</td></tr>`,
    ),
    ...message.secretLabels.map(
      (name) => html`<tr><th scope="row">${name}</th><td class="none">secret, not shown</td></tr>`,
    ),
  ];
  return html`${rows.length === 0 ? empty('No labels.') : table('Labels', ['Label', 'Value'], rows)}
${message.data === null ? '' : html`<h3>Data</h3><pre class="source" tabindex="0">${JSON.stringify(message.data, null, 2)}</pre>`}`;
}
