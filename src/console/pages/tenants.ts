/** Tenants with a brand, a sender, a language or a time zone of their own. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { ConfigurationError } from '../../errors.ts';
import { listTenants, removeTenant, setTenant, showTenant, type Tenant } from '../../operate/tenants.ts';
import { actionForm, empty, type Html, searchForm, table, time } from '../elements.ts';
import { cleaned, queryOf } from '../input.ts';
import { page } from '../layout.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { refusal } from './failure.ts';
import { finishAction } from './finish-action.ts';

const maxIdLength = 200;
const maxListed = 200;

/** Adds the pages of tenants and their actions. */
export function addTenants(app: Hono<ConsoleEnv>, services: Services): void {
  app.get('/tenants', (c) => tenantsPage(c, services));
  app.get('/tenants/one', (c) => tenantPage(c, services));
  app.post('/tenants/set', (c) => saveTenant(c, services));
  app.post('/tenants/remove', (c) => dropTenant(c, services));
}

const headings = ['Tenant', 'Name', 'Colour', 'Sender', 'Language', 'Time zone', 'Set'];

async function tenantsPage(c: PageContext, services: Services): Promise<Response> {
  const path = `${services.settings.basePath}/tenants`;
  const after = c.req.query('after') ?? '';
  const tenants = await listTenants(services.pool, { after: after.slice(0, maxIdLength), limit: maxListed });
  const last = tenants.at(-1);
  const more =
    last === undefined || tenants.length < maxListed
      ? ''
      : html`<p><a href="${path}${queryOf({}, { after: last.id })}">More</a></p>`;
  const search = { name: 'id', label: 'Tenant', value: '', button: 'Open', required: true, maxLength: maxIdLength };
  const main = html`<h1>Tenants</h1>
<p class="lead">Tenants with a brand, a sender, a language or a time zone of their own. All others are like the
application.</p>
${searchForm(`${path}/one`, search)}
${
  tenants.length === 0
    ? empty('No tenant has anything of its own.')
    : table(
        'Tenants',
        headings,
        tenants.map((tenant) => tenantRow(path, tenant)),
      )
}
${more}`;
  return page(c, services, { title: 'Tenants', section: 'tenants', main });
}

function tenantRow(path: string, { id, brand, sender, locale, timeZone, updatedAt }: Tenant): Html {
  const none = html`<span class="none">–</span>`;
  return html`<tr><th scope="row" class="cut"><a href="${path}/one${queryOf({}, { id })}">${id}</a></th>
<td class="cut" data-label="Name">${brand.appName ?? none}</td><td data-label="Colour">${brand.color ?? none}</td>
<td data-label="Sender">${sender ?? none}</td><td data-label="Language">${locale ?? none}</td>
<td data-label="Time zone">${timeZone ?? none}</td><td data-label="Set">${time(updatedAt)}</td></tr>`;
}

/** An id may hold any character, so it is part of the query and not of the path. */
async function tenantPage(c: PageContext, services: Services): Promise<Response> {
  const path = `${services.settings.basePath}/tenants`;
  const id = cleaned(c.req.query('id'), maxIdLength);
  if (id === undefined) return c.notFound();
  const tenant = await showTenant(services.pool, id);
  const main = html`<p class="crumbs"><a href="${path}">Tenants</a></p>
<h1>${id}</h1>
<p class="lead">${tenant === null ? 'It has nothing of its own yet.' : html`Set ${time(tenant.updatedAt)}.`}
What is empty is as for the application. To see it, preview a template with this tenant.</p>
${c.get('operator').readOnly ? ownFacts(tenant) : forms(c, path, { id, tenant })}`;
  return page(c, services, { title: id, section: 'tenants', main });
}

/** Name, label and hint of each field of text. */
const textFields = [
  ['appName', 'Name', 'Acme'],
  ['baseUrl', 'Base URL', 'https://acme.example'],
  ['logoUrl', 'Logo (https, PNG or JPEG)', 'https://acme.example/logo.png'],
  ['logoDarkUrl', 'Logo for dark mode', ''],
  ['logoWidth', 'Width of the logo in pixels', ''],
  ['logoHeight', 'Height of the logo in pixels', '36'],
  ['color', 'Colour of buttons and links', '#0b5cad'],
  ['sender', 'Sender', ''],
  ['locale', 'Language of recipients without one', 'de-AT'],
  ['timeZone', 'Time zone of recipients without one', 'Europe/Vienna'],
] as const;
type FieldName = (typeof textFields)[number][0];

function valuesOf(tenant: Tenant | null): Readonly<Record<FieldName | 'footer', string>> {
  const { brand = {}, sender, locale, timeZone } = tenant ?? {};
  const values = { ...brand, sender, locale, timeZone };
  const fields = textFields.map(([name]) => [name, String(values[name] ?? '')] as const);
  return { ...(Object.fromEntries(fields) as Record<FieldName, string>), footer: (brand.footer ?? []).join('\n') };
}

function ownFacts(tenant: Tenant | null): Html {
  const values = valuesOf(tenant);
  const rows = [
    ...textFields.map(([name, label]) => [label, values[name]] as const),
    ['Footer', values.footer] as const,
  ];
  return html`<dl class="facts">${rows
    .filter(([, value]) => value !== '')
    .map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`;
}

interface Shown {
  readonly id: string;
  readonly tenant: Tenant | null;
}

function forms(c: PageContext, path: string, shown: Shown): Html {
  return html`${tenantForm(c, path, shown)}${shown.tenant === null ? '' : removeForm(c, path, shown.id)}`;
}

function tenantForm(c: PageContext, path: string, { id, tenant }: Shown): Html {
  const values = valuesOf(tenant);
  const fields = html`<input type="hidden" name="id" value="${id}">
${textFields.map(
  ([name, label, hint]) => html`<label for="${name}">${label}</label>
<input id="${name}" name="${name}" value="${values[name]}" placeholder="${hint}" maxlength="900" autocomplete="off"
  spellcheck="false">`,
)}
<label for="footer">Footer, at most 5 lines</label>
<textarea id="footer" name="footer" rows="3" maxlength="1100">${values.footer}</textarea>
<p><button class="primary">Save</button></p>`;
  return actionForm(c, `${path}/set`, fields, 'stack');
}

function removeForm(c: PageContext, path: string, id: string): Html {
  const fields = html`<input type="hidden" name="id" value="${id}"><button class="danger">Remove all of it</button>`;
  return actionForm(c, `${path}/remove`, fields);
}

async function saveTenant(c: PageContext, services: Services): Promise<Response> {
  const form = await c.req.parseBody();
  const id = cleaned(form['id'], maxIdLength);
  if (id === undefined) return refusal(c, services, 'Give the id of the tenant.');
  const read = (name: string) => cleaned(form[name], 900) ?? null;
  const pixels = (name: string) => (read(name) === null ? null : Number(read(name)));
  const lines = typeof form['footer'] === 'string' ? form['footer'].split('\n') : [];
  const footer = lines.flatMap((line) => cleaned(line, 1000) ?? []);
  const brand = {
    ...{ appName: read('appName'), baseUrl: read('baseUrl'), color: read('color') },
    ...{ logoUrl: read('logoUrl'), logoDarkUrl: read('logoDarkUrl') },
    ...{ logoWidth: pixels('logoWidth'), logoHeight: pixels('logoHeight') },
    footer: footer.length === 0 ? null : footer,
  };
  const change = { brand, sender: read('sender'), locale: read('locale'), timeZone: read('timeZone') };
  try {
    await setTenant(services.pool, id, change);
  } catch (error) {
    if (error instanceof ConfigurationError) return refusal(c, services, error.message);
    throw error;
  }
  const audit = { action: 'tenants set', subject: id };
  return finishAction(c, services, { audit, note: 'Saved.', to: `/tenants/one${queryOf({}, { id })}` });
}

async function dropTenant(c: PageContext, services: Services): Promise<Response> {
  const form = await c.req.parseBody();
  const id = cleaned(form['id'], maxIdLength);
  if (id === undefined) return refusal(c, services, 'Give the id of the tenant.');
  const removed = await removeTenant(services.pool, id);
  return finishAction(c, services, {
    audit: removed ? { action: 'tenants remove', subject: id } : null,
    note: removed ? 'Removed: this tenant is like the application.' : 'This tenant had nothing of its own.',
    to: '/tenants',
  });
}
