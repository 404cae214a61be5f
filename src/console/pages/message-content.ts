/** The content of a message in several views. Each view has its own address, so it works without a script. */
import { html } from 'hono/html';
import { empty, type Html, sourceText, table, tabs } from '../elements.ts';
import { isFormat, type LoadedMessage, rawMail, type Rendering, webhookBody } from '../rendering.ts';
import type { PageContext, Services } from '../services.ts';
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

/** A message with its rendering, or why it cannot be rendered. */
export interface RenderedMessage extends LoadedMessage {
  readonly rendered: Rendering | { readonly problem: string };
}

/** The content of a message in the view that the query names. */
export async function messageContent(c: PageContext, services: Services, loaded: RenderedMessage): Promise<Html> {
  const { id, method } = loaded.message;
  const captured = (await services.settings.captured?.forMessage(id)) ?? [];
  const offered: View[] = [
    ...(method === 'webhook' ? (['webhook'] as const) : []),
    ...(['html', 'text'] as const),
    ...(method === 'smtp' ? (['source'] as const) : []),
    'labels',
    ...(captured.length > 0 ? (['captured'] as const) : []),
  ];
  const view = offered.find((name) => name === c.req.query('view')) ?? offered[0] ?? 'html';
  const path = `${services.settings.basePath}/messages/${id}`;
  const links = offered.map((name) => ({
    label: views[name],
    href: `${path}?view=${name}#content`,
    current: name === view,
  }));
  const { rendered } = loaded;
  const renderView = () => {
    if (view === 'captured') return capturedSources(services.settings.basePath, captured);
    if (view === 'labels') return labels(loaded);
    if ('problem' in rendered) return empty(`This message cannot be rendered: ${rendered.problem}`);
    return renderedView(view, { c, services, loaded, rendered });
  };
  return html`${tabs('Content', links)}${await renderView()}`;
}

interface ViewContext {
  readonly c: PageContext;
  readonly services: Services;
  readonly loaded: LoadedMessage;
  readonly rendered: Rendering;
}

async function renderedView(view: View, { c, services, loaded, rendered }: ViewContext): Promise<Html> {
  const { message, source } = loaded;
  const { delivery, email } = rendered;
  if (view === 'text') return sourceText(email.text);
  if (view === 'source') return emailSource(await rawMail(services, delivery), message.secretLabels.length > 0);
  if (view === 'webhook') {
    const format = source.format ?? 'standard';
    const body = webhookBody(delivery, isFormat(format) ? format : 'standard');
    return html`<p class="hint">Format ${format}.</p>${sourceText(body)}`;
  }
  const path = `${services.settings.basePath}/messages/${message.id}`;
  const page = `${path}?view=html`;
  return emailFrame(c, { source: `${path}/frame`, page, anchor: 'content', title: 'The rendered email' });
}

function emailSource(source: string | null, hasSecrets: boolean): Html {
  if (source === null) return empty('The recipient has no usable address, so there is no email.');
  const secrets = hasSecrets ? ', secret labels blacked out' : '';
  return html`<p class="hint">Rendered again from the stored message${secrets}; without signatures and files.</p>
${sourceText(source)}`;
}

function labels({ message }: LoadedMessage): Html {
  const row = (name: string, value: string, style: string) =>
    html`<tr><th scope="row">${name}</th><td class="${style}">${value}</td></tr>`;
  const rows = [
    ...Object.entries(message.labels).map(([name, value]) => row(name, value, 'value')),
    ...message.secretLabels.map((name) => row(name, 'secret, not shown', 'none')),
  ];
  return html`${rows.length === 0 ? empty('No labels.') : table('Labels', ['Label', 'Value'], rows)}
${message.data === null ? '' : html`<h3>Data</h3>${sourceText(JSON.stringify(message.data, null, 2))}`}`;
}
