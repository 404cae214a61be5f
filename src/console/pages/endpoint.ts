/** One endpoint: its limits and its messages, a test call, rotating its secret, replaying, enabling and disabling. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { ConfigurationError } from '../../errors.ts';
import type { EndpointDetails } from '../../operate/endpoint-details.ts';
import type { Endpoints } from '../../operate/endpoints.ts';
import { searchMessages } from '../../operate/search.ts';
import { actionForm, disclosure, empty, facts, type Html, plural, secretOnce, select, time } from '../elements.ts';
import { formOf } from '../input.ts';
import { page } from '../layout.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { endpointState, ownerOf, storedEndpoints, waitingText, withKeys } from './endpoints.ts';
import { refusal } from './failure.ts';
import { finishAction, recordAction } from './finish-action.ts';
import { messageTable } from './message-table.ts';

type Action = (c: PageContext, services: Services, id: string) => Promise<Response>;

/** Adds the page of one endpoint and its actions. */
export function addEndpoint(app: Hono<ConsoleEnv>, services: Services): void {
  const actions: Readonly<Record<string, Action>> = { test, enable, disable, rotate, replay, remove };
  app.get('/endpoints/:id', (c) => endpointPage(c, services, c.req.param('id')));
  for (const [name, act] of Object.entries(actions))
    app.post(`/endpoints/:id/${name}`, (c) => act(c, services, c.req.param('id')));
}

async function endpointPage(c: PageContext, services: Services, id: string): Promise<Response> {
  const endpoint = await storedEndpoints(services).show(id);
  if (endpoint === null) return c.notFound();
  const base = services.settings.basePath;
  const main = html`<p class="crumbs"><a href="${base}/endpoints">Endpoints</a></p><h1>${endpoint.name}</h1>
${c.get('operator').readOnly ? '' : endpointActions(c, services, endpoint)}
<section id="facts" data-live="overview">${facts(endpointFacts(endpoint), 'narrow-facts')}</section>
<section id="latest" data-live="messages"><h2>Latest messages</h2>${await latestMessages(services, id)}</section>`;
  return page(c, services, { title: endpoint.name, section: 'endpoints', main });
}

function endpointFacts(endpoint: EndpointDetails): (readonly [string, Html | string | null])[] {
  const { urlHost, groups, format, waiting, httpMethod, timeoutSeconds, retry, requestsPerSecond } = endpoint;
  const { maxConcurrency } = endpoint;
  return [
    ['State', endpointState(endpoint)],
    ['Host', urlHost],
    ['For', ownerOf(endpoint)],
    ['Groups', groups.join(', ') || 'all'],
    ['Format', format],
    ['Waiting', waitingText(waiting)],
    ['Calls', `${httpMethod}, at most ${timeoutSeconds} s each, ${maxConcurrency} at once from each worker`],
    ['Rate', requestsPerSecond === null ? null : `at most ${plural(requestsPerSecond, 'call')} a second`],
    ['Refusals', retry === 'all' ? 'are tried again' : 'are tried again only if they look temporary'],
    ['Added', time(endpoint.createdAt)],
    ['Changed', time(endpoint.updatedAt)],
    ['Id', html`<code>${endpoint.id}</code>`],
  ];
}

async function latestMessages(services: Services, endpointId: string): Promise<Html> {
  const { lines } = await searchMessages(services.pool, { endpointId }, { limit: 10 });
  if (lines.length === 0) return empty('No message for this endpoint yet.');
  const all = `${services.settings.basePath}/messages?endpoint=${endpointId}`;
  return html`${await messageTable(services, 'Latest messages', lines)}<p><a href="${all}">All its messages</a></p>`;
}

const spans = [
  ['1', 'the last hour'],
  ['6', 'the last 6 hours'],
  ['24', 'the last day'],
  ['168', 'the last week'],
] as const;

function endpointActions(c: PageContext, { settings }: Services, { id, state, format }: EndpointDetails): Html {
  const path = `${settings.basePath}/endpoints/${id}`;
  const form = (action: string, fields: Html) => actionForm(c, `${path}/${action}`, fields, 'inline');
  const whyFor = (action: string) => html`<label for="why-${action}">Why</label>
<input id="why-${action}" name="why" maxlength="300" autocomplete="off" required>`;
  const toggle =
    state === 'disabled'
      ? form('enable', html`<button class="primary">Enable</button>`)
      : disclosure('Disable…', form('disable', html`${whyFor('disable')}<button class="danger">Disable</button>`));
  const since = html`<label for="hours">Send again what it got in</label>${select('hours', spans)}
${whyFor('replay')}<button>Replay</button>`;
  const overlap = html`${select('overlap', overlaps)}${whyFor('rotate')}<button>New secret</button>`;
  const test = settings.captured === null ? form('test', html`<button>Send a test call</button>`) : '';
  return html`<div class="bulk">${test}${toggle}
${disclosure('Replay…', form('replay', since))}
${format === 'standard' ? disclosure('New secret…', form('rotate', overlap)) : ''}
${disclosure('Remove…', form('remove', html`${whyFor('remove')}<button class="danger">Remove permanently</button>`))}
</div>`;
}

const overlaps = [
  ['86400', 'the old secret stays valid for a day'],
  ['0', 'the old secret ends now: it leaked'],
] as const;

/** Calls the endpoint and describes its answer. Where calls are captured, none may leave the machine. */
const test: Action = async (c, services, id) => {
  if (services.settings.captured !== null) return refusal(c, services, capturedHere);
  return withKeys(c, services, async (stored) => {
    const note = await describedPing(stored, services, id);
    if (note === null) return c.notFound();
    return finishAction(c, services, {
      audit: { action: 'endpoints test', subject: id },
      note,
      to: `/endpoints/${id}`,
    });
  });
};

const capturedHere =
  'Calls are captured here, and a test call would really be sent. Send a message to the endpoint instead: it is ' +
  'captured in the format of the endpoint.';

async function describedPing(stored: Endpoints, { settings }: Services, id: string): Promise<string | null> {
  try {
    const answer = await stored.ping(id, { appName: settings.brand.appName });
    if (answer === null) return null;
    const status = answer.status === null ? 'No answer' : `HTTP ${answer.status}`;
    return `${status} after ${answer.milliseconds} ms: ${answer.explanation}.`;
  } catch (error) {
    // The endpoint is encrypted with another key, which the error names by its fingerprint.
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
}

const enable: Action = async (c, services, id) => {
  const sent = await storedEndpoints(services).enable(id);
  if (sent === null) return c.notFound();
  const audit = { action: 'endpoints enable', subject: id, why: await whyOf(c), detail: { sent } };
  const note = `Enabled. ${plural(sent, 'message')} will be sent.`;
  return finishAction(c, services, { audit, note, to: `/endpoints/${id}` });
};

const disable: Action = async (c, services, id) => {
  const held = await storedEndpoints(services).disable(id);
  if (held === null) return c.notFound();
  const audit = { action: 'endpoints disable', subject: id, why: await whyOf(c), detail: { held } };
  const note = `Disabled. ${plural(held, 'message')} held.`;
  return finishAction(c, services, { audit, note, to: `/endpoints/${id}` });
};

/** The new secret is on the page that answers the form, and nowhere else. */
const rotate: Action = async (c, services, id) => {
  const [overlapSeconds, why] = [Number((await formOf(c))('overlap') ?? 86_400), await whyOf(c)];
  return withKeys(c, services, async (stored) => {
    const secret = await stored.rotate(id, { overlapSeconds });
    if (secret === null) return c.notFound();
    await recordAction(c, services, { action: 'endpoints rotate', subject: id, why });
    const main = html`<h1>The endpoint has a new secret</h1>
${secretOnce(secret)}<p><a class="button" href="${services.settings.basePath}/endpoints/${id}">Continue</a></p>`;
    return page(c, services, { title: 'New secret', section: 'endpoints', main });
  });
};

const replay: Action = async (c, services, id) => {
  const hours = (await formOf(c))('hours');
  if (!spans.some(([value]) => value === hours)) return refusal(c, services, 'Choose what is sent again.');
  const since = new Date(Date.now() - Number(hours) * 3_600_000);
  const sent = await storedEndpoints(services).replay(id, { since });
  if (sent === null) return c.notFound();
  const detail = { sent, since: since.toISOString() };
  const audit = { action: 'endpoints replay', subject: id, why: await whyOf(c), detail };
  const note = `${plural(sent, 'message')} will be sent again, with the same ids.`;
  return finishAction(c, services, { audit, note, to: `/endpoints/${id}` });
};

const remove: Action = async (c, services, id) => {
  const cancelled = await storedEndpoints(services).remove(id);
  if (cancelled === null) return c.notFound();
  const audit = { action: 'endpoints remove', subject: id, why: await whyOf(c), detail: { cancelled } };
  const note = `Removed. ${plural(cancelled, 'waiting message')} cancelled.`;
  return finishAction(c, services, { audit, note, to: '/endpoints' });
};

const whyOf = async (c: PageContext): Promise<string | null> => (await formOf(c))('why') ?? null;
