/** The content of a message in several views. Each view has its own address, so it works without a script. */
import { html } from 'hono/html';
import { isFormat, type LoadedMessage, rawMail, type Rendering, webhookBody } from '../rendering.ts';
import type { PageContext, Services } from '../services.ts';
import { empty, type Html, table, tabs } from '../view.ts';
import { capturedSources } from './captured.ts';
import { emailFrame } from './email-frame.ts';

const views = {
  html: 'HTML',
  text: 'Text',
  source: 'Source',
  webhook: 'Webhook',
  labels: 'Labels',
  captured: 'Captured',
} as const;
type View = keyof typeof views;

export async function contentOf(
  c: PageContext,
  services: Services,
  { rendered, ...loaded }: LoadedMessage & { readonly rendered: Rendering | { readonly problem: string } },
): Promise<Html> {
  const { message } = loaded;
  const captured = (await services.settings.captured?.forMessage(message.id)) ?? [];
  const offered: View[] = [
    ...(message.method === 'webhook' ? (['webhook'] as const) : []),
    ...(['html', 'text'] as const),
    ...(message.method === 'smtp' ? (['source'] as const) : []),
    'labels',
    ...(captured.length > 0 ? (['captured'] as const) : []),
  ];
  const view = offered.find((name) => name === c.req.query('view')) ?? offered[0] ?? 'html';
  const path = `${services.settings.basePath}/messages/${message.id}`;
  const links = offered.map((name) => ({
    label: views[name],
    href: `${path}?view=${name}#content`,
    current: name === view,
  }));
  if (view === 'captured') return html`${tabs('Content', links)}${capturedSources(captured)}`;
  return html`${tabs('Content', links)}${view === 'labels' ? labels(loaded) : 'problem' in rendered ? empty(`This message cannot be rendered: ${rendered.problem}`) : await renderView(view, { c, services, rendered, loaded, path })}`;
}

interface ViewContext {
  readonly c: PageContext;
  readonly services: Services;
  readonly rendered: Rendering;
  readonly loaded: LoadedMessage;
  readonly path: string;
}

async function renderView(view: View, { c, services, rendered, loaded, path }: ViewContext): Promise<Html> {
  const { delivery, email } = rendered;
  if (view === 'text') return html`<pre class="source" tabindex="0">${email.text}</pre>`;
  if (view === 'source') {
    const source = await rawMail(services, delivery);
    if (source === null) return empty('The recipient has no usable address, so there is no email.');
    return html`<p class="hint">Rendered again from the stored message${loaded.message.secretLabels.length > 0 ? ', secret labels blacked out' : ''}; without signatures and files.</p><pre class="source" tabindex="0">${source}</pre>`;
  }
  if (view === 'webhook') {
    const format = loaded.source.format ?? 'standard';
    return html`<p class="hint">Format ${format}.</p><pre class="source" tabindex="0">${webhookBody(delivery, isFormat(format) ? format : 'standard')}</pre>`;
  }
  return emailFrame(c, {
    source: `${path}/frame`,
    page: `${path}?view=html`,
    anchor: 'content',
    title: 'The rendered email',
  });
}

function labels({ message }: LoadedMessage): Html {
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
