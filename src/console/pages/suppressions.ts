/** Addresses that a method must not send to. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import type { Reason } from '../../vocabulary.ts';
import { recordAudit } from '../../operate/audit.ts';
import { listSuppressions, type Suppression, suppress, unsuppress } from '../../operate/suppressions.ts';
import { meaningOf } from '../../operate/why.ts';
import { leaveNote } from '../cookies.ts';
import { cleaned, formOf } from '../input.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { empty, formToken, type Html, page, plural, table, time } from '../view.ts';
import { refusal } from './failure.ts';

const maxAddressLength = 320;

export function addSuppressions(app: Hono<ConsoleEnv>, services: Services): void {
  const { pool, settings } = services;
  const back = `${settings.basePath}/suppressions`;
  app.get('/suppressions', async (c) => {
    const address = cleaned(c.req.query('address'), maxAddressLength);
    const [all, methods] = await Promise.all([
      listSuppressions(pool, address === undefined ? {} : { address }),
      pool.query<{ name: string }>(`SELECT name FROM herald.method WHERE name <> '*' ORDER BY name`),
    ]);
    const rows = all.map((one) => suppressionRow(c, back, one));
    const main = html`<h1>Suppressions</h1><p class="lead">Addresses that nothing is sent to: their receivers refused them permanently, or an operator suppressed them.</p>
<form class="search" method="get" action="${back}" role="search"><div class="field grow"><label for="address">Address</label><input id="address" name="address" type="search" value="${address ?? ''}" maxlength="${maxAddressLength}" autocomplete="off" autocapitalize="none" spellcheck="false" data-shortcut="/"></div><button class="primary">Search</button></form>
${rows.length === 0 ? empty(address === undefined ? 'No address is suppressed.' : 'This address is not suppressed.') : table('Suppressions', ['Address', 'Method', 'Why', 'Since', html`<th scope="col"><span class="hide">Action</span></th>`], rows)}
${rows.length === 1000 ? html`<p class="hint">The newest 1,000. Search for an address to find an older one.</p>` : ''}
${
  c.get('operator').readOnly
    ? ''
    : addForm(
        c,
        back,
        methods.rows.map((row) => row.name),
      )
}`;
    return page(c, services, { title: 'Suppressions', section: 'suppressions', main });
  });

  app.post('/suppressions/:action{add|remove}', async (c) => {
    const form = await formOf(c);
    const [method, address, why] = [form('method'), form('address'), form('why')];
    const adding = c.req.param('action') === 'add';
    if (
      method === undefined ||
      address === undefined ||
      address.length > maxAddressLength ||
      (adding && why === undefined)
    )
      return refusal(c, services, 'Give a method, an address and a reason.');
    if (adding) await suppress(pool, { method, address, reason: why ?? '' });
    const done = adding || (await unsuppress(pool, { method, address }));
    const actor = c.get('operator').name;
    if (done)
      await recordAudit(pool, {
        actor,
        action: `suppressions ${c.req.param('action')}`,
        subject: method,
        why: why ?? null,
      });
    leaveNote(
      c,
      services,
      adding ? 'Suppressed.' : done ? 'Removed: the address is used again.' : 'This address was not suppressed.',
    );
    return c.redirect(back, 303);
  });
}

function suppressionRow(
  c: PageContext,
  path: string,
  { address, method, reason, hits, suppressedAt }: Suppression,
): Html {
  const state = suppressedAt
    ? time(suppressedAt)
    : html`<span class="none">not yet, after ${plural(hits, 'refusal')}</span>`;
  const remove = html`<form method="post" action="${path}/remove">${formToken(c)}<input type="hidden" name="method" value="${method}"><input type="hidden" name="address" value="${address}"><button class="small">Remove<span class="hide"> ${address}</span></button></form>`;
  return html`<tr><th scope="row" class="cut">${address}</th><td data-label="Method">${method}</td><td class="cut" data-label="Why">${words(reason)}</td><td data-label="Since">${state}</td><td class="do">${c.get('operator').readOnly ? '' : remove}</td></tr>`;
}

/** A reason code in words. What an operator wrote stays as it is. */
const words = (reason: string) => (/^[a-z]+(_[a-z]+)+$/.test(reason) ? meaningOf(reason as Reason) : reason);

function addForm(c: PageContext, path: string, methods: readonly string[]): Html {
  const options = methods.map((name) => html`<option${name === 'smtp' ? html` selected` : ''}>${name}</option>`);
  return html`<h2>Suppress an address</h2><form method="post" action="${path}/add" class="stack">${formToken(c)}
<label for="new-method">Method</label><select id="new-method" name="method">${options}</select>
<label for="new-address">Address</label><input id="new-address" name="address" required maxlength="${maxAddressLength}" autocomplete="off" autocapitalize="none" spellcheck="false">
<label for="new-why">Why</label><input id="new-why" name="why" required maxlength="300" placeholder="left the company">
<p><button class="danger">Suppress</button></p></form>`;
}
