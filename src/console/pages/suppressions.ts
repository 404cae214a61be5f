/** Addresses that a method must not send to. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import {
  listSuppressions,
  type Suppression,
  type SuppressionCause,
  suppress,
  unsuppress,
} from '../../operate/suppressions.ts';
import { meaningOf } from '../../operate/reason-text.ts';
import { type Reason, reasons } from '../../vocabulary.ts';
import { actionForm, empty, hiddenHeading, type Html, plural, searchForm, select, table, time } from '../elements.ts';
import { cleaned, formOf } from '../input.ts';
import { page } from '../layout.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { refusal } from './failure.ts';
import { finishAction } from './finish-action.ts';

const maxAddressLength = 320;
const maxListed = 1000;

/** Adds the page of suppressions and its actions. */
export function addSuppressions(app: Hono<ConsoleEnv>, services: Services): void {
  app.get('/suppressions', (c) => suppressionsPage(c, services));
  app.post('/suppressions/add', (c) => addSuppression(c, services));
  app.post('/suppressions/remove', (c) => removeSuppression(c, services));
}

const headings = ['Address', 'Method', 'Cause', 'Why', 'Since', hiddenHeading('Action')];

const causes: Readonly<Record<SuppressionCause, string>> = {
  dead: 'no such mailbox',
  soft: 'takes nothing now',
  complaint: 'complaint',
  operator: 'operator',
};

async function suppressionsPage(c: PageContext, services: Services): Promise<Response> {
  const { pool, settings } = services;
  const path = `${settings.basePath}/suppressions`;
  const address = cleaned(c.req.query('address'), maxAddressLength);
  const all = await listSuppressions(pool, address === undefined ? {} : { address });
  const rows = all.map((one) => suppressionRow(c, path, one));
  const none = address === undefined ? 'No address is suppressed.' : 'This address is not suppressed.';
  const search = { name: 'address', label: 'Address', value: address, maxLength: maxAddressLength };
  const main = html`<h1>Suppressions</h1>
<p class="lead">Addresses that nothing is sent to: the mailbox does not exist or takes nothing at present, the person
reported spam (mandatory messages still pass), or an operator suppressed them.</p>
${searchForm(path, search)}
${rows.length === 0 ? empty(none) : table('Suppressions', headings, rows)}
${
  rows.length === maxListed
    ? html`<p class="hint">The newest ${maxListed}. Search for an address to find an older one.</p>`
    : ''
}
${c.get('operator').readOnly ? '' : await newSuppression(c, services, path)}`;
  return page(c, services, { title: 'Suppressions', section: 'suppressions', main });
}

async function addSuppression(c: PageContext, services: Services): Promise<Response> {
  const form = await formOf(c);
  const [method, address, why] = [form('method'), form('address'), form('why')];
  if (method === undefined || address === undefined || address.length > maxAddressLength || why === undefined)
    return refusal(c, services, 'Give a method, an address and a reason.');
  await suppress(services.pool, { method, address, reason: why });
  return finishAction(c, services, {
    audit: { action: 'suppressions add', subject: method, why },
    note: 'Suppressed.',
    to: '/suppressions',
  });
}

async function removeSuppression(c: PageContext, services: Services): Promise<Response> {
  const form = await formOf(c);
  const [method, address] = [form('method'), form('address')];
  if (method === undefined || address === undefined || address.length > maxAddressLength)
    return refusal(c, services, 'Give a method and an address.');
  const removed = await unsuppress(services.pool, { method, address });
  return finishAction(c, services, {
    audit: removed ? { action: 'suppressions remove', subject: method, why: form('why') ?? null } : null,
    note: removed ? 'Removed: the address is used again.' : 'This address was not suppressed.',
    to: '/suppressions',
  });
}

function suppressionRow(c: PageContext, path: string, suppression: Suppression): Html {
  const { address, method, cause, reason, hits, suppressedAt, expiresAt } = suppression;
  const since = suppressedAt
    ? html`${time(suppressedAt)}${expiresAt ? html` until ${time(expiresAt)}` : ''}`
    : html`<span class="none">not yet: ${plural(hits, 'refusal')} so far</span>`;
  const fields = html`<input type="hidden" name="method" value="${method}">
<input type="hidden" name="address" value="${address}">
<button class="small">Remove<span class="hide"> ${address}</span></button>`;
  const canRemove = address !== null && !c.get('operator').readOnly;
  return html`<tr><th scope="row" class="cut">${address ?? 'an erased person'}</th>
<td data-label="Method">${method}</td>
<td data-label="Cause">${causes[cause]}</td>
<td class="cut" data-label="Why">${inWords(reason)}</td>
<td data-label="Since">${since}</td>
<td class="do">${canRemove ? actionForm(c, `${path}/remove`, fields) : ''}</td></tr>`;
}

/** A reason code in words. What an operator wrote stays as it is. */
function inWords(reason: string): string {
  const known: Reason | undefined = reasons.find((one) => one === reason);
  return known === undefined ? reason : meaningOf(known);
}

async function newSuppression(c: PageContext, { pool }: Services, path: string): Promise<Html> {
  const { rows } = await pool.query<{ name: string }>(`SELECT name FROM herald.method WHERE name <> '*' ORDER BY name`);
  const methods = rows.map(({ name }) => [name, name] as const);
  const fields = html`<label for="new-method">Method</label>
${select('method', methods, { id: 'new-method', chosen: 'smtp' })}
<label for="new-address">Address</label><input id="new-address" name="address" required
  maxlength="${maxAddressLength}" autocomplete="off" autocapitalize="none" spellcheck="false">
<label for="new-why">Why</label>
<input id="new-why" name="why" required maxlength="300" placeholder="left the company">
<p><button class="danger">Suppress</button></p>`;
  return html`<h2>Suppress an address</h2>${actionForm(c, `${path}/add`, fields, 'stack')}`;
}
