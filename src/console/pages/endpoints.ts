/** Receivers of webhooks and chat posts: their state, a test call, and enabling and disabling them. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { ConfigurationError } from '../../errors.ts';
import type { EndpointSummary } from '../../operate/endpoint-details.ts';
import { endpoints } from '../../operate/endpoints.ts';
import { createSecretBox } from '../../secrets.ts';
import {
  actionForm,
  count,
  disclosure,
  empty,
  hiddenHeading,
  type Html,
  numberHeading,
  plural,
  table,
  time,
} from '../elements.ts';
import { formOf } from '../input.ts';
import { page } from '../layout.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { refusal } from './failure.ts';
import { finishAction } from './finish-action.ts';

/** Adds the page of endpoints and their actions. */
export function addEndpoints(app: Hono<ConsoleEnv>, services: Services): void {
  app.get('/endpoints', (c) => endpointsPage(c, services));
  app.post('/endpoints/:id/test', (c) => testEndpoint(c, services, c.req.param('id')));
  app.post('/endpoints/:id/enable', (c) => setEnabled(c, services, { id: c.req.param('id'), action: 'enable' }));
  app.post('/endpoints/:id/disable', (c) => setEnabled(c, services, { id: c.req.param('id'), action: 'disable' }));
}

const headings = [
  ...['Endpoint', 'For', 'Groups', 'Format', 'State'],
  numberHeading('Waiting'),
  hiddenHeading('Actions'),
] as const;

async function endpointsPage(c: PageContext, services: Services): Promise<Response> {
  const rows = (await endpoints(services.pool).list()).map((endpoint) => endpointRow(c, services, endpoint));
  const content =
    rows.length === 0
      ? empty(html`No endpoints yet; add one with <code>pg-herald endpoints add</code>.`)
      : table('Endpoints', headings, rows);
  const main = html`<h1>Endpoints</h1><section id="endpoints" data-live="overview">${content}</section>`;
  return page(c, services, { title: 'Endpoints', section: 'endpoints', main });
}

const noKey =
  'Endpoints are stored encrypted, and this console has no key. Set HERALD_SECRET_KEY, or the option secretKeys.';

async function testEndpoint(c: PageContext, services: Services, id: string): Promise<Response> {
  if (services.settings.secretKeys.length === 0) return refusal(c, services, noKey);
  const note = await callEndpoint(services, id);
  if (note === null) return c.notFound();
  return finishAction(c, services, { audit: { action: 'endpoints test', subject: id }, note, to: '/endpoints' });
}

/** Calls the endpoint and describes its answer. Null if there is no such endpoint. */
async function callEndpoint({ pool, settings }: Services, id: string): Promise<string | null> {
  const { egress, brand, secretKeys } = settings;
  try {
    const stored = endpoints(pool, { secrets: createSecretBox(secretKeys), egress });
    const answer = await stored.ping(id, { appName: brand.appName });
    if (answer === null) return null;
    const status = answer.status === null ? 'No answer' : `HTTP ${answer.status}`;
    return `${status} after ${answer.milliseconds} ms: ${answer.explanation}.`;
  } catch (error) {
    // The endpoint is encrypted with another key, which the error names by its fingerprint.
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
}

async function setEnabled(
  c: PageContext,
  services: Services,
  { id, action }: { readonly id: string; readonly action: 'enable' | 'disable' },
): Promise<Response> {
  const why = (await formOf(c))('why') ?? null;
  const n = await endpoints(services.pool)[action](id);
  if (n === null) return c.notFound();
  const enabled = action === 'enable';
  return finishAction(c, services, {
    audit: { action: `endpoints ${action}`, subject: id, why, detail: enabled ? { sent: n } : { held: n } },
    note: enabled ? `Enabled. ${plural(n, 'message')} will be sent.` : `Disabled. ${plural(n, 'message')} held.`,
    to: '/endpoints',
  });
}

function endpointRow(c: PageContext, { settings }: Services, endpoint: EndpointSummary): Html {
  const { id, name, urlHost, recipientId, tenant, groups, format, waiting } = endpoint;
  const receiver = recipientId ?? (tenant === null ? 'everyone' : `tenant ${tenant}`);
  const actions = c.get('operator').readOnly
    ? ''
    : endpointActions(c, `${settings.basePath}/endpoints/${id}`, endpoint);
  return html`<tr id="e-${id}">
<th scope="row">${name}<br><span class="reason">${urlHost}</span></th>
<td class="cut" data-label="For">${receiver}</td>
<td data-label="Groups">${groups.join(', ') || 'all'}</td><td data-label="Format">${format}</td>
<td data-label="State">${stateOf(endpoint)}</td>
<td class="num" data-label="Waiting">${waiting >= 10_000 ? 'over 10,000' : count(waiting)}</td>
<td class="do">${actions}</td></tr>`;
}

function stateOf({ state, disabledReason, failingSince, probeAt }: EndpointSummary): Html {
  const since = failingSince === null ? '' : html`since ${time(failingSince)}`;
  const badge = (style: string, text: string, reason: string | Html) =>
    html`<span class="status ${style}">${text}</span> <span class="reason">${reason}</span>`;
  switch (state) {
    case 'healthy':
      return badge('sent', 'healthy', '');
    case 'failing':
      return badge('held', 'failing', since);
    case 'open':
      return badge('held', 'not answering', html`${since}${since === '' ? '' : ', '}tried again at ${time(probeAt)}`);
    case 'disabled':
      return badge('failed', 'disabled', disabledReasons.get(disabledReason ?? '') ?? '');
    default:
      return state satisfies never;
  }
}

const disabledReasons = new Map([
  ['operator', 'by an operator'],
  ['gone', 'it answered 410 Gone'],
  ['unusable', 'URL, key or permission is not valid'],
  ['failing', 'it failed for 5 days'],
]);

function endpointActions(c: PageContext, path: string, { name, state }: EndpointSummary): Html {
  const action = state === 'disabled' ? 'enable' : 'disable';
  const label = action === 'enable' ? 'Enable' : 'Disable';
  const ofName = html`<span class="hide"> ${name}</span>`;
  const why = html`<input name="why" maxlength="300" aria-label="Why" placeholder="why"${
    action === 'disable' ? html` required` : ''
  }><button class="small">${label}${ofName}</button>`;
  const test = actionForm(c, `${path}/test`, html`<button class="small">Test${ofName}</button>`);
  return html`<div class="row">${test}
${disclosure(html`${label}…${ofName}`, actionForm(c, `${path}/${action}`, why, 'inline'))}</div>`;
}
