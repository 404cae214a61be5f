/** Receivers of webhooks and chat posts: the list, and adding one. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { ConfigurationError } from '../../errors.ts';
import type { EndpointSummary } from '../../operate/endpoint-details.ts';
import { type Endpoints, endpoints } from '../../operate/endpoints.ts';
import type { NewEndpoint } from '../../operate/new-endpoint.ts';
import { createSecretBox } from '../../secrets.ts';
import {
  actionForm,
  count,
  disclosure,
  empty,
  type Html,
  numberHeading,
  secretOnce,
  select,
  table,
  time,
} from '../elements.ts';
import { formOf } from '../input.ts';
import { page } from '../layout.ts';
import { isFormat } from '../rendering.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { refusal } from './failure.ts';
import { finishAction, recordAction } from './finish-action.ts';

/** Adds the page of endpoints, and the action that adds one. */
export function addEndpoints(app: Hono<ConsoleEnv>, services: Services): void {
  app.get('/endpoints', (c) => endpointsPage(c, services));
  app.post('/endpoints/add', (c) => add(c, services));
}

const noKey =
  'Endpoints are stored encrypted, and this console has no key. Set HERALD_SECRET_KEY, or the option secretKeys.';

/** The endpoints, with the keys of this console. Without keys it can do what needs none. */
export function storedEndpoints({ pool, settings: { secretKeys, egress } }: Services): Endpoints {
  return endpoints(pool, { egress, ...(secretKeys.length > 0 && { secrets: createSecretBox(secretKeys) }) });
}

/** Does what needs the keys. An error that the operator can mend becomes a page that says how. */
export async function withKeys(
  c: PageContext,
  services: Services,
  work: (stored: Endpoints) => Promise<Response>,
): Promise<Response> {
  if (services.settings.secretKeys.length === 0) return refusal(c, services, noKey);
  try {
    return await work(storedEndpoints(services));
  } catch (error) {
    if (error instanceof ConfigurationError) return refusal(c, services, error.message);
    throw error;
  }
}

const headings = [...['Endpoint', 'For', 'Groups', 'Format', 'State'], numberHeading('Waiting')] as const;

async function endpointsPage(c: PageContext, services: Services): Promise<Response> {
  const rows = (await storedEndpoints(services).list()).map((one) => endpointRow(services.settings.basePath, one));
  const content =
    rows.length === 0
      ? empty('No endpoints yet. An endpoint receives messages of the method webhook: a program, or a chat.')
      : table('Endpoints', headings, rows);
  const main = html`<h1>Endpoints</h1>
<section id="endpoints" data-live="overview">${content}</section>
${c.get('operator').readOnly ? '' : addForm(c, services.settings.basePath)}`;
  return page(c, services, { title: 'Endpoints', section: 'endpoints', main });
}

async function add(c: PageContext, services: Services): Promise<Response> {
  const endpoint = endpointOf(await formOf(c));
  return withKeys(c, services, async (stored) => {
    const { id, secret } = await stored.add(endpoint);
    const audit = { action: 'endpoints add', subject: id };
    const path = `/endpoints/${id}`;
    if (secret === null) return finishAction(c, services, { audit, note: 'Added.', to: path });
    await recordAction(c, services, audit);
    const main = html`<h1>The endpoint is added</h1>
${secretOnce(secret)}<p><a class="button" href="${services.settings.basePath}${path}">Continue</a></p>`;
    return page(c, services, { title: 'Added', section: 'endpoints', main });
  });
}

function endpointOf(form: (name: string) => string | undefined): NewEndpoint {
  const [url, name, secret, owner, ownerId] = [form('url'), form('name'), form('secret'), form('owner'), form('id')];
  const format = form('format') ?? '';
  const groups = form('groups')
    ?.split(',')
    .map((group) => group.trim())
    .filter(Boolean);
  return {
    ...(url !== undefined && { url }),
    ...(name !== undefined && { name }),
    ...(secret !== undefined && { secret }),
    ...(isFormat(format) && { format }),
    ...(groups !== undefined && { groups }),
    ...(owner === 'recipient' && { recipientId: ownerId ?? '' }),
    ...(owner === 'tenant' && { tenant: ownerId ?? '' }),
  };
}

const formats = [
  ['standard', 'a program (signed webhooks)'],
  ['slack', 'Slack'],
  ['teams', 'Teams'],
  ['discord', 'Discord'],
  ['pagerduty', 'PagerDuty'],
  ['ntfy', 'ntfy'],
] as const;

const owners = [
  ['everyone', 'everyone who has no endpoint of their own'],
  ['recipient', 'one recipient'],
  ['tenant', 'one tenant'],
] as const;

function addForm(c: PageContext, base: string): Html {
  const fields = html`<label for="url">URL</label><input id="url" name="url" type="url" maxlength="2048"
  autocomplete="off" spellcheck="false" placeholder="https://hooks.example.com/in">
<label for="format">It is</label>${select('format', formats)}
<label for="name">Name</label><input id="name" name="name" maxlength="200" autocomplete="off"
  placeholder="default: the host of the URL">
<label for="owner">Receives messages for</label>${select('owner', owners)}
<label for="id">Id of the recipient or tenant</label>
<input id="id" name="id" maxlength="200" autocomplete="off" spellcheck="false">
<label for="groups">Only these groups of templates, separated by commas</label>
<input id="groups" name="groups" maxlength="2000" autocomplete="off" placeholder="default: all">
<label for="secret">Secret</label><input id="secret" name="secret" type="password" maxlength="16384"
  autocomplete="off" placeholder="default: a new one, shown once">
<p class="hint">A PagerDuty routing key or an ntfy access token is the secret. URL and secret are stored encrypted.</p>
<p><button class="primary">Add</button></p>`;
  return disclosure('Add an endpoint…', actionForm(c, `${base}/endpoints/add`, fields, 'stack'));
}

function endpointRow(base: string, endpoint: EndpointSummary): Html {
  const { id, name, urlHost, groups, format, waiting } = endpoint;
  return html`<tr id="e-${id}" class="go">
<th scope="row"><a href="${base}/endpoints/${id}">${name}</a><br><span class="reason">${urlHost}</span></th>
<td class="cut" data-label="For">${ownerOf(endpoint)}</td>
<td data-label="Groups">${groups.join(', ') || 'all'}</td><td data-label="Format">${format}</td>
<td data-label="State">${endpointState(endpoint)}</td>
<td class="num" data-label="Waiting">${waitingText(waiting)}</td></tr>`;
}

/** Whose messages the endpoint gets. */
export function ownerOf({ recipientId, tenant }: EndpointSummary): string {
  return recipientId ?? (tenant === null ? 'everyone' : `tenant ${tenant}`);
}

/** How many messages wait for an endpoint; counted up to 10,000. */
export function waitingText(waiting: number): string {
  return waiting >= 10_000 ? 'over 10,000' : count(waiting);
}

/** Whether the endpoint works. */
export function endpointState({ state, disabledReason, failingSince, probeAt }: EndpointSummary): Html {
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
