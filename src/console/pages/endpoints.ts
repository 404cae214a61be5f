/** Receivers of webhooks and chat posts: their state, a test call, and enabling and disabling them. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import type { EndpointSummary } from '../../operate/endpoint-details.ts';
import { endpoints } from '../../operate/endpoints.ts';
import { ConfigurationError } from '../../errors.ts';
import { recordAudit } from '../../operate/audit.ts';
import { createSecretBox } from '../../secrets.ts';
import { leaveNote } from '../cookies.ts';
import { formOf } from '../input.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { count, empty, formToken, type Html, page, plural, table, time } from '../view.ts';
import { refusal } from './failure.ts';

export function addEndpoints(app: Hono<ConsoleEnv>, services: Services): void {
  const { pool, settings } = services;
  const stored = endpoints(pool);
  const back = `${settings.basePath}/endpoints`;
  app.get('/endpoints', async (c) => {
    const all = await stored.list();
    const headings = [
      'Endpoint',
      'For',
      'Groups',
      'Format',
      'State',
      html`<th scope="col" class="num">Waiting</th>`,
      html`<th scope="col"><span class="hide">Actions</span></th>`,
    ];
    const main = html`<h1>Endpoints</h1><section id="endpoints" data-live="overview">${
      all.length === 0
        ? empty(html`No endpoints yet; add one with <code>pg-herald endpoints add</code>.`)
        : table(
            'Endpoints',
            headings,
            all.map((endpoint) => endpointRow(c, services, endpoint)),
          )
    }</section>`;
    return page(c, services, { title: 'Endpoints', section: 'endpoints', main });
  });

  app.post('/endpoints/:id/test', async (c) => {
    if (settings.secretKeys.length === 0)
      return refusal(
        c,
        services,
        'Endpoints are stored encrypted, and this console has no key. Set HERALD_SECRET_KEY, or the option secretKeys.',
      );
    const note = await testCall(services, c.req.param('id'));
    if (note === null) return c.notFound();
    await recordAudit(pool, { actor: c.get('operator').name, action: 'endpoints test', subject: c.req.param('id') });
    leaveNote(c, services, note);
    return c.redirect(back, 303);
  });

  app.post('/endpoints/:id/:action{enable|disable}', async (c) => {
    const { id, action } = c.req.param();
    const why = (await formOf(c))('why') ?? null;
    const n = action === 'enable' ? await stored.enable(id) : await stored.disable(id);
    if (n === null) return c.notFound();
    const detail = action === 'enable' ? { sent: n } : { held: n };
    await recordAudit(pool, { actor: c.get('operator').name, action: `endpoints ${action}`, subject: id, why, detail });
    leaveNote(
      c,
      services,
      action === 'enable'
        ? `Enabled. ${plural(n, 'message')} will be sent.`
        : `Disabled. ${plural(n, 'message')} held.`,
    );
    return c.redirect(back, 303);
  });
}

/** Calls the endpoint and describes its answer. Null if there is no such endpoint. */
async function testCall({ pool, settings }: Services, id: string): Promise<string | null> {
  try {
    const { egress, brand } = settings;
    const stored = endpoints(pool, { secrets: createSecretBox(settings.secretKeys), egress });
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

function endpointRow(c: PageContext, { settings }: Services, endpoint: EndpointSummary): Html {
  const { id, name, urlHost, recipientId, tenant, groups, format, waiting } = endpoint;
  return html`<tr id="e-${id}">
<th scope="row">${name}<br><span class="reason">${urlHost}</span></th>
<td class="cut" data-label="For">${recipientId ?? (tenant === null ? 'everyone' : `tenant ${tenant}`)}</td>
<td data-label="Groups">${groups.join(', ') || 'all'}</td><td data-label="Format">${format}</td>
<td data-label="State">${stateOf(endpoint)}</td>
<td class="num" data-label="Waiting">${waiting >= 10_000 ? 'over 10,000' : count(waiting)}</td>
<td class="do">${c.get('operator').readOnly ? '' : actions(c, `${settings.basePath}/endpoints/${id}`, endpoint)}</td></tr>`;
}

function stateOf({ state, disabledReason, failingSince, probeAt }: EndpointSummary): Html {
  switch (state) {
    case 'healthy':
      return html`<span class="status sent">healthy</span>`;
    case 'failing':
      return html`<span class="status held">failing</span> <span class="reason">since ${time(failingSince)}</span>`;
    case 'open':
      return html`<span class="status held">circuit open</span> <span class="reason">${failingSince === null ? '' : html`since ${time(failingSince)}, `}next probe ${time(probeAt)}</span>`;
    case 'disabled':
      return html`<span class="status failed">disabled</span> <span class="reason">${reasons[disabledReason ?? ''] ?? ''}</span>`;
    default:
      return state satisfies never;
  }
}

const reasons: Readonly<Record<string, string>> = {
  operator: 'by an operator',
  gone: 'it answered 410 Gone',
  unusable: 'URL, key or permission is not valid',
  failing: 'it failed for 5 days',
};

function actions(c: PageContext, path: string, { name, state }: EndpointSummary): Html {
  const action = state === 'disabled' ? 'enable' : 'disable';
  const label = action === 'enable' ? 'Enable' : 'Disable';
  const of = html`<span class="hide"> ${name}</span>`;
  return html`<div class="row"><form method="post" action="${path}/test">${formToken(c)}<button class="small">Test${of}</button></form>
<details class="act"><summary>${label}…${of}</summary><form method="post" action="${path}/${action}" class="inline">${formToken(c)}<input name="why" maxlength="300" aria-label="Why" placeholder="why"${action === 'disable' ? html` required` : ''}><button class="small">${label}${of}</button></form></details></div>`;
}
