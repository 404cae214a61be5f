/** What a recipient gets, by which rule, and their preferences. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { type EffectivePreference, preferencesOf, setPreference } from '../../enqueue/preferences.ts';
import { endpoints } from '../../operate/endpoints.ts';
import { searchMessages } from '../../operate/search.ts';
import type { Recipient } from '../../vocabulary.ts';
import { actionForm, empty, facts, hiddenHeading, type Html, searchForm, table, wideHeading } from '../elements.ts';
import { cleaned, formOf } from '../input.ts';
import { page } from '../layout.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { refusal } from './failure.ts';
import { finishAction } from './finish-action.ts';
import { inboxOf } from './inbox.ts';
import { messageTable } from './message-table.ts';
import { hoursSection } from './quiet-hours.ts';

const maxIdLength = 200;

/** Adds the page of one recipient and the action that changes a preference. */
export function addRecipients(app: Hono<ConsoleEnv>, services: Services): void {
  app.get('/recipients', (c) => recipientPage(c, services));
  app.post('/recipients/preference', (c) => changePreference(c, services));
}

async function recipientPage(c: PageContext, services: Services): Promise<Response> {
  const asked = cleaned(c.req.query('id'), maxIdLength);
  const ids = asked === undefined ? [] : await recipientsWith(services, asked);
  const field = { name: 'id', label: 'Recipient', value: asked, button: 'Show', required: true };
  const search = { ...field, maxLength: maxIdLength, placeholder: 'id or address' };
  const main = html`<h1>${asked ?? 'Recipients'}</h1>
${searchForm(`${services.settings.basePath}/recipients`, search)}
${await foundRecipients(c, services, { asked, ids })}`;
  return page(c, services, { title: asked ?? 'Recipients', section: 'recipients', main });
}

/** Ids of the recipients that have this id or have had this address. */
async function recipientsWith({ pool }: Services, asked: string): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `SELECT DISTINCT recipient_id AS id FROM herald.message
     WHERE address = lower($1 COLLATE "C") COLLATE "default" AND recipient_id <> $1
     ORDER BY 1 LIMIT 20`,
    [asked],
  );
  const known = await pool.query(
    `SELECT WHERE EXISTS (SELECT FROM herald.message WHERE recipient_id = $1)
       OR EXISTS (SELECT FROM herald.preference WHERE recipient_id = $1)`,
    [asked],
  );
  const others = rows.map(({ id }) => id);
  // An id that is not known yet still has the preferences of every new recipient.
  return known.rowCount === 0 && others.length > 0 ? others : [asked, ...others];
}

async function foundRecipients(
  c: PageContext,
  services: Services,
  { asked, ids }: { readonly asked: string | undefined; readonly ids: readonly string[] },
): Promise<Html> {
  const [id, ...others] = ids;
  if (id === undefined) return empty('Enter the id or an address of a recipient, to see what they get and why.');
  const path = `${services.settings.basePath}/recipients?id=`;
  const links = others.map((other) => html` <a href="${path}${encodeURIComponent(other)}">${other}</a>`);
  return html`${links.length === 0 ? '' : html`<p class="lead">Others with the address ${asked}:${links}</p>`}
${facts(await recipientFacts(services, id), 'narrow-facts')}
${await latestMessages(services, id)}
${await inboxOf(services, id)}
${await hoursSection(c, services, id)}
${await preferences(c, services, id)}`;
}

/** What the newest message says of the recipient, and the recipient's endpoints. */
async function recipientFacts(
  { pool, settings }: Services,
  id: string,
): Promise<(readonly [string, Html | string | null])[]> {
  const { rows } = await pool.query<{ recipient: Recipient }>(
    `SELECT recipient FROM herald.message WHERE recipient_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1`,
    [id],
  );
  const recipient = rows[0]?.recipient;
  const own = await endpoints(pool).list({ recipientId: id });
  const links = own.map(
    (one) => html`<a href="${settings.basePath}/endpoints/${one.id}">${one.name}</a> (${one.state}) `,
  );
  return [
    ['Id', id],
    ['Name', recipient?.name ?? null],
    ['Address', recipient?.email ?? null],
    ['Locale', [recipient?.locale, recipient?.timeZone].filter(Boolean).join(', ') || null],
    ['Endpoints', links.length === 0 ? null : html`${links}`],
  ];
}

async function changePreference(c: PageContext, services: Services): Promise<Response> {
  const form = await formOf(c);
  const [id, template, method, choice] = [form('id'), form('template'), form('method'), form('choice')];
  const enabled = choices.get(choice ?? '');
  if (id === undefined || template === undefined || method === undefined || enabled === undefined)
    return refusal(c, services, 'Give id, template, method and choice.');
  await setPreference(services.pool, { recipientId: id, template, method, enabled }, 'operator');
  // The recipient's id may be an address, so it is not recorded.
  const detail = { method, choice: choice ?? '' };
  return finishAction(c, services, {
    audit: { action: 'preferences set', subject: template, why: form('why') ?? null, detail },
    note: 'Saved. It applies to new messages and to those that are scheduled.',
    to: `/recipients?id=${encodeURIComponent(id)}`,
  });
}

const choices = new Map<string, boolean | null>([
  ['on', true],
  ['off', false],
  ['default', null],
]);

async function latestMessages(services: Services, id: string): Promise<Html> {
  const recent = await searchMessages(services.pool, { recipientId: id }, { limit: 5 });
  const all = `${services.settings.basePath}/messages?recipient=${encodeURIComponent(id)}`;
  const content =
    recent.lines.length === 0
      ? empty('No messages for this recipient.')
      : html`${await messageTable(services, 'Latest messages', recent.lines)}<p><a href="${all}">All messages</a></p>`;
  return html`<h2>Latest messages</h2>
${content}`;
}

const preferenceHeadings = [
  'Template',
  wideHeading('Group'),
  'Method',
  'Receives it',
  wideHeading('Decided by'),
  hiddenHeading('Choice'),
];

async function preferences(c: PageContext, services: Services, id: string): Promise<Html> {
  const rows = (await preferencesOf(services.pool, id)).map((preference) =>
    preferenceRow(c, services.settings.basePath, { id, preference }),
  );
  return html`
<h2>Preferences</h2>${rows.length === 0 ? empty('No templates yet.') : table('Preferences', preferenceHeadings, rows)}`;
}

const rules: Readonly<Record<EffectivePreference['decidedBy'], string>> = {
  template_disabled: 'the template is disabled',
  method_disabled: 'the method is disabled',
  mandatory: 'the template is mandatory',
  preference: "the recipient's choice",
  default: "the template's default",
};

interface RecipientPreference {
  readonly id: string;
  readonly preference: EffectivePreference;
}

function preferenceRow(c: PageContext, base: string, { id, preference }: RecipientPreference): Html {
  const { template, group, method, enabled, mandatory, decidedBy } = preference;
  const badge = enabled ? html`<span class="status sent">yes</span>` : html`<span class="status cancelled">no</span>`;
  const form = c.get('operator').readOnly || mandatory ? '' : preferenceForm(c, base, { id, preference });
  return html`<tr><th scope="row"><a href="${base}/templates/${template}">${template}</a></th>
<td class="wide">${group}</td><td data-label="Method">${method}</td>
<td data-label="Receives it">${badge}</td><td class="wide">${rules[decidedBy]}</td>
<td class="do">${form}</td></tr>`;
}

function preferenceForm(c: PageContext, base: string, { id, preference }: RecipientPreference): Html {
  const { template, method, enabled, decidedBy } = preference;
  const field = (name: string, value: string) => html`<input type="hidden" name="${name}" value="${value}">`;
  const button = (choice: string, label: string) => html`<button class="small" name="choice" value="${choice}">${label}
<span class="hide"> ${template} by ${method}</span></button>`;
  const fields = html`${field('id', id)}${field('template', template)}${field('method', method)}
${enabled ? button('off', 'Turn off') : button('on', 'Turn on')}${
  decidedBy === 'preference' ? button('default', 'Default') : ''
}`;
  return actionForm(c, `${base}/recipients/preference`, fields, 'row');
}
